"""/proc and /sys -> the processor: its name, the instructions engines choose their kernels by, its kinds of cores, its clocks."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path
from typing import Any

from edgebench.bench import sysfs

# instructions that engines choose their kernels by
FLAGS = (
    "avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16",
    "asimd", "asimddp", "asimdhp", "fphp", "i8mm", "bf16", "sve", "sve2",
)
# MIDR part numbers of Arm Ltd. (Arm's technical reference manuals, register MIDR_EL1)
ARM_PARTS = {
    "0xd03": "Cortex-A53", "0xd04": "Cortex-A35", "0xd05": "Cortex-A55", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72", "0xd09": "Cortex-A73",
    "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76", "0xd0c": "Neoverse-N1", "0xd0d": "Cortex-A77", "0xd40": "Neoverse-V1", "0xd41": "Cortex-A78",
    "0xd44": "Cortex-X1", "0xd46": "Cortex-A510", "0xd47": "Cortex-A710", "0xd48": "Cortex-X2", "0xd49": "Neoverse-N2", "0xd4d": "Cortex-A715",
    "0xd4e": "Cortex-X3", "0xd4f": "Neoverse-V2", "0xd80": "Cortex-A520", "0xd81": "Cortex-A720", "0xd82": "Cortex-X4",
}
# what only qemu's translator shows a machine: a counter of 62.5 MHz, which the kernel says as twice as many BogoMIPS, and a part "Q" of nobody, its `max`.
# Under a hypervisor both are the real processor's.
QEMUS_OWN = re.compile(r"^BogoMIPS\s*: 125\.00$|^CPU implementer\s*: 0x00\n(?:.+\n)*?CPU part\s*: 0x051$", re.MULTILINE)


def facts(root: Path) -> dict[str, Any]:
    """Everything about the processor that a record keeps."""
    cpuinfo = sysfs.text(root / "proc/cpuinfo") or ""
    clusters = _clusters(root, cpuinfo)
    tops = [one["freq_max_hz"] for one in clusters or [] if one["freq_max_hz"]]
    governors = sorted({one["governor"] for one in clusters or [] if one["governor"]})
    return {
        "cpu": _name(root, cpuinfo),
        "cpu_flags": _flags(cpuinfo),
        "clusters": clusters,
        "cpus_allowed": _allowed(root),
        "smt": _switch(root / "sys/devices/system/cpu/smt/active", on="1", off="0"),
        "freq_max_hz": max(tops, default=None),
        "governor": " + ".join(governors) or None,
        "energy_preference": sysfs.text(root / "sys/devices/system/cpu/cpu0/cpufreq/energy_performance_preference"),
        "frequency_driver": sysfs.text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_driver"),
        "turbo": _turbo(root),
    }


def emulated(root: Path, machine: str = "", *, virtual: bool | None = None) -> bool | None:
    """True where a program for ARM runs with its instructions translated; None where nothing shows it, which is no proof.

    qemu's user emulation shows its guest a /proc/cpuinfo of the other processor, but only by that path. Of a whole `virtual` machine, that
    qemu translates it is told by what it made up.
    """
    if not (machine or platform.machine()).startswith(("aarch64", "arm")):
        return None
    try:
        folder = os.open(root / "proc", os.O_RDONLY)
        try:
            file = os.open("cpuinfo", os.O_RDONLY, dir_fd=folder)
            with open(file, errors="replace") as real:
                said = real.read()
        finally:
            os.close(folder)
    except (OSError, NotImplementedError):
        return None
    return bool(re.search(r"^vendor_id\s*:", said, re.MULTILINE) or (virtual and QEMUS_OWN.search(said))) or None


def _name(root: Path, cpuinfo: str) -> str | None:
    """x86 names its model; ARM gives a part number for each core, so its kinds are listed."""
    named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    if named:
        return named[1].strip()
    parts = re.findall(r"^CPU part\s*:\s*(\w+)$", cpuinfo, re.MULTILINE)
    if parts:
        return " + ".join(f"{parts.count(part)}x {_part(part)}" for part in sorted(set(parts)))
    return platform.processor() or None if sys.platform == "darwin" and root == Path("/") else None


def _part(number: str) -> str:
    return ARM_PARTS.get(number, f"ARM part {number}")


def _flags(cpuinfo: str) -> list[str] | None:
    line = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return [flag for flag in FLAGS if flag in line[1].split()] if line else None


def _clusters(root: Path, cpuinfo: str) -> list[dict[str, Any]] | None:
    """Cores that are alike, as one entry each: which, of which kind, between which clocks, under which governor; the slowest first."""
    kinds = dict(re.findall(r"^processor\s*:\s*(\d+)$(?:\n.+$)*?\nCPU part\s*:\s*(\w+)$", cpuinfo, re.MULTILINE))
    alike: dict[tuple[Any, ...], list[int]] = {}
    for core in sorted(int(folder.name[3:]) for folder in (root / "sys/devices/system/cpu").glob("cpu[0-9]*")):
        folder = root / f"sys/devices/system/cpu/cpu{core}"
        clock = folder / "cpufreq"
        kind = _part(kinds[str(core)]) if str(core) in kinds else None
        limits = [sysfs.hertz(clock / f"cpuinfo_{end}_freq") for end in ("min", "max")]
        alike.setdefault((kind, *limits, sysfs.text(clock / "scaling_governor"), sysfs.number(folder / "cpu_capacity")), []).append(core)
    names = ("kind", "freq_min_hz", "freq_max_hz", "governor", "capacity")
    found = [{"cpus": sysfs.ranges(cores), "cores": len(cores), **dict(zip(names, like, strict=True))} for like, cores in alike.items()]
    return sorted(found, key=lambda one: (one["freq_max_hz"] or 0, one["capacity"] or 0)) or None


def _allowed(root: Path) -> str | None:
    """The processors this process may run on, its affinity and its cpuset taken together, e.g. "0-3"."""
    found = re.search(r"^Cpus_allowed_list:\s*(\S+)$", sysfs.text(root / "proc/self/status") or "", re.MULTILINE)
    return found[1] if found else None


def _turbo(root: Path) -> bool | None:
    """Whether the clock may rise above its nominal one for a while."""
    folder = root / "sys/devices/system/cpu"
    intel = _switch(folder / "intel_pstate/no_turbo", on="0", off="1")
    return intel if intel is not None else _switch(folder / "cpufreq/boost", on="1", off="0")


def _switch(path: Path, *, on: str, off: str) -> bool | None:
    return {on: True, off: False}.get(sysfs.text(path) or "")

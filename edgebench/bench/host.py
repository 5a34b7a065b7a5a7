"""This machine as a dictionary: what could change a number. What is not there is null, never 0 or a guess.

`facts` holds for the whole sweep, `now` is read before and after every timed pass. Both read below `root`, so that a
recorded tree of another machine can be read in a test.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from edgebench import __version__
from edgebench.backends.base import usable_cpus

PACKAGES = ("numpy", "tokenizers", "onnxruntime", "ai-edge-litert", "tflite-runtime", "torch", "msgspec")
# instructions that engines choose their kernels by
FLAGS = (
    "avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16",
    "asimd", "asimddp", "asimdhp", "fphp", "i8mm", "bf16", "sve", "sve2",
)
NO_LIMIT = 1 << 60  # cgroup v1 writes a number near 2**63 for "none"


def facts(root: Path = Path("/")) -> dict[str, Any]:
    """CPU, memory, system, versions and limits."""
    cpuinfo = _text(root / "proc/cpuinfo") or ""
    return {
        "machine": platform.machine(),
        "cpu": _cpu(root, cpuinfo),
        "cpu_flags": _flags(cpuinfo),
        "cores": os.cpu_count(),
        "usable_cores": usable_cpus(),
        "freq_max_hz": _hertz(root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"),
        "governor": _text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "memory_bytes": _meminfo(root, "MemTotal"),
        "swap_bytes": _meminfo(root, "SwapTotal"),
        "memory_limit_bytes": _memory_limit(root),
        "cpu_limit_cores": _cpu_limit(root),
        "board": _text(root / "proc/device-tree/model"),
        "virtual": "hypervisor" in cpuinfo.split() or None,
        "os": _os(root),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {"edgebench": __version__} | {name: _version(name) for name in PACKAGES},
        "power_source": _power_source(root),
        "clock_resolution_ns": _clock_resolution_ns(),
    }


def now(root: Path = Path("/")) -> dict[str, Any]:
    """What changes by the minute: load, frequency, temperature, free memory, throttling."""
    return {
        "monotonic_ns": time.monotonic_ns(),
        "load_average": _load(root),
        "cpu_stall_us": _cpu_stall(root),
        "freq_hz": _hertz(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq"),
        "temp_c": _temperature(root),
        "memory_available_bytes": _meminfo(root, "MemAvailable"),
        "steal_ticks": _steal(root),
    }


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip("\0 \n") or None
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text is not None and re.fullmatch(r"-?\d+", text) else None


def _hertz(path: Path) -> int | None:
    kilohertz = _number(path)
    return kilohertz * 1000 if kilohertz else None


def _cpu(root: Path, cpuinfo: str) -> str | None:
    """x86 names its model; ARM gives a part number for each core, so its kinds are listed."""
    named = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    if named:
        return named[1].strip()
    parts = re.findall(r"^CPU part\s*:\s*(\w+)$", cpuinfo, re.MULTILINE)
    if parts:
        return " + ".join(f"{parts.count(part)}x {ARM_PARTS.get(part, f'ARM part {part}')}" for part in sorted(set(parts)))
    return platform.processor() or None if sys.platform == "darwin" and root == Path("/") else None


# MIDR part numbers of Arm Ltd. (Arm's technical reference manuals, register MIDR_EL1)
ARM_PARTS = {
    "0xd03": "Cortex-A53", "0xd05": "Cortex-A55", "0xd08": "Cortex-A72", "0xd09": "Cortex-A73", "0xd0a": "Cortex-A75", "0xd0b": "Cortex-A76",
    "0xd0c": "Neoverse-N1", "0xd40": "Neoverse-V1", "0xd41": "Cortex-A78", "0xd44": "Cortex-X1", "0xd49": "Neoverse-N2",
}


def _flags(cpuinfo: str) -> list[str] | None:
    line = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return [flag for flag in FLAGS if flag in line[1].split()] if line else None


def _meminfo(root: Path, name: str) -> int | None:
    found = re.search(rf"^{name}:\s+(\d+) kB$", _text(root / "proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _memory_limit(root: Path) -> int | None:
    """The container's, where one is set: cgroup v2, then v1."""
    for path in ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"):
        limit = _number(root / path)
        if limit is not None:
            return limit if limit < NO_LIMIT else None
    return None


def _cpu_limit(root: Path) -> float | None:
    """Processors' worth of time the container may use."""
    quota, _, period = (_text(root / "sys/fs/cgroup/cpu.max") or "").partition(" ")
    if not quota:
        quota = str(_number(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us") or "")
        period = str(_number(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us") or "")
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _os(root: Path) -> str:
    release = re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', _text(root / "etc/os-release") or "", re.MULTILINE)
    return release[1] if release else f"{platform.system()} {platform.release()}"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _power_source(root: Path) -> str | None:
    """"mains" or "battery"; None where the machine does not say."""
    for supply in sorted((root / "sys/class/power_supply").glob("*")):
        if _text(supply / "type") in ("Mains", "USB") and _number(supply / "online") == 1:
            return "mains"
        if _text(supply / "type") == "Battery" and _text(supply / "status") == "Discharging":
            return "battery"
    return None


def _clock_resolution_ns() -> float:
    return time.get_clock_info("perf_counter").resolution * 1e9


def _load(root: Path) -> float | None:
    first = (_text(root / "proc/loadavg") or "").split(" ")[0]
    if first:
        return float(first)
    return os.getloadavg()[0] if sys.platform == "darwin" and root == Path("/") else None


def _cpu_stall(root: Path) -> int | None:
    """Microseconds since the start in which some process was ready and had no processor (the kernel's pressure stall information)."""
    found = re.search(r"^some .*total=(\d+)$", _text(root / "proc/pressure/cpu") or "", re.MULTILINE)
    return int(found[1]) if found else None


def _temperature(root: Path) -> float | None:
    """The hottest thermal zone; a zone that reads 0 or less is no sensor."""
    zones = [_number(zone / "temp") for zone in sorted((root / "sys/class/thermal").glob("thermal_zone*"))]
    return max((zone / 1000 for zone in zones if zone and zone > 0), default=None)


def _steal(root: Path) -> int | None:
    """Ticks that the hypervisor gave to others while this machine wanted to run."""
    fields = (_text(root / "proc/stat") or "").split("\n")[0].split()
    return int(fields[8]) if len(fields) > 8 and fields[0] == "cpu" else None

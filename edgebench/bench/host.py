"""This machine as a dictionary: what could change a number. What is not there is null, never 0 or a guess.

`facts` holds for the whole sweep, `now` is read before and after every timed pass. Both read below `root`, so that a
recorded tree of another machine can be read in a test.
"""

from __future__ import annotations

import os
import platform
import re
import time
from pathlib import Path
from typing import Any

import edgebench
from edgebench.backends.base import usable_cpus
from edgebench.bench import android, limits, processor, sysfs
from edgebench.bench.state import now

__all__ = ["facts", "now"]

PACKAGES = ("numpy", "tokenizers", "onnxruntime", "ai-edge-litert", "tflite-runtime", "torch", "openvino", "executorch", "msgspec")
# the last is what qemu's machine for ARM says in its device tree
MACHINES_THAT_ARE_NONE = re.compile(r"QEMU|KVM|VMware|VirtualBox|Xen|HVM domU|Hyper-V|Virtual Machine|Amazon EC2|Google Compute|Bochs|Parallels|dummy-virt")
CONTAINERS = {"docker": "docker", "kubepods": "kubernetes", "lxc": "lxc", "libpod": "podman"}  # a word in a control group's path -> its container


def facts(root: Path = Path("/")) -> dict[str, Any]:
    """Processor, memory, system, versions and limits."""
    return {
        "machine": platform.machine(),
        "board": _board(root),
        **processor.facts(root),
        "cores": os.cpu_count(),
        "usable_cores": usable_cpus(),
        "cpu_limit_cores": limits.cpu_cores(root),
        "memory_bytes": sysfs.meminfo(root, "MemTotal"),
        "memory_limit_bytes": limits.memory_bytes(root),
        "swap_bytes": sysfs.meminfo(root, "SwapTotal"),
        "huge_pages": _huge_pages(root),
        "virtual": _virtual(root),
        "emulated": processor.emulated(root, virtual=_virtual(root)),
        "container": _container(root),
        "os": _os(root),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "python": platform.python_version(),
        "packages": {"edgebench": edgebench.__version__} | {name: _version(name) for name in PACKAGES},
        "commit": commit(Path(edgebench.__file__).resolve().parent.parent),
        "power_source": _power_source(root),
        "clock_source": sysfs.text(root / "sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "clock_resolution_ns": time.get_clock_info("perf_counter").resolution * 1e9,
    }


def commit(checkout: Path) -> str | None:
    """The git commit that a working tree was last set to, whatever was edited since; None where this is none. Starts no process."""
    git = checkout / ".git"
    elsewhere = re.fullmatch(r"gitdir: (.+)", sysfs.text(git) or "")  # of a second working tree, .git is a file
    if elsewhere:
        git = checkout / elsewhere[1]
    head = sysfs.text(git / "HEAD") or ""
    shared = git / (sysfs.text(git / "commondir") or ".")
    name = head.removeprefix("ref: ")
    if name != head:
        packed = re.search(rf"^([0-9a-f]+) {re.escape(name)}$", sysfs.text(shared / "packed-refs") or "", re.MULTILINE)
        head = sysfs.text(shared / name) or (packed[1] if packed else "")
    return head if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", head) else None


def _board(root: Path) -> str | None:
    """What the machine is sold as."""
    dmi = [sysfs.text(root / "sys/class/dmi/id" / name) for name in ("sys_vendor", "product_name")]
    return sysfs.text(root / "proc/device-tree/model") or " ".join(filter(None, dmi)) or android.model(root)


def _huge_pages(root: Path) -> str | None:
    """Whether the kernel gives large pages by itself: "always", "madvise" or "never"."""
    chosen = re.search(r"\[(\w+)\]", sysfs.text(root / "sys/kernel/mm/transparent_hugepage/enabled") or "")
    return chosen[1] if chosen else None


def _virtual(root: Path) -> bool | None:
    """True where the machine says it is a virtual one; None where it says nothing, which is no proof."""
    flagged = re.search(r"^flags\s*:.*\bhypervisor\b", sysfs.text(root / "proc/cpuinfo") or "", re.MULTILINE)
    return bool(flagged) or bool(MACHINES_THAT_ARE_NONE.search(_board(root) or "")) or None


def _container(root: Path) -> str | None:
    """The kind of container this process is in; None where there is no sign of one."""
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run/.containerenv").exists():
        return "podman"
    groups = sysfs.text(root / "proc/self/cgroup") or ""
    return next((name for word, name in CONTAINERS.items() if word in groups), sysfs.text(root / "run/systemd/container"))


def _os(root: Path) -> str:
    release = re.search(r'^PRETTY_NAME="?([^"\n]+)"?$', sysfs.text(root / "etc/os-release") or "", re.MULTILINE)
    return release[1] if release else android.release(root) or f"{platform.system()} {platform.release()}"


def _version(package: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version  # a worker that only reads `now` need not wait for it

    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _power_source(root: Path) -> str | None:
    """"mains" or "battery"; None where the machine does not say."""
    for supply in sorted((root / "sys/class/power_supply").glob("*")):
        if sysfs.text(supply / "type") in ("Mains", "USB") and sysfs.number(supply / "online") == 1:
            return "mains"
        if sysfs.text(supply / "type") == "Battery" and sysfs.text(supply / "status") == "Discharging":
            return "battery"
    return (android.battery(root) or {}).get("power_source")

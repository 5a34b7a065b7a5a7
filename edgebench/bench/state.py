"""This machine at this moment: load, clocks, heat, free memory, and whether it holds itself back.

Read before and after every timed pass and between the windows of a sustained run, so it takes a few milliseconds at most.
Whether a machine throttles *now* it says itself: a Raspberry Pi's firmware by flags, the kernel by the steps of its cooling
devices. Intel's counters only rise, so they need an earlier reading to be compared with.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgebench.bench import android, limits, sysfs

# Raspberry Pi Ltd, documentation of vcgencmd: bit n of get_throttled is now, bit n + 16 is "since the start"
FIRMWARE_FLAGS = ("under-voltage", "frequency capped", "throttled", "soft temperature limit")
FIRMWARE_S = 2.0  # it answers in milliseconds or not at all
PROCESSOR_SENSORS = ("coretemp", "cpu_thermal", "k10temp", "zenpower")  # names in hwmon: AMD's is in no thermal zone
HOTTEST_C = 150.0  # a sensor that says more is broken


def now(root: Path = Path("/"), *, since: dict[str, Any] | None = None) -> dict[str, Any]:
    """What changes by the minute. `since` is what this returned earlier; with it `throttled` is known on Intel's processors, too."""
    firmware, steps, events = _firmware(root), _cooling_steps(root), _throttle_events(root)
    phone = android.thermal(root) if android.is_android(root) else None
    earlier = (since or {}).get("throttle_events")
    signs = [
        None if firmware is None else bool(firmware["now"]),
        None if steps is None else steps > 0,
        None if events is None or earlier is None else events > earlier,
        None if phone is None or phone["status"] is None else phone["status"] != "none",
    ]
    return {
        "monotonic_ns": time.monotonic_ns(),
        "load_average": _load(root),
        "cpu_stall_us": _stall(root, "cpu"),
        "memory_stall_us": _stall(root, "memory"),
        "cpu_limit_stall_us": limits.held_back_us(root),
        "steal_ticks": _steal(root),
        "freq_hz": freq_hz(root),
        "temp_c": _by_sensors(root) or (phone or {}).get("temp_c"),
        "throttled": True if True in signs else False if False in signs else None,
        "firmware": firmware,
        "cooling_steps": steps,
        "throttle_events": events,
        "battery": android.battery(root) if phone else None,
        "memory_available_bytes": sysfs.meminfo(root, "MemAvailable"),
        "swap_used_bytes": _swap_used(root),
    }


def temp_c(root: Path = Path("/")) -> float | None:
    """The hottest of all thermal zones and processor sensors; on a phone that hides them, what Android says of its processor."""
    found = _by_sensors(root)
    return found if found is not None or not android.is_android(root) else (android.thermal(root) or {}).get("temp_c")


def _by_sensors(root: Path) -> float | None:
    """One that reads 0 or less is no sensor."""
    found = [(sysfs.number(path) or 0) / 1000 for path in _sensors(root)]
    return max((one for one in found if 0 < one < HOTTEST_C), default=None)


def freq_hz(root: Path = Path("/")) -> int | None:
    """The clock of the fastest core now: it is where the work is, also where the cores are not alike."""
    policies = (root / "sys/devices/system/cpu/cpufreq").glob("policy*")
    return max((one for one in (sysfs.hertz(policy / "scaling_cur_freq") for policy in policies) if one), default=None)


def _sensors(root: Path) -> Iterator[Path]:
    yield from (root / "sys/class/thermal").glob("thermal_zone*/temp")
    for chip in (root / "sys/class/hwmon").glob("hwmon*"):
        if sysfs.text(chip / "name") in PROCESSOR_SENSORS:
            yield from chip.glob("temp*_input")


def _firmware(root: Path) -> dict[str, Any] | None:
    """A Raspberry Pi's flags by name, now and since the start; None on other machines."""
    tool = root / "usr/bin/vcgencmd"
    if not tool.exists():
        return None
    import subprocess  # 5 ms that other machines need not wait for

    try:
        said = subprocess.run([str(tool), "get_throttled"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FIRMWARE_S).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.fullmatch(r"throttled=0x([0-9a-fA-F]+)", said.strip())
    if not found:  # the user may not be in the group "video"
        return None
    bits = int(found[1], 16)
    return {when: [flag for place, flag in enumerate(FIRMWARE_FLAGS, start) if bits >> place & 1] for when, start in (("now", 0), ("since_boot", 16))}


def _cooling_steps(root: Path) -> int | None:
    """How far the kernel has lowered the processors' clocks against heat, in its own steps; 0: not at all."""
    devices = (root / "sys/class/thermal").glob("cooling_device*")
    steps = [sysfs.number(one / "cur_state") for one in devices if re.search(r"cpufreq|^Processor$", sysfs.text(one / "type") or "")]
    return max((one for one in steps if one is not None), default=None)


def _throttle_events(root: Path) -> int | None:
    """How often Intel's processors have throttled since the start, cores and packages together."""
    counts = [sysfs.number(one) for one in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/*_throttle_count")]
    known = [one for one in counts if one is not None]
    return sum(known) if known else None


def _load(root: Path) -> float | None:
    first = (sysfs.text(root / "proc/loadavg") or "").split(" ")[0]
    if first:
        return float(first)
    return os.getloadavg()[0] if sys.platform == "darwin" and root == Path("/") else None


def _stall(root: Path, what: str) -> int | None:
    """Microseconds since the start in which some process waited for it (the kernel's pressure stall information)."""
    return sysfs.field(root / "proc/pressure" / what, r"^some .*total=(\d+)$")


def _steal(root: Path) -> int | None:
    """Ticks that the hypervisor gave to others while this machine wanted to run."""
    fields = (sysfs.text(root / "proc/stat") or "").split("\n")[0].split()
    return int(fields[8]) if len(fields) > 8 and fields[0] == "cpu" else None


def _swap_used(root: Path) -> int | None:
    total, free = (sysfs.meminfo(root, name) for name in ("SwapTotal", "SwapFree"))
    return total - free if total is not None and free is not None else None

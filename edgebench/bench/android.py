"""What Android's own services say of heat and battery, for phones whose /sys may not be read: `dumpsys` -> numbers.

The forms are those that AOSP's ThermalManagerService and BatteryService print. Only what runs on the phone itself can ask.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

DUMPSYS = "system/bin/dumpsys"
GETPROP = "system/bin/getprop"
ANSWER_S = 3.0
PROCESSOR, SKIN = 0, 3  # android.os.Temperature: TYPE_CPU, TYPE_SKIN
STATUSES = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")  # android.os.PowerManager: THERMAL_STATUS_*


def is_android(root: Path) -> bool:
    """Whether there is such a service to ask."""
    return (root / DUMPSYS).exists()


def thermal(root: Path) -> dict[str, Any] | None:
    """The processor's temperature, the hottest sensor's of all, and whether the phone holds itself back; None where it is not told."""
    said = _asked(root, DUMPSYS, "thermalservice")
    return thermal_of(said) if said else None


def battery(root: Path) -> dict[str, Any] | None:
    """Level, temperature and source of power; None where it is not told."""
    said = _asked(root, DUMPSYS, "battery")
    return battery_of(said) if said else None


def model(root: Path) -> str | None:
    """What the phone is sold as."""
    words = [(_asked(root, GETPROP, f"ro.product.{name}") or "").strip() for name in ("manufacturer", "model")]
    return " ".join(filter(None, words)) or None


def release(root: Path) -> str | None:
    """E.g. "Android 16"."""
    number = (_asked(root, GETPROP, "ro.build.version.release") or "").strip()
    return f"Android {number}" if number else None


def thermal_of(said: str) -> dict[str, Any] | None:
    """The current temperatures are those that the hardware says last; the cached ones before them may be old."""
    current = said.partition("Current temperatures from HAL")[2] or said
    current = current.partition("Current cooling devices")[0]
    found = [(int(kind), float(value)) for value, kind in re.findall(r"Temperature\{mValue=(-?[\d.]+), mType=(-?\d+)", current)]
    believed = [(kind, value) for kind, value in found if 0 < value < 150]
    status = re.search(r"^\s*Thermal Status: (\d+)", said, re.MULTILINE)
    if not believed and not status:
        return None
    processors = [value for kind, value in believed if kind == PROCESSOR]
    skins = [value for kind, value in believed if kind == SKIN]
    return {
        "temp_c": max(processors or skins or [value for _, value in believed], default=None),
        "status": STATUSES[int(status[1])] if status and int(status[1]) < len(STATUSES) else None,
    }


def battery_of(said: str) -> dict[str, Any] | None:
    """Temperatures are in tenths of a degree."""
    fields = dict(re.findall(r"^\s*([\w ]+): (\S+)\s*$", said, re.MULTILINE))
    if "level" not in fields:
        return None
    powered = [name for name in ("AC", "USB", "Wireless", "Dock") if fields.get(f"{name} powered") == "true"]
    tenths = fields.get("temperature", "")
    return {
        "level": int(fields["level"]) if fields["level"].isdigit() else None,
        "temp_c": int(tenths) / 10 if tenths.isdigit() and int(tenths) else None,
        "power_source": "mains" if powered else "battery",
    }


def _asked(root: Path, program: str, word: str) -> str | None:
    if not (root / program).exists():
        return None
    import subprocess  # 5 ms that other machines need not wait for

    try:
        return subprocess.run([str(root / program), word], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=ANSWER_S).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None

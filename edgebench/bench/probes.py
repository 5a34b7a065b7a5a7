"""What this process holds in memory, from the kernel's own books, and by which method."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

STATUS = Path("/proc/self/status")


def resident_bytes(status: Path = STATUS) -> int:
    """Resident memory now."""
    found = _line(status, "VmRSS")
    if found is not None:
        return found
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_bytes(status: Path = STATUS) -> tuple[int, str]:
    """The most that was ever resident, and the method.

    VmHWM belongs to the program now running. `ru_maxrss`, the fallback, survives exec on Linux, so a child of a large
    parent starts with the parent's; and RUSAGE_CHILDREN, which is not used, is the largest of all children so far.
    """
    found = _line(status, "VmHWM")
    if found is not None:
        return found, "VmHWM"
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024), "ru_maxrss"


def _line(status: Path, name: str) -> int | None:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None

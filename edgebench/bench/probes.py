"""What this process holds in memory, from the kernel's own books, and by which method.

Three figures that differ: resident (every page it has in memory), proportional (a page shared with other processes counts
for its share), and the high-water mark of the first.
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from edgebench.bench import sysfs

OURS = Path("/proc/self")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_bytes(books: Path = OURS) -> int:
    """Resident memory now. One short read, so that it can follow every answer."""
    found = sysfs.field(books / "statm", r"^\d+ (\d+)")
    if found is not None:
        return found * PAGE_BYTES
    import psutil

    return int(psutil.Process().memory_info().rss)


def proportional_bytes(books: Path = OURS) -> int | None:
    """Proportional set size now; None where the kernel does not count it (before Linux 4.14, and elsewhere)."""
    return _kibibytes(books / "smaps_rollup", "Pss")


def peak_bytes(books: Path = OURS) -> tuple[int, str]:
    """The most that was ever resident, and the method.

    VmHWM belongs to the program now running. `ru_maxrss`, the fallback, survives exec on Linux, so a child of a large
    parent starts with the parent's; and RUSAGE_CHILDREN, which is not used, is the largest of all children so far.
    """
    found = _kibibytes(books / "status", "VmHWM")
    if found is not None:
        return found, "VmHWM"
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024), "ru_maxrss"


def _kibibytes(path: Path, name: str) -> int | None:
    found = sysfs.field(path, rf"^{name}:\s+(\d+) kB$")
    return None if found is None else found * 1024

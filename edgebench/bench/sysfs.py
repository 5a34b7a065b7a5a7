"""A file of /proc or /sys -> its text or number, or None: what cannot be read is not known."""

from __future__ import annotations

import re
from pathlib import Path


def text(path: Path) -> str | None:
    """The file's text without the space around it; None where there is no such file, or nothing in it."""
    try:
        return path.read_text(errors="replace").strip("\0 \n") or None
    except OSError:
        return None


def number(path: Path) -> int | None:
    """The whole number that the file holds."""
    found = text(path)
    return int(found) if found is not None and re.fullmatch(r"-?\d+", found) else None


def hertz(path: Path) -> int | None:
    """A frequency, which the kernel gives in kHz; 0 stands for "not known"."""
    kilohertz = number(path)
    return kilohertz * 1000 if kilohertz else None


def field(path: Path, pattern: str) -> int | None:
    """The whole number in the first group of `pattern`, whose ^ and $ are those of a line."""
    found = re.search(pattern, text(path) or "", re.MULTILINE)
    return int(found[1]) if found else None


def meminfo(root: Path, name: str) -> int | None:
    """One line of /proc/meminfo, in bytes."""
    kibibytes = field(root / "proc/meminfo", rf"^{name}:\s+(\d+) kB$")
    return None if kibibytes is None else kibibytes * 1024


def listed(numbers: str) -> list[int]:
    """The kernel's "0-3,8" is 0, 1, 2, 3, 8."""
    found: list[int] = []
    for part in re.findall(r"\d+(?:-\d+)?", numbers):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def ranges(numbers: list[int]) -> str:
    """0, 1, 2, 3, 8 is "0-3,8", as taskset and the kernel take it."""
    parts: list[list[int]] = []
    for one in sorted(numbers):
        if parts and one == parts[-1][-1] + 1:
            parts[-1].append(one)
        else:
            parts.append([one])
    return ",".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)

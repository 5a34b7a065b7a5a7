"""JSON lines in a file that survives a crash, a full disk and a second writer: a line is there whole, or not at all."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import IO


def append(path: Path, line: bytes) -> None:
    """`add` to the file at `path`; writers take turns."""
    with path.open("a+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        add(file, line)


def add(file: IO[bytes], line: bytes) -> None:
    """Add `line` and its newline, on the disk before this returns; OSError leaves the file as it was.

    `file` is open as "a+b" without a buffer. Half a line that a crash left at the end is taken away first.
    """
    _mend(file)
    end = file.seek(0, os.SEEK_END)
    try:
        _write(file, line + b"\n")
        os.fsync(file.fileno())
    except OSError:
        file.truncate(end)  # a full disk took a part of it
        raise


def read(path: Path) -> list[bytes]:
    """The lines, without half a line that a crash left at the end."""
    lines = path.read_bytes().split(b"\n")
    return lines if _is_whole(lines[-1]) else lines[:-1]


def _mend(file: IO[bytes]) -> None:
    """Let the file end with a newline."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - 1, 0))
    if not size or file.read(1) == b"\n":
        return
    file.seek(0)
    begin = file.read().rfind(b"\n") + 1
    file.seek(begin)
    if _is_whole(file.read()):
        _write(file, b"\n")
    else:
        file.truncate(begin)


def _is_whole(last: bytes) -> bool:
    """Whether what follows the last newline is a line that only lacks its own."""
    try:
        return bool(last) and json.loads(last) is not None
    except (ValueError, RecursionError):
        return False


def _write(file: IO[bytes], data: bytes) -> None:
    while data:
        data = data[file.write(data) :]

"""A file that is there whole or not at all: written beside its place, put on the disk, and renamed into it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def writing(path: Path) -> Iterator[IO[bytes]]:
    """Within it the file's content is written; after it the file is at `path`, or, where anything was raised, what was there before."""
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o666 & ~_mask())
        os.replace(name, path)
        _settle(path.parent)
    finally:
        Path(name).unlink(missing_ok=True)


def write(path: Path, content: bytes | str) -> None:
    """The content, text as UTF-8, in one step."""
    with writing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def copy(source: Path, path: Path) -> None:
    """Another file's content, in one step."""
    with source.open("rb") as file, writing(path) as into:
        shutil.copyfileobj(file, into)


def _settle(folder: Path) -> None:
    """Put the folder's list of names on the disk, where the system can."""
    try:
        number = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows opens no folder
        return
    try:
        os.fsync(number)
    except OSError:  # nor does every file system
        pass
    finally:
        os.close(number)


def _mask() -> int:
    """What new files are not to allow; the system tells it only by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

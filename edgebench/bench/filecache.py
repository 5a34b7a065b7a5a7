"""The "drop" pass: what a cold start reads -> out of the kernel's file cache, so that the next one reads the disk again.

Needs no root: `posix_fadvise(POSIX_FADV_DONTNEED)` lets go of a file's pages that nobody has mapped, and `mincore` says
which are still there (posix_fadvise(2), mincore(2)). Let go of are Python's packages and modules, the engine's libraries
among them, and the model's files. The interpreter and the system's own libraries, which other programs have open, stay,
as does what the kernel knows of folders: the first start after the machine's own is colder still.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from edgebench.bench import cold
from edgebench.bench.job import Answer, Job
from edgebench.units import bytes_text, percent_text

LEFT = 0.01  # of the pages: with fewer in memory the files count as dropped
PAGE = os.sysconf("SC_PAGE_SIZE")
PROT_READ, MAP_SHARED = 1, 1


def measure(job: Job) -> Answer:
    """Whether (nearly) nothing of the files is in memory afterwards; why not is a note."""
    if not hasattr(os, "posix_fadvise") or not Path("/proc/self/maps").exists():
        return Answer(dropped=False, notes=[f"the file cache was not dropped: {sys.platform} has no call for it; cold starts are warm ones"])
    files = read_by_a_start(job) - _mapped()
    if not files:
        return Answer(dropped=False, notes=["the file cache was not dropped: no start came as far as an answer; see why in this cell's reason"])
    left = {file: pages for file in files if (pages := drop(file))}
    total = sum(map(_pages, files))
    if sum(left.values()) <= LEFT * total:
        return Answer(dropped=True)
    most = max(left, key=lambda file: left[file])
    share, size = percent_text(sum(left.values()) / total), bytes_text(total * PAGE)
    return Answer(dropped=False, notes=[f"the file cache was not dropped: {share} of {size} stayed, most of it {most.name}; another program may have it open"])


def read_by_a_start(job: Job) -> set[Path]:
    """Every file of Python's folders that a cold start maps or imports, and the model's own.

    They are found by making one in a child of this process: here nothing must be imported, since what a process has
    mapped stays in memory. Empty where the start failed.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            pipe, _ = cold.start(job, cold.Birth(0, 0))
            folders = [Path(one).resolve() for one in sys.path if one]
            ours = _of_card(job.spec.model, [one.file for one in pipe.variant.files])
            found = {one for one in _mapped() | _imported() if any(map(one.is_relative_to, folders))} | ours
            with os.fdopen(writer, "w") as out:
                json.dump([str(one) for one in found], out)
        finally:
            os._exit(0)  # without the parent's way out
    os.close(writer)
    with os.fdopen(reader) as told:
        words = told.read()
    os.waitpid(child, 0)
    return {Path(one) for one in json.loads(words or "[]")}


def drop(file: Path) -> int:
    """Ask the kernel to let go of a file; how many of its pages stayed."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        left = resident(descriptor)
        if left:  # a page that is not on the disk yet stays
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            left = resident(descriptor)
        return left
    finally:
        os.close(descriptor)


def resident(descriptor: int) -> int:
    """Pages of an open file that are in memory. Mapping them reads none."""
    size = os.fstat(descriptor).st_size
    if not size:
        return 0
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
    libc.mincore.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p)
    libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
    address = libc.mmap(None, size, PROT_READ, MAP_SHARED, descriptor, 0)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    try:
        pages = ctypes.create_string_buffer(-(-size // PAGE))
        if libc.mincore(address, size, pages):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return sum(page & 1 for page in pages.raw)
    finally:
        libc.munmap(address, size)


def _pages(file: Path) -> int:
    return -(-file.stat().st_size // PAGE)


def _mapped() -> set[Path]:
    """Files that this process has mapped."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return _there(found[1] for line in lines if (found := re.search(r" (/.*)$", line)))


def _imported() -> set[Path]:
    """Files of the modules that this process has imported, and their compiled forms."""
    names = [(getattr(one, "__file__", None), getattr(one, "__cached__", None)) for one in list(sys.modules.values())]
    return _there(name for pair in names for name in pair if name)


def _of_card(model: str, variant: list[str]) -> set[Path]:
    """The card, the variant's files and all others the card names, e.g. its tokenizer."""
    from edgebench import catalog
    from edgebench.models import card as cards

    path = catalog.find("models", model)
    return {path.resolve()} | _there(str(path.resolve().parent / file) for file in (*variant, *(one.file for one in cards.read(path).files.values())))


def _there(names: Iterable[str]) -> set[Path]:
    """Those that are files, links followed."""
    return {path.resolve() for name in names if (path := Path(name)).is_file()}

"""Memory from recorded books of the kernel's, and from this process."""

from __future__ import annotations

import os
from pathlib import Path

from edgebench.bench import probes

PAGE = os.sysconf("SC_PAGE_SIZE")
BOOKS = {
    "statm": "2250 256 100 1 0 200 0\n",
    "status": "Name:\tpython\nVmPeak:\t   9000 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n",
    "smaps_rollup": "5581a000-7ffe6000 ---p 00000000 00:00 0    [rollup]\nRss:      1024 kB\nPss:       512 kB\nPss_Anon:    112 kB\n",
}


def books(folder: Path) -> Path:
    for name, text in BOOKS.items():
        (folder / name).write_text(text)
    return folder


def test_the_kernels_numbers_are_bytes(tmp_path: Path) -> None:
    assert probes.resident_bytes(books(tmp_path)) == 256 * PAGE
    assert probes.proportional_bytes(tmp_path) == 512 << 10
    assert probes.peak_bytes(tmp_path) == (2 << 20, "VmHWM")


def test_without_books_the_peak_names_its_other_method(tmp_path: Path) -> None:
    peak, method = probes.peak_bytes(tmp_path)
    assert method == "ru_maxrss"
    assert peak >= 1 << 20


def test_without_books_resident_memory_is_still_read_and_proportional_memory_is_not_guessed(tmp_path: Path) -> None:
    assert probes.resident_bytes(tmp_path) >= 1 << 20
    assert probes.proportional_bytes(tmp_path) is None


def test_a_large_array_shows_in_every_figure() -> None:
    before, shares = probes.resident_bytes(), probes.proportional_bytes()
    held = b"\1" * (64 << 20)
    assert probes.resident_bytes() - before > 48 << 20
    assert probes.peak_bytes()[0] >= before + (48 << 20)
    assert shares is None or (probes.proportional_bytes() or 0) - shares > 48 << 20
    del held

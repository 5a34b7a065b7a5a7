"""Resident memory from a recorded /proc/self/status, and from this process."""

from __future__ import annotations

from pathlib import Path

from edgebench.bench import probes


def test_the_kernels_numbers_are_bytes(tmp_path: Path) -> None:
    (tmp_path / "status").write_text("Name:\tpython\nVmPeak:\t   9000 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n")
    assert probes.resident_bytes(tmp_path / "status") == 1 << 20
    assert probes.peak_bytes(tmp_path / "status") == (2 << 20, "VmHWM")


def test_without_proc_the_peak_names_its_other_method(tmp_path: Path) -> None:
    peak, method = probes.peak_bytes(tmp_path / "absent")
    assert method == "ru_maxrss"
    assert peak >= 1 << 20


def test_without_proc_resident_memory_is_still_read(tmp_path: Path) -> None:
    assert probes.resident_bytes(tmp_path / "absent") >= 1 << 20


def test_a_large_array_shows_in_resident_memory_and_in_the_peak() -> None:
    before = probes.resident_bytes()
    held = b"\1" * (64 << 20)
    assert probes.resident_bytes() - before > 48 << 20
    assert probes.peak_bytes()[0] >= before + (48 << 20)
    del held

"""Single files of /proc and /sys, and the kernel's lists of numbers."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench.bench import sysfs


def file(folder: Path, text: str) -> Path:
    (folder / "file").write_text(text)
    return folder / "file"


def test_a_file_is_its_text_without_the_space_and_the_zero_at_its_end(tmp_path: Path) -> None:
    assert sysfs.text(file(tmp_path, "Raspberry Pi 5 Model B\0")) == "Raspberry Pi 5 Model B"


@pytest.mark.parametrize("text", ["", " \n", "\0"])
def test_an_empty_file_says_nothing(tmp_path: Path, text: str) -> None:
    assert sysfs.text(file(tmp_path, text)) is None


def test_what_is_no_file_says_nothing(tmp_path: Path) -> None:
    assert (sysfs.text(tmp_path), sysfs.text(tmp_path / "absent"), sysfs.number(tmp_path / "absent")) == (None, None, None)


@pytest.mark.parametrize(("text", "value"), [("42\n", 42), ("-7", -7), ("<unknown>\n", None), ("1.5", None), ("0x10", None)])
def test_a_number_is_a_whole_one_or_none(tmp_path: Path, text: str, value: int | None) -> None:
    assert sysfs.number(file(tmp_path, text)) == value


@pytest.mark.parametrize(("text", "value"), [("2400000\n", 2_400_000_000), ("0\n", None)])
def test_a_frequency_is_in_hertz_and_never_zero(tmp_path: Path, text: str, value: int | None) -> None:
    assert sysfs.hertz(file(tmp_path, text)) == value


@pytest.mark.parametrize(("text", "numbers"), [("0-3,8", [0, 1, 2, 3, 8]), ("5", [5]), ("0-1,4-5", [0, 1, 4, 5]), ("", [])])
def test_a_list_of_processors_is_read_and_written_as_the_kernel_does(text: str, numbers: list[int]) -> None:
    assert sysfs.listed(text) == numbers
    assert sysfs.ranges(numbers) == text

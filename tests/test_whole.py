"""A file is there whole or as it was, whatever happens while it is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgebench import whole


def test_what_is_written_is_there_and_nothing_else(tmp_path: Path) -> None:
    whole.write(tmp_path / "one", "“text”")
    whole.write(tmp_path / "two", b"\x00")
    whole.copy(tmp_path / "two", tmp_path / "three")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"one": "“text”".encode(), "two": b"\x00", "three": b"\x00"}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_error_half_way_leaves_what_was_there(tmp_path: Path, error: BaseException) -> None:
    def interrupted() -> None:
        with whole.writing(tmp_path / "one") as file:
            file.write(b"half")
            raise error

    whole.write(tmp_path / "one", "before")
    with pytest.raises(type(error)):
        interrupted()
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("one", "before")]


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = list[str]()
    monkeypatch.setattr(os, "fsync", lambda _: order.append("fsync"))
    real = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("replace"), real(a, b)))
    whole.write(tmp_path / "one", "x")
    assert order == ["fsync", "replace", "fsync"]


def test_a_file_has_the_rights_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    whole.write(tmp_path / "one", "x")
    assert (tmp_path / "one").stat().st_mode == (tmp_path / "usual").stat().st_mode

"""edgebench models: list, show, verify, add."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from edgebench.cli.models import command
from edgebench.errors import IntegrityError, UsageError


@pytest.fixture
def copied(bag_of_words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A card file outside an empty EDGEBENCH_HOME."""
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path / "home"))
    (tmp_path / "bag").mkdir()
    for one in ("bag.toml", "bag/tokenizer.json", "bag/bag.onnx"):
        (tmp_path / one).write_bytes((bag_of_words.parent / one).read_bytes())
    return tmp_path / "bag.toml"


@pytest.mark.usefixtures("home")
def test_list_names_each_model_its_task_and_variants() -> None:
    assert f"{'bag':24} text-classification    onnx/fp32\n" in CliRunner().invoke(command, ["list"]).output


@pytest.mark.usefixtures("home")
def test_show_gives_licence_source_and_digest() -> None:
    output = CliRunner().invoke(command, ["show", "bag"]).output
    assert "licence      Apache-2.0\n" in output
    assert "source       made in a test\n" in output
    assert "accuracy not stated" in output
    assert "sha256" in output


def test_an_added_model_is_found_by_name_and_opens(copied: Path) -> None:
    import edgebench

    assert CliRunner().invoke(command, ["add", str(copied)]).output == "added bag; try: edgebench predict bag ...\n"
    copied.unlink()
    with edgebench.load("bag") as pipe:
        assert pipe("good").label == "positive"


def test_adding_twice_is_refused(copied: Path) -> None:
    CliRunner().invoke(command, ["add", str(copied)])
    assert isinstance(CliRunner().invoke(command, ["add", str(copied)]).exception, UsageError)


def test_verify_names_the_wrong_file_and_fails(copied: Path) -> None:
    with (copied.parent / "bag" / "bag.onnx").open("r+b") as file:
        file.write(b"\0")
    result = CliRunner().invoke(command, ["verify", str(copied)])
    assert isinstance(result.exception, IntegrityError)
    assert "wrong  sha256 of" in result.output
    assert "ok     bag/tokenizer.json" in result.output


def test_a_damaged_model_is_not_added(copied: Path) -> None:
    (copied.parent / "bag" / "bag.onnx").write_bytes(b"short")
    assert isinstance(CliRunner().invoke(command, ["add", str(copied)]).exception, IntegrityError)

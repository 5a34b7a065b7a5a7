"""Where cards are found: the user's folder before what is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebench import catalog
from edgebench.errors import UsageError


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    return tmp_path


def test_one_variable_moves_the_users_folder_and_the_cache(own_home: Path) -> None:
    assert (catalog.user_folder("devices"), catalog.cache_folder()) == (own_home / "devices", own_home / "cache")


def test_without_it_the_platforms_folders_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEBENCH_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "d"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    assert (catalog.user_folder("models"), catalog.cache_folder()) == (tmp_path / "d/edgebench/models", tmp_path / "c/edgebench")


def test_shipped_cards_lie_beside_the_package_in_a_checkout() -> None:
    assert "sst2" in catalog.paths("models/datasets")
    assert "minilm-l6" in catalog.paths("models/weights")


def test_the_users_card_goes_before_the_shipped_one(own_home: Path) -> None:
    mine = own_home / "models" / "datasets" / "sst2.toml"
    mine.parent.mkdir()
    mine.touch()
    assert catalog.find("models/datasets", "sst2") == mine


def test_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").touch()
    assert catalog.find("models", str(tmp_path / "mine.toml")) == tmp_path / "mine.toml"


def test_a_path_that_is_not_there_says_so() -> None:
    with pytest.raises(UsageError, match=r"none.toml does not exist; give a TOML file"):
        catalog.find("models", "none.toml")


def test_an_unknown_name_gets_the_known_ones_and_the_nearest(own_home: Path) -> None:
    (own_home / "models" / "mine.toml").touch()
    with pytest.raises(UsageError, match=r"there is no model 'nine'; there are .*mine.* Did you mean 'mine'\?"):
        catalog.find("models", "nine")


@pytest.mark.parametrize(
    ("model", "parts"),
    [("elastic-sst2@0.5x0.5", ("elastic-sst2", "0.5x0.5")), ("elastic-sst2", ("elastic-sst2", None)), ("a@b/m.toml", ("a@b/m.toml", None)),
     ("a@b/m.toml@whole", ("a@b/m.toml", "whole")), ("x@y.toml", ("x@y.toml", None)), ("a@b/m", ("a@b/m", None))],
)  # fmt: skip
def test_an_operating_point_stands_behind_the_models_name(model: str, parts: tuple[str, str | None]) -> None:
    assert catalog.split(model) == parts


def test_a_card_is_found_by_its_name_with_a_point(own_home: Path) -> None:
    mine = own_home / "models" / "mine.toml"
    mine.touch()
    assert catalog.find("models", "mine@0.5x0.5") == catalog.find("models", f"{mine}@0.5x0.5") == mine

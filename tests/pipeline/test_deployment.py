"""A deployment file stands in a model's place: `load` opens what it says, in the way it says."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgebench
from edgebench.errors import CardError, UnsupportedError, UsageError

TOLD = 'schema = 1\ndeploys = "bag"\nbackend = "onnxruntime"\nprecision = "fp32"\nthreads = 2\n[settings]\nspinning = false\ngraph_optimisation = "basic"\n'


@pytest.fixture(autouse=True)
def alone(home: Path) -> None:
    """The model is "bag"."""


def written(folder: Path, old: str = "", new: str = "") -> str:
    assert old in TOLD
    path = folder / "fast.toml"
    path.write_text(TOLD.replace(old, new))
    return str(path)


def test_the_session_is_as_the_file_says(tmp_path: Path) -> None:
    with edgebench.load(written(tmp_path)) as pipe:
        assert pipe("good film").label == "positive"
        assert (pipe.card.name, pipe.facts.threads, pipe.facts.details["graph_optimisation"]) == ("bag", 2, "ORT_ENABLE_BASIC")
        assert pipe.facts.details["settings"] == {"spinning": False, "graph_optimisation": "basic"}


def test_a_card_is_named_as_seen_from_the_files_folder(bag_of_words: Path, tmp_path: Path) -> None:
    (tmp_path / "cards").symlink_to(bag_of_words.parent)
    with edgebench.load(written(tmp_path, '"bag"', '"cards/bag.toml"')) as pipe:
        assert pipe.card.name == "bag"


@pytest.mark.parametrize(
    ("old", "new", "error", "said"),
    [
        ("spinning", "spining", UnsupportedError, "no setting 'spining'.*Did you mean 'spinning'"),
        ('"basic"', '"most"', UnsupportedError, "setting graph_optimisation is 'most'; expected one of 'all'"),
        ("threads", "treads", CardError, "key 'treads' is unknown. Did you mean 'threads'"),
        ("schema = 1", "schema = 2", CardError, "schema is 2"),
        ('"bag"', '"bog"', UsageError, "there is no model 'bog'"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, old: str, new: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        edgebench.load(written(tmp_path, old, new))

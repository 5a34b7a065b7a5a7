"""A card's files: right bytes are taken, anything else is one clear error."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from edgebench.errors import IntegrityError
from edgebench.models.artifact import artifact, beside, files, verify
from edgebench.models.card import File

CONTENT = b"0123456789" * 1000


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_with_the_cards_bytes_is_verified(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(CONTENT)
    verify(tmp_path / "x", sha(CONTENT), len(CONTENT))


def test_other_bytes_of_the_same_size_name_both_digests(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    with pytest.raises(IntegrityError, match=f"sha256 of .*x is {sha(b'abc')[:8]}…, the card says {sha(b'abd')[:8]}…; delete the file or correct the card"):
        verify(tmp_path / "x", sha(b"abd"), 3)


def test_the_size_is_checked_first(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    with pytest.raises(IntegrityError, match="has 3 bytes, the card says 4"):
        verify(tmp_path / "x", sha(b"abc"), 4)


def test_a_missing_file_says_so_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="x is missing, but its card names it; put the file there or fetch it again"):
        verify(tmp_path / "x", sha(b""), 0)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="is a folder"):
        verify(tmp_path, sha(b""), 0)


def test_a_named_pipe_is_no_file_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x")
    with pytest.raises(IntegrityError, match="no regular file"):
        verify(tmp_path / "x", sha(b""), 0)


def test_a_link_that_leaves_the_cards_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(CONTENT)
    (tmp_path / "cards").mkdir()
    (tmp_path / "cards" / "x").symlink_to(tmp_path / "secret")
    with pytest.raises(IntegrityError, match="outside the card's folder"):
        beside(tmp_path / "cards" / "m.toml", File("x", sha(CONTENT), len(CONTENT)))


def test_a_cards_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").write_bytes(CONTENT)
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    assert beside(tmp_path / "linked" / "m.toml", File("x", sha(CONTENT), len(CONTENT))) == tmp_path / "real" / "x"


def test_an_artifact_is_the_variants_verified_file(bag_of_words: Path) -> None:
    from edgebench.models.card import read

    card = read(bag_of_words)
    found = artifact(bag_of_words, card, card.variants[0])
    assert (found.path.name, found.variant.name, found.card) == ("bag.onnx", "onnx/fp32", "bag")
    assert list(files(bag_of_words, card)) == ["tokenizer"]

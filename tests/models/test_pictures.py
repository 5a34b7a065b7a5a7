"""Sets of pictures: labels in names, boxes in YOLO's files, masks; pinned as a whole; the bundled set stands in where there is no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebench.errors import CardError, FetchError, IntegrityError
from edgebench.models import pictures
from edgebench.models.data import load
from edgebench.models.pictures import Boxes, Masks, PictureSet

LABELS = ("cat", "dog")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "pets/images/0-a.jpg": "a", "pets/images/1-b.png": "b", "pets/images/notes.txt": "no picture",
        "pets/boxes/0-a.txt": "1 0.5 0.5 0.2 0.4\n0 0.1 0.1 0.1 0.1\n", "pets/masks/1-b.png": "mask",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def of(folder: Path, **fields: Any) -> PictureSet:
    """A set over the folder as it is now."""
    draft = PictureSet(name="pets", about="", licence="", source="", pictures="images", files=0, sha256="", local="pets", **fields)
    names = pictures.used(folder / "pets", draft)
    return msgspec.structs.replace(draft, files=len(names), sha256=pictures.folder_digest(folder / "pets", names))


def find(folder: Path, wanted: PictureSet) -> pictures.Found:
    return pictures.find(wanted, LABELS, folder / "card.toml", folder)


def test_labels_are_in_the_names(folder: Path) -> None:
    found = find(folder, of(folder, label=r"/(\d)-"))
    assert [Path(one).name for one in found.paths] == ["0-a.jpg", "1-b.png"]
    assert found.references == LABELS
    assert found.source == "local folder pets"


def test_boxes_are_read_with_their_labels_and_a_picture_without_a_file_holds_none(folder: Path) -> None:
    found = find(folder, of(folder, boxes=Boxes("boxes")))
    assert [json.loads(one) for one in found.references] == [[["dog", 0.5, 0.5, 0.2, 0.4], ["cat", 0.1, 0.1, 0.1, 0.1]], []]


def test_pictures_without_a_mask_are_left_out(folder: Path) -> None:
    found = find(folder, of(folder, masks=Masks("masks", {"17": "cat"}, other="dog", ignored=(255,))))
    assert [Path(one).name for one in found.paths] == ["1-b.png"]
    assert json.loads(found.references[0]) == {"mask": str(folder / "pets/masks/1-b.png"), "values": {"17": 0}, "other": 1, "ignored": [255]}


def test_a_picture_that_was_changed_added_or_removed_is_found_out(folder: Path) -> None:
    wanted = of(folder, label=r"/(\d)-")
    (folder / "pets/images/0-a.jpg").write_text("A")
    with pytest.raises(IntegrityError, match="the 2 files of .*pets have the digest"):
        find(folder, wanted)
    (folder / "pets/images/0-a.jpg").unlink()
    with pytest.raises(IntegrityError, match="the 1 files of"):
        find(folder, wanted)


def test_a_folder_that_is_not_there_is_a_set_that_cannot_be_had(folder: Path) -> None:
    wanted = of(folder, label=r"/(\d)-")
    with pytest.raises(FetchError, match="has no pets"):
        pictures.find(wanted, LABELS, folder / "card.toml", folder / "pets")
    with pytest.raises(FetchError, match="EDGEBENCH_DATA names no local folder"):
        pictures.find(wanted, LABELS, folder / "card.toml", None)


def test_a_name_or_a_line_that_tells_no_label_is_named(folder: Path) -> None:
    with pytest.raises(CardError, match=r"0-a\.jpg has no label"):
        find(folder, of(folder, label="x(y)"))
    with pytest.raises(CardError, match="has the label 'a', which is none of the 2"):
        find(folder, of(folder, label=r"-(.)"))
    (folder / "pets/boxes/0-a.txt").write_text("7 0.5 0.5 0.2 0.4\n")
    with pytest.raises(CardError, match=r"0-a\.txt line 1 is '7 0\.5 0\.5 0\.2 0\.4'"):
        find(folder, of(folder, boxes=Boxes("boxes")))


@pytest.mark.parametrize(("name", "n"), [("imagenet", 5), ("coco", 6), ("voc", 6)])
def test_the_bundled_pictures_stand_in_under_their_own_name(name: str, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEBENCH_DATA", raising=False)
    found = load(name, "dev")
    assert (found.name, len(found)) == ("edgebench-pictures", n)
    assert "no figure of accuracy" in found.note
    assert "EDGEBENCH_DATA names no local folder" in found.note

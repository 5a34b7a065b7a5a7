"""A set of labelled pictures in a folder -> their paths and what each should be answered with.

The labels are in the pictures' names, or in files beside them: YOLO's text files of boxes, or PNG masks. The whole folder is
pinned by one digest over the names and digests of the files that are used.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgebench.errors import CardError, FetchError, IntegrityError
from edgebench.models.artifact import digest_of, short

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


class Boxes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A folder of one text file for each picture, of lines `class centre-x centre-y width height`, all but the class in parts
    of the picture's width and height. `classes` names class 0, 1, ...; default: the dataset's labels."""

    folder: str
    classes: tuple[str, ...] = ()


class Masks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A folder of one PNG for each picture, whose pixels' values stand for labels; values that `labels` does not list are
    `other`, those in `ignored` are not judged. Pictures without a mask are left out."""

    folder: str
    labels: dict[str, str]
    other: str
    ignored: tuple[int, ...] = ()


class PictureSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`local` is the folder under the user's data folder, `beside` the one next to the card. Either `label`, a regular
    expression for a picture's path whose group is the label or its number, or `boxes`, or `masks` says what is in a picture.

    `files` and `sha256` are the number of files used and the digest over them, as `folder_digest` computes it.
    """

    name: str
    about: str
    licence: str
    source: str
    pictures: str
    files: int
    sha256: str
    local: str | None = None
    beside: str | None = None
    label: str | None = None
    boxes: Boxes | None = None
    masks: Masks | None = None
    split: str = "dev"
    note: str = ""

    def __post_init__(self) -> None:
        if (self.local is None) == (self.beside is None):
            raise ValueError(f"set {self.name!r} must lie either in a local folder or beside the card; give one of them")
        if [self.label, self.boxes, self.masks].count(None) != 2:
            raise ValueError(f"set {self.name!r} must have one of label, boxes and masks, which say what is in a picture")


@dataclass(frozen=True)
class Found:
    """Paths of pictures and their references, and the folder they came from in words."""

    paths: tuple[str, ...]
    references: tuple[str, ...]
    source: str


def find(wanted: PictureSet, labels: tuple[str, ...], card_path: Path, folder: Path | None) -> Found:
    """The set's pictures, their bytes checked; FetchError where the folder is not there."""
    if wanted.beside is not None:
        root, source = card_path.parent / wanted.beside, wanted.source
    elif folder is None:
        raise FetchError("EDGEBENCH_DATA names no local folder")
    else:
        root, source = folder / str(wanted.local), f"local folder {wanted.local}"
    if not root.is_dir():
        raise FetchError(f"{root.parent} has no {root.name}")
    _verify(root, wanted)
    pictures = _pictures(root, wanted)
    refer = _reader(root, wanted, labels)
    references = [refer(one) for one in pictures]
    return Found(tuple(str(root / one) for one in pictures), tuple(references), source)


def folder_digest(root: Path, names: Sequence[str]) -> str:
    """SHA-256 over a line `digest  name` for each file in order of their names, as sha256sum would print them."""
    lines = "".join(f"{digest_of(root / name)}  {name}\n" for name in sorted(names))
    return hashlib.sha256(lines.encode()).hexdigest()


def used(root: Path, wanted: PictureSet) -> list[str]:
    """Every file that the set is made of, relative to its folder."""
    names = _pictures(root, wanted)
    if wanted.boxes:
        names += [name for one in names if (root / (name := _partner(one, wanted, wanted.boxes.folder, ".txt"))).exists()]
    if wanted.masks:
        names += [_partner(one, wanted, wanted.masks.folder, ".png") for one in names]
    return names


def _verify(root: Path, wanted: PictureSet) -> None:
    try:
        names = used(root, wanted)
        found = folder_digest(root, names)
    except OSError as error:
        raise IntegrityError(f"{root} cannot be read: {error.strerror}; mend or remove it") from error
    if (len(names), found) != (wanted.files, wanted.sha256):
        raise IntegrityError(
            f"the {len(names)} files of {root} have the digest {short(found)}, the card says {wanted.files} and {short(wanted.sha256)}; "
            "remove what was added, mend what was changed, or correct the card"
        )


def _pictures(root: Path, wanted: PictureSet) -> list[str]:
    """Relative paths, sorted; of a set with masks those that have one."""
    folder = root / wanted.pictures
    names = [one.relative_to(root).as_posix() for one in sorted(folder.rglob("*")) if one.suffix.lower() in SUFFIXES and one.is_file()]
    if wanted.masks:
        names = [one for one in names if (root / _partner(one, wanted, wanted.masks.folder, ".png")).exists()]
    return names


def _partner(name: str, wanted: PictureSet, folder: str, suffix: str) -> str:
    """`images/a/b.jpg` -> `boxes/a/b.txt`."""
    return (Path(folder) / Path(name).relative_to(wanted.pictures)).with_suffix(suffix).as_posix()


def _reader(root: Path, wanted: PictureSet, labels: tuple[str, ...]) -> Callable[[str], str]:
    """Relative path of a picture -> its reference as the tasks' `score` reads it: a label, or JSON of boxes or of a mask."""
    if wanted.label is not None:
        pattern = re.compile(wanted.label)
        return lambda name: _label(name, pattern, labels)
    if wanted.boxes is not None:
        boxes = wanted.boxes
        return lambda name: json.dumps(_boxes(root / _partner(name, wanted, boxes.folder, ".txt"), boxes.classes or labels))
    assert wanted.masks
    masks = wanted.masks
    values = {value: labels.index(label) for value, label in masks.labels.items()}
    rest = {"values": values, "other": labels.index(masks.other), "ignored": list(masks.ignored)}
    return lambda name: json.dumps({"mask": str(root / _partner(name, wanted, masks.folder, ".png")), **rest})


def _label(name: str, pattern: re.Pattern[str], labels: tuple[str, ...]) -> str:
    found = pattern.search(name)
    if not found:
        raise CardError(f"picture {name} has no label: its name does not match {pattern.pattern!r}; correct the card")
    word = found.group(1)
    if word not in labels and not (word.isdigit() and int(word) < len(labels)):
        raise CardError(f"picture {name} has the label {word!r}, which is none of the {len(labels)} there are; correct the card")
    return word if word in labels else labels[int(word)]


def _boxes(path: Path, classes: tuple[str, ...]) -> list[list[str | float]]:
    """[label, centre x, centre y, width, height] each; a picture without a file holds nothing."""
    found: list[list[str | float]] = []
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], start=1):
        try:
            which, *sizes = line.split()
            x, y, width, height = map(float, sizes)
            found.append([classes[int(which)], x, y, width, height])
        except (ValueError, IndexError) as error:
            raise CardError(f"{path} line {number} is {line[:80]!r} ({error}); expected class centre-x centre-y width height") from error
    return found

"""A card (TOML) -> one model: what it does, where it comes from, how its inputs are prepared, and its variants.

A variant is format x precision: one file, or one for each of its graphs. A card without a digest for every file is not a card: files are checked
before they are opened.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec

from edgebench import toml
from edgebench.errors import CardError, UsageError, did_you_mean


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file beside the card: its path relative to the card's folder, and what its bytes must be."""

    file: str
    sha256: str
    size_bytes: int


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Accuracy measured when the variant was made: `value` on `n` examples of `dataset`, 95 % interval low..high."""

    dataset: str
    n: int
    value: float
    low: float
    high: float


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An operating point of a variant that has several speeds: how to run it, and what it scored there.

    Of an elastic net `width` and `depth` are the shares of its heads and neurons, and of its layers, that are used; `graph` is the
    file of such a point, none of the whole net, which is the variant's own. Of a net with early exits `entropy` (nats) or `patience`
    (equal answers) says when an input leaves; a point with neither is the whole net.
    """

    name: str
    width: float = 1.0
    depth: float = 1.0
    graph: File | None = None
    entropy: float | None = None
    patience: int | None = None
    accuracy: Score | None = None


class Variant(File, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One form of a model: its format, its precision, and what it scored when it was made.

    A model of several graphs has the first in `file` and the others in `parts`, under the names that its task knows them by.
    `points` are the speeds of one that has several, the first the one that is taken if nobody says otherwise; `shared` are files
    that its graphs themselves read, as ONNX's external data.
    """

    format: str
    precision: str
    parts: dict[str, File] = {}
    points: tuple[Point, ...] = ()
    shared: tuple[File, ...] = ()
    accuracy: Score | None = None

    @property
    def name(self) -> str:
        return f"{self.format}/{self.precision}"

    @property
    def files(self) -> tuple[File, ...]:
        """Every file of it, the first graph's first."""
        return (self, *self.parts.values(), *(one.graph for one in self.points if one.graph), *self.shared)

    def at(self, point: Point) -> Variant:
        """The variant as it is at one of its points: with the files that this one needs, its accuracy, and no other speed."""
        graph = msgspec.structs.asdict(point.graph) if point.graph else {}
        return msgspec.structs.replace(self, points=(msgspec.structs.replace(point, graph=None),), accuracy=point.accuracy, **graph)

    def point(self, name: str) -> Point:
        """The operating point of that name, or UsageError with those there are."""
        for one in self.points:
            if one.name == name:
                return one
        there = ", ".join(one.name for one in self.points)
        has = f"it has {there}.{did_you_mean(name, [one.name for one in self.points])}" if there else "it has one speed"
        raise UsageError(f"{self.file} has no operating point {name!r}; {has}")

    @property
    def total_bytes(self) -> int:
        """The size of all its files."""
        return sum(one.size_bytes for one in self.files)


class Tolerance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a variant of one precision may be from the reference variant before a measurement of it is void.

    `difference`: largest absolute difference of any probability. `agreement`: least share of equal predictions.
    `accuracy_loss`: most accuracy lost on the same examples (0.01 is one point).
    """

    difference: float = 1.0
    agreement: float = 0.0
    accuracy_loss: float = 0.01


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model. `preprocess` belongs to the task (tokenizer, sizes, means); `reference` names the variant the others
    are compared with; `dataset` names a dataset card, by its name or by its path from this card's folder;
    `made_by` says how the weights came about (recipe, seed, teacher, data digest)."""

    schema: int
    name: str
    task: str
    about: str
    licence: str
    source: str
    labels: tuple[str, ...]
    dataset: str
    reference: str
    variants: tuple[Variant, ...]
    files: dict[str, File] = {}
    preprocess: dict[str, Any] = {}
    tolerance: dict[str, Tolerance] = {}
    parameters: int | None = None
    made_by: dict[str, Any] = {}

    @property
    def listed(self) -> tuple[File, ...]:
        """Every file the card names, variants first."""
        return (*(file for variant in self.variants for file in variant.files), *self.files.values())

    def variant(self, format: str, precision: str) -> Variant:
        """The variant of this format and precision, or UsageError with those there are."""
        for variant in self.variants:
            if (variant.format, variant.precision) == (format, precision):
                return variant
        raise UsageError(f"card {self.name!r} has no variant '{format}/{precision}'; it has {', '.join(v.name for v in self.variants)}")


def read(path: Path) -> Card:
    """Parse and check a card file; CardError names the file, the key, and what was probably meant."""
    card = toml.read(path, Card)
    if card.schema != 1:
        raise CardError(f"{path}: schema is {card.schema}, this edgebench reads schema 1; update edgebench")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", card.name):
        raise CardError(f"{path}: name is {card.name!r}; expected letters, digits, '.', '_' and '-', since it names a file")
    names = [variant.name for variant in card.variants]
    if not names:
        raise CardError(f"{path}: there are no variants; list at least one file")
    if len(set(names)) < len(names):
        raise CardError(f"{path}: variant {max(names, key=names.count)!r} is listed twice; keep one")
    if card.reference not in names:
        raise CardError(f"{path}: reference {card.reference!r} is no variant; it must be one of {', '.join(names)}.{did_you_mean(card.reference, names)}")
    for variant in card.variants:
        _check_points(path, variant)
    for one in card.listed:
        _check_file(path, one.file, one.sha256)
    return card


def dataset_of(card: Card, path: Path) -> str:
    """What `edgebench.models.data.load` takes for the card at `path`: a data set's name, or the dataset card beside it that `dataset` names."""
    return str(path.parent / card.dataset) if card.dataset.endswith(".toml") else card.dataset


def _check_points(path: Path, variant: Variant) -> None:
    names = [one.name for one in variant.points]
    if len(set(names)) < len(names):
        raise CardError(f"{path}: point {max(names, key=names.count)!r} of {variant.name} is listed twice; keep one")
    for one in variant.points:
        if not (0 < one.width <= 1 and 0 < one.depth <= 1):
            raise CardError(f"{path}: point {one.name!r} of {variant.name} has width {one.width} and depth {one.depth}; expected shares over 0 and at most 1")
        if (one.entropy is not None or one.patience is not None) and not variant.parts:
            raise CardError(f"{path}: point {one.name!r} of {variant.name} leaves early, and there are no parts to leave; list the graphs after the first exit")


def _check_file(path: Path, file: str, sha256: str) -> None:
    if Path(file).is_absolute() or ".." in Path(file).parts or "\0" in file:
        raise CardError(f"{path}: file {file!r} leaves the card's folder; give a relative path inside it")
    if len(sha256) != 64 or set(sha256) - set("0123456789abcdef"):
        raise CardError(f"{path}: sha256 of {file!r} is {sha256!r}; expected 64 hexadecimal digits in lower case")

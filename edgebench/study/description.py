"""A study's TOML file -> which models it is about, how each can be made, and which tables tell of them.

    study = read(find("field"))

Nothing here knows a model or a method by name: a study of your own is another file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from edgebench import toml
from edgebench.errors import CardError, UsageError, did_you_mean

SCHEMA = 1
FOLDER = Path(__file__).with_name("studies")

Kind = Literal["models", "ablation", "engines", "sensitivity", "speeds", "adaptive", "accelerators", "cures", "claims"]
Measure = Literal["smaller", "fewer parameters", "faster", "accuracy kept", "points lost"]


class Compress(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How `edgebench compress` makes a model: its arguments, by their names there."""

    source: str
    data: str
    method: str
    keep: float = 0.5
    bits: int = 8
    cost: float = 4.0
    epochs: float = 1.0
    seed: int = 0
    variants: str | None = None


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A BERT with random weights: its time, size and memory are those of a trained one of this shape; its answers mean nothing, and are not judged."""

    layers: int
    hidden: int
    heads: int
    ffn: int
    labels: int = 2
    tokenizer: str  # the card whose tokenizer and data set it reads with


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model. `card` is its card's name, `run` and `variant` those of its line in a training log: card and run are `name` unless given. `taught` names
    the model whose card says what this one, its teacher, scored. At most one of
    `recipe` (for `edgebench train`, with `changes` to its keys, as "student.without"), `compress` and `shape` says how it is made;
    `minutes` about how long that took where it was done; what a recipe trains is then exported, unless its nets are only for an ablation's table."""

    name: str
    about: str
    card: str | None = None
    run: str | None = None
    variant: str = "whole"
    taught: str | None = None
    recipe: str | None = None
    changes: dict[str, Any] = {}
    compress: Compress | None = None
    shape: Shape | None = None
    minutes: float | None = None
    export: bool = True


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model of a table, in every precision named, or all it has."""

    model: str
    precisions: tuple[str, ...] = ()
    label: str | None = None


class Cure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What lost accuracy, and what was done about it: three cells, "MODEL FORMAT/PRECISION" each, or "MODEL" for its line in a training log."""

    loses: str
    cure: str
    whole: str
    without: str
    cured: str


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a paper says of a model, in its words' meaning, and what is to be set beside it: `measure` of `model` against `against`.

    `low` to `high` is the claim's number, of one number `low` alone; `better` whether more or less is."""

    paper: str
    says: str
    model: str
    against: str
    measure: Measure
    low: float
    high: float | None = None
    precision: str = "fp32"
    conditions: str = ""


class Published(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A figure of someone else's, told beside a table and never mixed with it."""

    model: str
    says: str
    source: str


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`teacher` is whom answers are compared with, `baseline` what sizes and times are; `length` in tokens, none: real inputs as they are.

    `recipes` are models of which, in an ablation, each variant that a training log tells of is a row; `model` and `held_out` (rows of the training
    set, drawn by `seed`) are for sensitivity; `budgets`, as `compress` takes them, are for adaptive."""

    name: str
    title: str
    about: str = ""
    kind: Kind = "models"
    rows: tuple[Row, ...] = ()
    cures: tuple[Cure, ...] = ()
    claims: tuple[Claim, ...] = ()
    published: tuple[Published, ...] = ()
    teacher: str | None = None
    baseline: str | None = None
    length: int | None = None
    recipes: tuple[str, ...] = ()
    budgets: tuple[str, ...] = ()
    figure: Literal["accuracy", "trade", "time", "none"] = "trade"
    model: str | None = None
    held_out: int = 2_000
    seed: int = 0


class Study(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One file."""

    schema: int
    name: str
    title: str
    about: str
    models: tuple[Model, ...]
    tables: tuple[Table, ...]

    def model(self, name: str) -> Model:
        """By its name, which `read` has checked."""
        return next(one for one in self.models if one.name == name)


def find(name: str) -> Path:
    """A study that edgebench brings, or a file of one's own; UsageError with the names there are."""
    if name.endswith(".toml"):
        return Path(name)
    known = sorted(path.stem for path in FOLDER.glob("*.toml"))
    if name not in known:
        raise UsageError(f"there is no study {name!r}; there are {', '.join(known)}, or give a TOML file.{did_you_mean(name, known)}")
    return FOLDER / f"{name}.toml"


def read(path: Path) -> Study:
    """Parse and check; CardError names the file, the key, and what was probably meant."""
    study = toml.read(path, Study)
    if study.schema != SCHEMA:
        raise CardError(f"{path}: schema is {study.schema}, this edgebench reads schema {SCHEMA}; update edgebench")
    names = [one.name for one in study.models]
    for kind, given in (("model", names), ("table", [one.name for one in study.tables])):
        if len(set(given)) < len(given):
            raise CardError(f"{path}: {kind} {max(given, key=given.count)!r} is described twice; keep one")
    for model in study.models:
        if sum(one is not None for one in (model.recipe, model.compress, model.shape)) > 1:
            raise CardError(f"{path}: model {model.name!r} has more than one of recipe, compress and shape; keep one")
    for table in study.tables:
        for name in (*named(table), *([table.model] if table.kind == "sensitivity" else [])):
            if name not in names:
                raise CardError(f"{path}: table {table.name!r} names model {name!r}, which is not described.{did_you_mean(str(name), names)}")
    return study


def named(table: Table) -> list[str]:
    """Every model that a table is about, its teacher and baseline among them, each once."""
    found = [*(one.model for one in table.rows), *(cell.partition(" ")[0] for one in table.cures for cell in (one.whole, one.without, one.cured))]
    found += [name for one in table.claims for name in (one.model, one.against)]
    found += [*table.recipes, *(one for one in (table.teacher, table.baseline) if one)]
    return list(dict.fromkeys(found))


def narrowed(study: Study, tables: tuple[str, ...]) -> Study:
    """Only the tables named; all where none is."""
    known = [one.name for one in study.tables]
    for name in tables:
        if name not in known:
            raise UsageError(f"study {study.name!r} has no table {name!r}; it has {', '.join(known)}.{did_you_mean(name, known)}")
    return msgspec.structs.replace(study, tables=tuple(one for one in study.tables if not tables or one.name in tables))

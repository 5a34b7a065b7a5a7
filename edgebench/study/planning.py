"""A study and the models at hand -> one plan for the harness, the cards, and for each model that is not here the reason.

A model is looked for among those that the study made itself (in its own folder), then in the catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from edgebench import catalog, plugins
from edgebench.bench.plan import Ask, Effort, Plan
from edgebench.bench.plan import plan as planned
from edgebench.errors import EdgebenchError, UnsupportedError, UsageError
from edgebench.models import card as cards
from edgebench.models import parameters
from edgebench.models.artifact import beside
from edgebench.models.card import Card
from edgebench.models.parameters import Parameters
from edgebench.record import Spec
from edgebench.study.description import Model, Study, named

PASSES = ("work", "energy")  # beside those of a plain sweep; what cannot be had is a note


@dataclass
class Found:
    """What is here: `paths` and `cards` by the study's names, and `gaps`, why the others are not."""

    paths: dict[str, Path] = field(default_factory=dict)
    cards: dict[str, Card] = field(default_factory=dict)
    parameters: dict[str, Parameters] = field(default_factory=dict)
    gaps: dict[str, str] = field(default_factory=dict)


def wanted(study: Study) -> list[Model]:
    """The models that some table is about, in the study's order."""
    names = {name for table in study.tables for name in (*named(table), *([table.model] if table.model else []))}
    return [one for one in study.models if one.name in names]


def look(study: Study, made: Path) -> Found:
    """`made` is the folder of cards that the study made."""
    found = Found()
    for one in wanted(study):
        try:
            path = _path(one, made)
            if path is None:
                continue
            card = cards.read(path)
            count = _counted(card, path)
        except EdgebenchError as error:
            found.gaps[one.name] = str(error)
            continue
        found.cards[one.name], found.paths[one.name] = card, path
        if count:
            found.parameters[one.name] = count
    return found


def _path(one: Model, made: Path) -> Path | None:
    name = one.card or one.name
    own = made / f"{name}.toml"
    if own.is_file():
        return own
    try:
        return catalog.find("models", name)
    except UsageError:
        if name.endswith(".toml"):
            raise
        return None


def _counted(card: Card, path: Path) -> Parameters | None:
    """Of its largest ONNX file that is on this disk: the one in fp32, where there is one."""
    files = sorted((one for one in card.variants if one.format == "onnx" and not one.parts), key=lambda one: -one.size_bytes)
    for one in files:
        file = beside(path, one)
        if file.is_file():
            try:
                return parameters.count(file)
            except UnsupportedError:
                continue
    return None


def plan(
    study: Study, found: Found, made: Path, *, effort: Effort, folder: Path | None = None, offline: bool = True, backends: Sequence[str] = (),
    profile: str = "host", seed: int = 0,
) -> Plan:
    """Every cell that some table tells of. What cannot be planned for a model goes into `found.gaps`."""
    sweep = Plan([], [], {}, seed)
    for one in wanted(study):
        if one.name not in found.cards:
            continue
        own = found.paths[one.name].parent.resolve() == made.resolve()
        name = str(found.paths[one.name]) if own or (one.card or "").endswith(".toml") else found.cards[one.name].name
        asked = Ask(models=(name,), backends=tuple(backends), effort=effort, seed=seed, allow_code=own, profile=profile)
        for length in _lengths(one, study, found.cards[one.name]):
            precisions = _precisions(one, study, found.cards[one.name], length)
            of_speeds = (table for table in study.tables if table.kind in ("speeds", "adaptive") and table.length == length)
            points = ("all",) if any(one.name in named(table) for table in of_speeds) else ()
            try:
                part = planned(replace(asked, precisions=precisions, points=points, lengths=(length,) if length else ()), folder=folder, offline=offline)
            except EdgebenchError as error:
                found.gaps[one.name] = str(error)
                break
            sweep.cells.extend(_with_passes(spec, one) for spec in part.cells)
            sweep.rows.extend(part.rows)
            sweep.models.update(part.models)
    return sweep


def _with_passes(spec: Spec, one: Model) -> Spec:
    """A net of random weights is not judged."""
    passes = tuple(part for part in spec.passes if not (one.shape and part == "accuracy"))
    return msgspec.structs.replace(spec, passes=(*passes, *(part for part in PASSES if part not in passes)))


def _lengths(one: Model, study: Study, card: Card) -> list[int | None]:
    """Those that the tables about this model ask for, of a task that has lengths."""
    asked = dict.fromkeys(table.length for table in study.tables if one.name in named(table))
    has = plugins.get("tasks", card.task).unit == "tokens"
    return [length for length in asked if length is None or has]


def _precisions(one: Model, study: Study, card: Card, length: int | None) -> tuple[str, ...]:
    """Those that some table names of it, at this length, as far as the card has them; none named is all."""
    asked: set[str] = set()
    for table in study.tables:
        if table.length != length or one.name not in named(table):
            continue
        rows = [row for row in table.rows if row.model == one.name]
        for row in rows:
            asked |= set(row.precisions or [each.precision for each in card.variants])
        asked |= {claim.precision for claim in table.claims if claim.model == one.name}
        asked |= {"fp32"} if one.name in (table.teacher, table.baseline, *(claim.against for claim in table.claims)) else set()
        cells = [cell.partition(" ")[2] for cure in table.cures for cell in (cure.whole, cure.without, cure.cured) if cell.partition(" ")[0] == one.name]
        asked |= {cell.rpartition("/")[2] or "fp32" for cell in cells}
    has = dict.fromkeys(each.precision for each in card.variants)
    return tuple(each for each in has if each in asked) or tuple(has)

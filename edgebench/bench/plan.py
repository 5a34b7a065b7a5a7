"""What was asked for -> the cells to measure, the rows that cannot be, and each model's reference.

Everything that is wrong with the asking is found here, before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from edgebench import catalog, plugins
from edgebench.bench import scenarios
from edgebench.errors import UnsupportedError, UsageError, did_you_mean
from edgebench.models import card as cards
from edgebench.models import data
from edgebench.models.artifact import is_bundled
from edgebench.models.card import Card
from edgebench.models.data import Labelled
from edgebench.pipeline import engines
from edgebench.record import Record, Spec

SPLIT = "dev"
ALL = "*"


class Opens(Protocol):
    """What a plan needs to know of an engine."""

    @property
    def formats(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Effort:
    """How long to look, in fields of a Spec. `examples` None: all of the labelled set."""

    processes: int
    max_processes: int
    min_runs: int
    min_time_s: float
    warm_up_cap_s: float
    examples: int | None


# Processes differ more than the calls within one, so that many short ones tell more than a few long ones in the same time.
QUICK = Effort(processes=3, max_processes=3, min_runs=20, min_time_s=0.3, warm_up_cap_s=1.0, examples=256)
USUAL = Effort(processes=3, max_processes=6, min_runs=50, min_time_s=1.0, warm_up_cap_s=3.0, examples=872)
FULL = Effort(processes=5, max_processes=10, min_runs=1024, min_time_s=60.0, warm_up_cap_s=10.0, examples=None)


@dataclass(frozen=True)
class Ask:
    """Empty tuples: all there are, or the natural ones. `points` are those of models of several speeds, "all" every one; `options` are further
    fields of every cell's Spec."""

    models: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    threads: tuple[int, ...] = (1,)
    lengths: tuple[int, ...] = ()
    scenarios: tuple[str, ...] = ("single-stream",)
    energy: bool = False
    roofline: bool = False
    effort: Effort = USUAL
    seed: int = 0
    allow_code: bool = False
    points: tuple[str, ...] = ()
    timeout_s: float = 300.0
    profile: str = "host"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """A card, the reference cell its others are compared with, its labelled examples, and whether edgebench brings the card."""

    card: Card
    reference: Spec | None
    labelled: Labelled
    bundled: bool = True


@dataclass(frozen=True)
class Plan:
    """`models` by the name that specs use; `rows` are the records of what cannot be measured."""

    cells: list[Spec]
    rows: list[Record]
    models: dict[str, Model]
    seed: int
    alternate: bool = False  # two cells take turns A B, B A, A B, ...; otherwise each round's order is drawn


def plan(ask: Ask, *, folder: Path | None = None, offline: bool = True, there: Mapping[str, Opens] | None = None) -> Plan:
    """Every combination, in the order asked. `folder` is looked through for labelled data first.

    `there` are the engines of a device that has others than this machine, by name; the reference's is one of this machine.
    """
    names = tuple(one for name in ask.models or tuple(_bundled()) for one in _at_points(name, ask.points))
    paths = {name: catalog.find("models", name) for name in names}
    found = {name: cards.read(path) for name, path in paths.items()}
    _check_precisions(ask.precisions, list(found.values()))
    _check_lengths(ask.lengths, found)
    asked = _asked(ask.backends, there) if there else {name: plugins.get("backends", name) for name in ask.backends}
    cells: list[Spec] = []
    rows: list[Record] = []
    models: dict[str, Model] = {}
    for name, card in found.items():
        labelled = data.load(cards.dataset_of(card, paths[name]), SPLIT, folder=folder, offline=offline, limit=ask.effort.examples, seed=ask.seed)
        models[name] = Model(card, _reference(ask, name, card), labelled, is_bundled(paths[name]))
        for backend, engine in (asked or dict(engines(card))).items():
            for one in _cells(ask, name, card, backend, engine):
                if isinstance(one, Spec):
                    cells.append(one)
                else:
                    rows.append(one)
    return Plan(cells, rows, models, ask.seed)


def _at_points(name: str, points: tuple[str, ...]) -> list[str]:
    """The model at each of its operating points that is asked for; as it is where none is, where it has none, or where it names one itself."""
    model, named = catalog.split(name)
    card = cards.read(catalog.find("models", model))
    known = list(dict.fromkeys(point.name for variant in card.variants for point in variant.points))
    if named is not None and named not in known:
        raise UsageError(f"{card.name} has no operating point {named!r}; it has {', '.join(known) or 'one speed'}.{did_you_mean(named, known)}")
    if named is not None or not points or not known:
        return [name]
    unknown = [one for one in points if one != "all" and one not in known]
    if unknown:
        raise UsageError(f"{card.name} has no operating point {unknown[0]!r}; it has {', '.join(known)}.{did_you_mean(unknown[0], known)}")
    return [f"{model}@{one}" for one in (known if "all" in points else points)]


def _asked(names: tuple[str, ...], there: Mapping[str, Opens]) -> dict[str, Opens]:
    """Those of a device's engines that are asked for."""
    for name in names:
        if name not in there:
            raise UsageError(f"there is no engine {name!r} there; there are {', '.join(there)}.{did_you_mean(name, there)}")
    return {name: there[name] for name in names or there}


def refused(spec: Spec, reason: str) -> Record:
    """The row of a cell that cannot be measured here."""
    return Record(spec=spec, outcome="unsupported", verdict="unsupported", reasons=[reason])


def _cells(ask: Ask, name: str, card: Card, backend: str, engine: Opens | UnsupportedError) -> Iterator[Spec | Record]:
    if isinstance(engine, UnsupportedError):
        yield refused(_spec(ask, name, ALL, ALL, backend), str(engine))
        return
    fits = [one for one in card.variants if one.format in engine.formats]
    has = ", ".join(one.name for one in card.variants)
    if not fits:
        why = f"{backend} opens {', '.join(engine.formats)} files and card {card.name!r} has none; it has {has}"
        yield refused(_spec(ask, name, engine.formats[0], ALL, backend), why)
        return
    for precision in ask.precisions or dict.fromkeys(one.precision for one in fits):
        variant = next((one for one in fits if one.precision == precision), None)
        if variant is None:
            yield refused(_spec(ask, name, fits[0].format, precision, backend), f"card {card.name!r} has no {precision} file for {backend}; it has {has}")
            continue
        for threads in ask.threads:
            for length in ask.lengths or (None,):
                for scenario in ask.scenarios:
                    yield _in_scenario(ask, scenario, _spec(ask, name, variant.format, precision, backend, threads=threads, length=length))


def _spec(ask: Ask, model: str, format: str, precision: str, backend: str, *, threads: int | None = None, length: int | None = None) -> Spec:
    return Spec(
        model=model, format=format, precision=precision, backend=backend, threads=threads or ask.threads[0], length=length, profile=ask.profile,
        seed=ask.seed, allow_code=ask.allow_code, timeout_s=ask.timeout_s, **asdict(ask.effort),
    )


def _in_scenario(ask: Ask, name: str, spec: Spec) -> Spec:
    """The cell with the scenario's passes, batch and processes, and what was asked of it beyond these."""
    scenario = scenarios.get(name)
    least, most = scenario.processes or (spec.processes, spec.max_processes)
    passes: tuple[str, ...] = (*scenario.passes, *(["energy"] if ask.energy else []), *(["roof", "work"] if ask.roofline and scenario.time else []))
    fields = {"scenario": name, "passes": passes, "batch": scenario.batch, "processes": least, "max_processes": most, **ask.options}
    return scenarios.fitted(msgspec.structs.replace(spec, **fields))


def _reference(ask: Ask, name: str, card: Card) -> Spec | None:
    """The card's reference variant in the first engine that opens its format."""
    format, _, precision = card.reference.partition("/")
    for backend, engine in engines(card):
        if not isinstance(engine, UnsupportedError) and format in engine.formats:
            return _spec(ask, name, format, precision, backend)
    return None


def _bundled() -> list[str]:
    """Those of edgebench's own that need no extra, as pictures do, and have one speed: of these the ones with several files, for a single file
    compares nothing, or all where each has but one."""
    shipped = catalog.shipped_folder("models").resolve()
    ours = {name: path for name, path in catalog.paths("models").items() if path.resolve().parent == shipped and not _extra(path)}
    files = {name: cards.read(path).variants for name, path in ours.items()}
    plain = [name for name, variants in files.items() if not any(one.points for one in variants)]
    if not plain:
        known = ", ".join(catalog.paths("models")) or "no others either"
        raise UsageError(f"no model is bundled with this edgebench; name one, or a card file: there are {known}")
    return [name for name in plain if len(files[name]) > 1] or plain


def _extra(card_path: Path) -> str:
    return str(getattr(plugins.get("tasks", cards.read(card_path).task), "extra", ""))


def _check_lengths(lengths: tuple[int, ...], found: Mapping[str, Card]) -> None:
    for name, card in found.items() if lengths else ():
        unit = plugins.get("tasks", card.task).unit
        if unit != "tokens":
            raise UsageError(f"{name} reads {unit}, and a length is in tokens: each of its inputs is made the size that it takes; leave --length out")


def _check_precisions(wanted: tuple[str, ...], known: list[Card]) -> None:
    there = sorted({variant.precision for card in known for variant in card.variants})
    for precision in wanted:
        if precision not in there:
            names = ", ".join(card.name for card in known)
            raise UsageError(f"there is no precision {precision!r} in {names}; there are {', '.join(there)}.{did_you_mean(precision, there)}")

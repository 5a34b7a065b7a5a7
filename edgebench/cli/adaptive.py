"""A model of several speeds, budgets and a device -> the speed to ship there, on its own: what `compress --method adaptive` does."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from edgebench.errors import EdgebenchError, MissingError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from edgebench.bench.adaptive import Way
    from edgebench.bench.plan import Plan
    from edgebench.devices.base import Executor
    from edgebench.devices.profile import Profile
    from edgebench.record import Record, Spec


@dataclass(frozen=True)
class Asked:
    """What `compress` was told. `variants`, `backends` and `precisions` are the only ones to consider, where it names any; `folder` is looked through
    for labelled data first."""

    source: str
    budget: str
    device: str
    into: Path
    name: str | None = None
    variants: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    folder: Path | None = None
    offline: bool = True
    seed: int = 0


def compress(asked: Asked, executor: type[Executor] | None = None) -> bool:
    """Measure few of the ways to run the model, predict the others, measure the one to take again, and write it; whether there is one that keeps
    the budget. Nothing is written where there is none. `executor` carries jobs to the device; by default the profile's."""
    _check_writes()
    from edgebench import catalog, plugins
    from edgebench.bench import adaptive
    from edgebench.bench.wishes import wishes
    from edgebench.cli import predictions as report
    from edgebench.devices import profile as profiles

    profile = profiles.read(catalog.find("devices", asked.device))
    plan = _plan(asked, profile)
    ways = _ways(asked, plan)
    whole = _whole(ways)
    measured = _Measured(plan, profile, executor or plugins.get("devices", profile.reach))
    first = adaptive.few(ways)
    click.echo(f"{len(ways)} ways to run {asked.source}: {len(first)} are measured on {profile.name}, the others predicted from these")
    times = measured.few([whole, *(way for way in first if way != whole)])
    fitted = adaptive.costs(times)
    known = [way for way in ways if way.family in fitted and (way in times or way not in first)]
    limits = wishes(asked.budget, accuracy=measured.accuracy(whole) if whole.accuracy is None else whole.accuracy)
    way, keeps = adaptive.search(known, limits, times, lambda one: measured.again(one, whole, asked.budget), adaptive.TRIES)
    lines = [
        report.Line(one, cost.of(one.shape) if (cost := fitted[one.family]).n > 1 else None, times.get(one), measured.final.get(one)) for one in known
    ]
    click.echo(f"\n{report.table(lines, way if keeps else None)}\n")
    for note in report.notes(lines, {one: fitted[one.family] for one in known}, whole):
        click.echo(note)
    click.echo(f"records: {measured.path}", err=True)
    said = f"{way.name}: {_numbers(measured.final[way])}"
    if not keeps:
        click.echo(f"none keeps {', '.join(map(str, limits))}; the nearest is {said}")
        return False
    click.echo(f"take {said}")
    predicted = next(one.predicted for one in lines if one.way == way)
    _write(asked, way, measured.final[way], predicted)
    return True


class _Measured:
    """What was measured of a plan's ways, in one file of records. `final` are the records of those that were measured again, the whole net among them."""

    def __init__(self, plan: Plan, profile: Profile, executor: type[Executor]) -> None:
        from edgebench.cli.sweep import new_file

        self.path = new_file()
        self.final: dict[Way, Record] = {}
        self._first: dict[Way, Record] = {}
        self._plan, self._profile, self._executor = plan, profile, executor

    def few(self, ways: Sequence[Way]) -> dict[Way, float]:
        """Median ns, in short processes that take turns; a way that cannot be measured is said and left out, and the first of them must not be.

        Accuracy is measured here only of what no card says.
        """
        from edgebench.bench.plan import QUICK

        cells = {way: _cell(way, ("latency",) if way.accuracy is not None else ("accuracy", "latency"), asdict(QUICK)) for way in ways}
        self._first = self._measure(cells)
        for way in ways:
            why = _why(self._first.get(way))
            if why and way == ways[0]:
                raise UnsupportedError(f"{way.name} could not be measured, and what is lost is counted from it: {why}")
            if why:
                click.echo(f"not {way.name}: {why}")
        return {way: _time(record) for way, record in self._first.items() if not _why(record)}

    def again(self, way: Way, whole: Way, budget: str) -> tuple[float, bool]:
        """One way in full, and the whole net beside it, from which what is lost is counted on the same examples: its median ns, and whether it keeps
        the budget."""
        from edgebench.bench.budgets import broken
        from edgebench.bench.plan import USUAL
        from edgebench.bench.wishes import wishes

        found = self._measure({one: _cell(one, ("accuracy", "latency", "memory", "cold"), asdict(USUAL)) for one in (way, whole)})
        self.final.update(found)
        if why := _why(found.get(way)) or _why(found.get(whole)):
            raise EdgebenchError(f"{way.name} could not be measured again: {why}")
        right = found[whole].accuracy
        sentences = broken(found[way], wishes(budget, accuracy=right.value if right else 1.0))
        for sentence in sentences:
            click.echo(f"{way.name}: {sentence}")
        return _time(found[way]), not sentences

    def accuracy(self, way: Way) -> float:
        found = self._first[way].accuracy
        return found.value if found else 1.0

    def _measure(self, cells: Mapping[Way, Spec]) -> dict[Way, Record]:
        from edgebench.cli.sweep import measure

        part = replace(self._plan, cells=list(cells.values()), rows=[])
        by = {one.spec: one for one in measure(part, self._executor(self._profile), self.path, resume=None)}
        return {way: by[spec] for way, spec in cells.items() if spec in by}


def _check_writes() -> None:
    """What is missing is said before anything is measured."""
    try:
        from edgebench.train import carve  # noqa: F401
    except ImportError as error:
        raise MissingError(f"writing one speed alone needs {error.name}, which is not installed; install edgebench[export]") from error


def _plan(asked: Asked, profile: Profile) -> Plan:
    """Every point of the model, and of models of several speeds that were made from it."""
    from edgebench import catalog
    from edgebench.bench.plan import Ask, plan
    from edgebench.models import card as cards

    card = cards.read(catalog.find("models", asked.source))
    related = [] if any(len(one.points) > 1 for one in card.variants) else _relatives(card)
    ask = Ask(
        models=(asked.source, *related), backends=asked.backends, precisions=asked.precisions, points=("all",), threads=profile.threads,
        profile=profile.name, seed=asked.seed,
    )
    return plan(ask, folder=asked.folder, offline=asked.offline)


def _relatives(card: Any) -> list[str]:
    """Models of several speeds that say they were made from this one, for the same labels."""
    from edgebench import catalog
    from edgebench.models import card as cards

    found = []
    for name, path in catalog.paths("models").items():
        other = cards.read(path)
        speeds = any(len(one.points) > 1 for one in other.variants)
        if speeds and str(other.made_by.get("from", "")).partition(",")[0] == card.name and (other.labels, other.dataset) == (card.labels, card.dataset):
            found.append(name)
    return found


def _ways(asked: Asked, plan: Plan) -> list[Way]:
    """Those of the variants that were asked for; UnsupportedError where there are none, with why."""
    from edgebench.bench import adaptive

    found = [way for way in adaptive.ways(plan) if not asked.variants or way.variant.name in asked.variants]
    if not found:
        why = "; ".join(dict.fromkeys(row.reasons[0] for row in plan.rows))
        wanted = f" as {', '.join(asked.variants)}" if asked.variants else ""
        raise UnsupportedError(f"nothing of {asked.source} can be measured{wanted}: {why}")
    return found


def _whole(ways: Sequence[Way]) -> Way:
    """What a loss is counted from: the source's reference, as large as it is."""
    mine = [way for way in ways if way.card.name == ways[0].card.name]
    return next((way for way in mine if way.variant.name == way.card.reference), mine[0])


def _cell(way: Way, passes: tuple[str, ...], effort: dict[str, Any]) -> Spec:
    return msgspec.structs.replace(way.spec, passes=passes, **effort)


def _why(record: Record | None) -> str:
    """Why there is no time, or nothing."""
    if record is None:
        return "its engine is not installed"
    return "" if record.outcome == "ok" else "; ".join(record.reasons)


def _time(record: Record) -> float:
    from edgebench.reports.base import interval

    found = interval(record)
    assert found, "a cell that is ok was timed"
    return found.value


def _numbers(record: Record) -> str:
    from edgebench.reports.recommend import numbers

    return f"{numbers(record)}, {record.verdict}"


def _write(asked: Asked, way: Way, record: Record, predicted: float | None) -> None:
    """The card with its files, and the deployment beside it: the engine, precision and threads that were measured, for `load`."""
    import tomli_w

    from edgebench import catalog, whole
    from edgebench.train.carve import carve
    from edgebench.units import bytes_text

    chosen = {
        "chosen_for": asked.budget, "device": asked.device, "cpu": str(record.host.get("board") or record.host.get("cpu")), "record": record.id,
        "chosen": f"{datetime.now(UTC):%Y-%m-%d}", **({"predicted_ns": round(predicted)} if predicted else {}), "measured_ns": round(_time(record)),
        "verdict": record.verdict,
    }
    name = asked.name or f"{way.card.name}-{way.point.name if way.point else way.spec.precision}"
    card = carve(catalog.find("models", way.spec.model), way.card, way.variant, way.point, asked.into, name, chosen)
    deployment = asked.into / f"{name}-deployment.toml"
    spec = way.spec
    deploys = {"backend": spec.backend, "precision": spec.precision, "threads": spec.threads, "accelerator": spec.accelerator}
    whole.write(deployment, tomli_w.dumps({"schema": 1, "deploys": card.name, **deploys, "made_by": chosen}))
    size = sum(file.stat().st_size for file in card.with_suffix("").iterdir())
    click.echo(f"{card} and {deployment} are written, {bytes_text(size)} of files; try: edgebench predict {deployment} ...")

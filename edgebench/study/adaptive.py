"""Budgets, and a model's speeds in records -> what adaptive compression takes under each: it is shown the times of few points, as on a device, and
those of the others only when it measures them again; beside it the best of all points, which it never sees.

The search is `edgebench.bench.adaptive`'s own, the one that `compress --method adaptive` runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from edgebench.bench.adaptive import TRIES, Way, costs, few, ranked, search
from edgebench.bench.budgets import Budget
from edgebench.bench.wishes import wishes
from edgebench.record import Record
from edgebench.reports.base import interval
from edgebench.study.description import Row, Table
from edgebench.study.evidence import Evidence, of_record
from edgebench.study.grid import Column, Entry, Grid, Line, absent, alone
from edgebench.study.speeds import ways
from edgebench.study.tables import accuracy, label
from edgebench.units import duration_text, percent_text, three_digits

COLUMNS = (
    Column("model", right=False), Column("budget", right=False), Column("takes", right=False), Column("predicted"), Column("measured"), Column("off by"),
    Column("accuracy"), Column("keeps it", right=False, always=True), Column("measured points"), Column("best of all points", right=False),
    Column("its time / the best's"),
)
UNFIT = "it was one of those that were measured first"


@dataclass(frozen=True)
class Taken:
    """What the search took under one budget; `best` is the way it would take if it knew every time, None where none keeps the budget."""

    way: Way
    keeps: bool
    predicted: float | None
    measured: int
    best: Way | None


def choices(table: Table, evidence: Evidence) -> Grid:
    """Of kind "adaptive": a line for each model and budget; a model that was not measured at its speeds is one that says so."""
    return Grid(COLUMNS, [line for row in table.rows for line in _model(row, table, evidence)])


def _model(row: Row, table: Table, evidence: Evidence) -> Iterator[Line]:
    about = label(row, evidence)
    known = dict(ways(row, table, evidence))
    times = {way: found.value for way, record in known.items() if (found := interval(record))}
    if not times:
        yield alone(COLUMNS, about, row.model, evidence.gap(row.model))
        return
    whole = next(iter(times))
    for budget in table.budgets:
        limits = wishes(budget, accuracy=whole.accuracy or 1.0)
        yield _line(about, row.model, budget, take(times, limits), times, known)


def take(times: dict[Way, float], limits: list[Budget]) -> Taken:
    """`times` (ns) are those of every way; the search sees those of few."""
    first = {way: times[way] for way in few(list(times))}
    again: list[Way] = []

    def measured_again(way: Way) -> tuple[float, bool]:
        again.append(way)
        keeping, _ = ranked([way], limits, times)
        return times[way], bool(keeping)

    way, keeps = search(list(times), limits, first, measured_again, TRIES)
    keeping, _ = ranked(list(times), limits, times)
    predicted = None if way in first else costs(first)[way.family].of(way.shape)
    return Taken(way, keeps, predicted, len(first | dict.fromkeys(again, 0.0)), keeping[0] if keeping else None)


def _line(about: str, name: str, budget: str, taken: Taken, times: dict[Way, float], known: dict[Way, Record]) -> Line:
    ns, best, record = times[taken.way], taken.best, known[taken.way]
    off = taken.predicted / ns - 1 if taken.predicted else None
    none = "no point keeps the budget"
    entries = {
        "model": Entry(about), "budget": Entry(budget), "takes": Entry(_named(taken.way)),
        "predicted": Entry(duration_text(taken.predicted), taken.predicted) if taken.predicted else absent(UNFIT),
        "measured": Entry(duration_text(ns), ns), "off by": Entry(percent_text(off, signed=True), off) if off is not None else absent(UNFIT),
        "accuracy": accuracy(of_record(record) or "it was not judged"), "keeps it": Entry("yes" if taken.keeps else "no: the nearest"),
        "measured points": Entry(f"{taken.measured} of {len(times)}", taken.measured),
        "best of all points": Entry(_named(best)) if best else absent(none),
        "its time / the best's": Entry(three_digits(ns / times[best]), ns / times[best]) if best and taken.keeps else absent(none),
    }
    return Line(f"{about}, {budget}", entries, name, record.spec.precision, of_record(record), wins=False)


def _named(way: Way) -> str:
    width, depth = way.shape
    return f"{width:g} x {depth:g}, {way.spec.precision} in {way.spec.backend}"


def findings(grid: Grid) -> Iterator[str]:
    """How often what it took was the best there is, how far behind at most, and how far its predictions were off."""
    lines = [line for line in grid.lines if line.entries["its time / the best's"].value is not None]
    if lines:
        best = sum(line.entries["takes"].text == line.entries["best of all points"].text for line in lines)
        measured = sorted({int(line.entries["measured points"].value or 0) for line in lines})
        worst = max(line.entries["its time / the best's"].value or 0 for line in lines)
        of = " to ".join(map(str, dict.fromkeys((measured[0], measured[-1]))))
        yield (
            f"Under {len(lines)} budgets that can be kept adaptive compression took the best of all points {best} times, having measured "
            f"{of} of them; at most its choice took {three_digits(worst)} times as long as the best."
        )
    off = [abs(value) for line in grid.lines if (value := line.entries["off by"].value) is not None]
    if off:
        yield f"What it took was predicted to within {percent_text(max(off))}."

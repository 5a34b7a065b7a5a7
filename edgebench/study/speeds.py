"""A model of several speeds in records -> a line for each of its points: what it keeps of the whole net's accuracy, how much faster it is, and how well
its time is told beforehand by the cost that adaptive compression fits to four of them (`edgebench.bench.adaptive`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgebench.bench.adaptive import Way, costs, few
from edgebench.record import Record
from edgebench.reports.base import interval
from edgebench.study.description import Row, Table
from edgebench.study.evidence import Evidence, of_record
from edgebench.study.grid import Column, Entry, Grid, Line, absent, alone
from edgebench.study.tables import accuracy, beside, label
from edgebench.units import duration_text, percent_text, three_digits

COLUMNS = (
    Column("model", right=False), Column("width x depth", right=False), Column("engine", right=False), Column("precision", right=False),
    Column("accuracy", always=True), Column("of the whole"), Column("median"), Column("times as fast", always=True), Column("predicted"), Column("off by"),
    Column("verdict", right=False),
)
UNJUDGED = "it was not judged"
FITTED = "one of those that the cost was fitted to"


def points(table: Table, evidence: Evidence) -> Grid:
    """Of kind "speeds"; a model that was not measured at its speeds is one line that says so."""
    return Grid(COLUMNS, [line for row in table.rows for line in _model(row, table, evidence)])


def _model(row: Row, table: Table, evidence: Evidence) -> Iterator[Line]:
    about = label(row, evidence)
    families: dict[tuple[object, ...], list[tuple[Way, Record]]] = {}
    for way, record in ways(row, table, evidence):
        families.setdefault(way.family, []).append((way, record))
    if not families:
        yield alone(COLUMNS, about, row.model, evidence.gap(row.model))
    for family in families.values():
        yield from _family(about, row.model, family)


def ways(row: Row, table: Table, evidence: Evidence) -> Iterator[tuple[Way, Record]]:
    """Every point that was timed on the study's machine, the largest first."""
    card = evidence.cards.get(row.model)
    found = []
    for record in evidence.at_points(row.model, length=table.length) if card else ():
        assert card
        point = record.spec.model.rpartition("@")[2]
        for variant in card.variants:
            if (variant.format, variant.precision) == (record.spec.format, record.spec.precision) and interval(record):
                found += [(Way(record.spec, card, variant, one), record) for one in variant.points if one.name == point]
    yield from sorted(found, key=lambda pair: pair[0].shape, reverse=True)


def _family(about: str, name: str, family: Sequence[tuple[Way, Record]]) -> Iterator[Line]:
    times = {way: found.value for way, record in family if (found := interval(record))}
    measured = few(list(times))
    cost = costs({way: times[way] for way in measured})[family[0][0].family]
    whole = family[0][1]
    for way, record in family:
        width, depth = way.shape
        mine, theirs, ns = of_record(record), of_record(whole), times[way]
        kept = mine.value / theirs.value if mine and theirs and theirs.value else None
        predicted = cost.of(way.shape)
        entries = {
            "model": Entry(about), "width x depth": Entry(f"{width:g} x {depth:g}"), "engine": Entry(record.spec.backend),
            "precision": Entry(record.spec.precision), "accuracy": accuracy(mine or UNJUDGED),
            "of the whole": Entry(percent_text(kept), kept) if kept is not None else absent(UNJUDGED),
            "median": Entry(duration_text(ns), ns), "times as fast": beside(record, whole, same="is the whole", text=three_digits),
            "predicted": Entry(duration_text(predicted), predicted),
            "off by": absent(FITTED) if way in measured else Entry(percent_text(predicted / ns - 1, signed=True), predicted / ns - 1),
            "verdict": Entry(record.verdict, None, "; ".join(record.reasons)),
        }
        yield Line(f"{about}, {width:g} x {depth:g}", entries, name, record.spec.precision, mine)


def findings(grid: Grid) -> Iterator[str]:
    """The fastest that keeps 98 % of the whole's accuracy, and how far the worst prediction was off."""
    kept = [line for line in grid.lines if (line.entries["of the whole"].value or 0) >= 0.98 and line.entries["times as fast"].value]
    if kept:
        best = max(kept, key=lambda line: line.entries["times as fast"].value or 0)
        yield (
            f"Of one set of weights {best.entries['width x depth'].text} of width and depth keeps {best.entries['of the whole'].text} of the whole net's "
            f"accuracy at {best.entries['times as fast'].text} times its speed."
        )
    off = [abs(value) for line in grid.lines if (value := line.entries["off by"].value) is not None]
    if off:
        yield f"A cost fitted to four points told the time of the other {len(off)} to within {percent_text(max(off))}."

"""Cures and claims -> grids: what was lost and brought back, and a paper's number with ours beside it."""

from __future__ import annotations

from edgebench.bench import ratio as ratios
from edgebench.record import Record
from edgebench.reports import pairs
from edgebench.reports.base import interval
from edgebench.study.description import Claim, Cure, Table
from edgebench.study.evidence import Evidence, Score, of_record
from edgebench.study.grid import Column, Entry, Grid, Line, absent
from edgebench.study.tables import accuracy, difference
from edgebench.units import percent_text, points_text, three_digits

CURES = (
    Column("what loses", right=False), Column("as it was"), Column("without the cure"), Column("lost"), Column("cure", right=False), Column("with the cure"),
    Column("brought back", always=True),
)
CLAIMS = (
    Column("paper", right=False), Column("says", right=False), Column("theirs"), Column("ours", always=True), Column("is that so here", right=False),
    Column("what ours is", right=False),
)


def cures(table: Table, evidence: Evidence) -> Grid:
    """A line for each cure."""
    return Grid(CURES, [_cure(one, evidence) for one in table.cures])


def score(cell: str, evidence: Evidence) -> Score | str:
    """Of "MODEL [FORMAT/]PRECISION", fp32 where none is named; or why there is none."""
    name, _, which = cell.partition(" ")
    format, _, precision = which.rpartition("/")
    if format:
        for one in evidence.judged(name, precision):
            if one.spec.format == format and (found := of_record(one)):
                return found
        return evidence.gap(name)
    return evidence.score(name, precision or "fp32")


def _cure(one: Cure, evidence: Evidence) -> Line:
    whole, without, cured = (score(cell, evidence) for cell in (one.whole, one.without, one.cured))
    entries = {
        "what loses": Entry(one.loses), "as it was": accuracy(whole), "without the cure": accuracy(without), "cure": Entry(one.cure),
        "with the cure": accuracy(cured), "lost": difference(whole, without), "brought back": difference(without, cured),
    }
    return Line(one.loses, entries)


def claims(table: Table, evidence: Evidence) -> Grid:
    """A line for each claim of a paper."""
    return Grid(CLAIMS, [_claim(one, table, evidence) for one in table.claims])


def _claim(one: Claim, table: Table, evidence: Evidence) -> Line:
    theirs = _number(one.low, one) + (f" to {_number(one.high, one)}" if one.high is not None else "")
    ours, what = _ours(one, table, evidence)
    entries = {
        "paper": Entry(one.paper), "says": Entry(one.says), "theirs": Entry(theirs, one.low), "ours": ours, "what ours is": Entry(what),
        "is that so here": Entry(_verdict(one, ours)) if ours.value is not None else absent(ours.why),
    }
    return Line(f"{one.paper}: {one.says}", entries, one.model)


def _ours(one: Claim, table: Table, evidence: Evidence) -> tuple[Entry, str]:
    mine, theirs = evidence.study.model(one.model), evidence.study.model(one.against)
    what = f"{mine.about}, {one.precision}, beside {theirs.about}, fp32"
    if one.measure in ("accuracy kept", "points lost"):
        a, b = evidence.score(one.model, one.precision), evidence.score(one.against, "fp32")
        if isinstance(a, str) or isinstance(b, str):
            return absent(a if isinstance(a, str) else str(b)), what
        value = a.value / b.value if one.measure == "accuracy kept" else b.value - a.value
        return Entry(_number(value, one), value), what
    if one.measure == "fewer parameters":
        many, few = evidence.parameters.get(one.against), evidence.parameters.get(one.model)
        if many is None or few is None:
            return absent(evidence.gap(one.against if many is None else one.model)), what
        value = many.all / few.all
        return Entry(_number(value, one), value), what
    base, small = _best(one.against, "fp32", one, table, evidence), _best(one.model, one.precision, one, table, evidence)
    if base is None or small is None:
        return absent(evidence.gap(one.against if base is None else one.model)), what
    if one.measure == "smaller":
        value = base.artifact["size_bytes"] / small.artifact["size_bytes"]
        return Entry(_number(value, one), value), what
    found_ratio = ratios.ratio(pairs.series(small), pairs.series(base), paired=False)
    reach = f" ({three_digits(found_ratio.low)} to {three_digits(found_ratio.high)})" if found_ratio.low and found_ratio.high else ""
    lengths = f"{table.length} tokens" if table.length else "real inputs"
    ours = Entry(f"{_number(found_ratio.value, one)}{reach}", found_ratio.value, high=found_ratio.high)
    return ours, f"{what}; {small.spec.backend} and {base.spec.backend}, {lengths}, 1 thread"


def _best(name: str, precision: str, one: Claim, table: Table, evidence: Evidence) -> Record | None:
    """The fastest engine's record, or the smallest file's."""
    found = evidence.of(name, precision, length=table.length) or evidence.of(name, precision)
    if one.measure == "smaller":
        return min((each for each in found if each.artifact.get("size_bytes")), key=lambda each: int(each.artifact["size_bytes"]), default=None)
    timed = [(time.value, each) for each in found if each.verdict in ("valid", "noisy") and (time := interval(each))]
    return min(timed, key=lambda pair: pair[0])[1] if timed else None


def _verdict(one: Claim, ours: Entry) -> str:
    """The number alone is judged, to the digits that are told, not its conditions: those are another machine's."""
    assert ours.value is not None
    value = float(f"{ours.value:.3g}")
    if one.measure == "points lost":
        return "yes" if ours.value <= one.low else "no, more is lost"
    if value < one.low:
        return "cannot be told" if ours.high is not None and ours.high >= one.low else "no, less"
    return "yes" if one.high is None or value <= one.high else "more than that"


def _number(value: float, one: Claim) -> str:
    if one.measure == "accuracy kept":
        return percent_text(value)
    return points_text(value) if one.measure == "points lost" else f"{three_digits(value)} times"



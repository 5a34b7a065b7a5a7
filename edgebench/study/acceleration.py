"""Records of cells that asked for an accelerator -> a line for each: what it was given, what the same engine takes without it, and of those that
could not be had the reason, in the engine's own words."""

from __future__ import annotations

from collections.abc import Iterator

from edgebench.record import Record
from edgebench.reports.base import interval
from edgebench.study.description import Row, Table
from edgebench.study.evidence import Evidence, of_record
from edgebench.study.grid import Column, Entry, Grid, Line, absent, alone
from edgebench.study.tables import accuracy, beside, label
from edgebench.units import duration_text, percent_text, three_digits

COLUMNS = (
    Column("model", right=False), Column("precision", right=False), Column("engine", right=False), Column("asked for", right=False),
    Column("nodes on it"), Column("same answers"), Column("accuracy"), Column("median"), Column("without it"), Column("times as fast", always=True),
    Column("verdict", right=False),
)
UNSAID = "the engine does not say which nodes it was given"
NO_PLAIN = "the same version of the engine was not measured without it"


def lines(table: Table, evidence: Evidence) -> Grid:
    """Of kind "accelerators"; a model of which none was asked for is one line that says so."""
    return Grid(COLUMNS, [line for row in table.rows for line in _model(row, table, evidence)])


def _model(row: Row, table: Table, evidence: Evidence) -> Iterator[Line]:
    about = label(row, evidence)
    found = [one for one in evidence.accelerated(row.model, length=table.length) if not row.precisions or one.spec.precision in (*row.precisions, "*")]
    for record in found:
        spec = record.spec
        named = {
            "model": Entry(about), "precision": Entry(spec.precision), "engine": Entry(_engine(record)),
            "asked for": Entry(f"{spec.accelerator}, all of it" if spec.require == "full" else spec.accelerator),
        }
        blank = {one.name: absent("; ".join(record.reasons)) for one in COLUMNS}
        told = _measured(record, evidence) if record.outcome == "ok" else {"verdict": Entry(record.outcome)}
        yield Line(f"{about}, {spec.backend} on {spec.accelerator}", blank | named | told, row.model, spec.precision, of_record(record))
    if not found:
        yield alone(COLUMNS, about, row.model, "no accelerator was asked for: `edgebench bench --accelerator NAME`")


def _measured(record: Record, evidence: Evidence) -> dict[str, Entry]:
    time, plain = interval(record), evidence.plain(record)
    without = interval(plain) if plain else None
    return {
        "nodes on it": _nodes(record),
        "same answers": Entry(percent_text(record.parity.agreement), record.parity.agreement) if record.parity else absent("it has no reference here"),
        "accuracy": accuracy(of_record(record) or "it was not judged"),
        "median": Entry(duration_text(time.value), time.value) if time else absent("it was not timed"),
        "without it": Entry(duration_text(without.value), without.value) if without else absent(NO_PLAIN),
        "times as fast": beside(record, plain, same="", text=three_digits) if plain and time and without else absent(NO_PLAIN),
        "verdict": Entry(record.verdict, None, "; ".join(record.reasons)),
    }


def _nodes(record: Record) -> Entry:
    """How many of all, and in a note which stayed."""
    details = record.engine.get("details", {})
    nodes = details.get("nodes")
    if not nodes:
        return absent(UNSAID)
    mine, all_of_them = nodes.get(record.spec.accelerator, 0), sum(nodes.values())
    stayed = ", ".join(details.get("stayed", []))
    return Entry(f"{mine} of {all_of_them}", mine / all_of_them, f"stayed on the processor: {stayed}" if stayed else "")


def _engine(record: Record) -> str:
    """With its version, where it was opened."""
    return f"{record.engine.get('library', record.spec.backend)} {record.engine.get('version', '')}".strip()


def findings(grid: Grid) -> Iterator[str]:
    """What the accelerator that gains most gives, which cost time, and how many could not be had."""
    sure = [line for line in grid.lines if line.entries["times as fast"].value is not None]
    if sure:
        best = max(sure, key=lambda line: line.entries["times as fast"].value or 0)
        yield f"Of the accelerators at hand {_named(best)} gains most: {best.entries['times as fast'].text} times as fast as the engine without it."
        if slower := [line for line in sure if (line.entries["times as fast"].high or 1) < 1]:
            said = (f"{_named(line)} ({line.entries['times as fast'].text})" for line in slower)
            yield f"Slower with it: {'; '.join(said)}."
    missing = [line for line in grid.lines if line.entries["verdict"].text in ("unsupported", "skipped")]
    if missing:
        names = dict.fromkeys(f"{line.entries['asked for'].text} in {line.entries['engine'].text}" for line in missing)
        yield f"Not to be had on this machine: {', '.join(names)}."


def _named(line: Line) -> str:
    return f"{line.entries['asked for'].text} in {line.entries['engine'].text} on {line.entries['model'].text} in {line.precision}"

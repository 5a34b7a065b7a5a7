"""A table's description and the evidence -> its grid: a line for each model and precision, a number or a reason in each cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edgebench.bench import ratio as ratios
from edgebench.bench.budgets import energy_j
from edgebench.record import Record
from edgebench.reports import pairs
from edgebench.reports.base import first_answer_ns, interval, timing
from edgebench.study.description import Row, Table
from edgebench.study.evidence import ENGINES, Evidence, Score, agreement, of_record, paired
from edgebench.study.grid import Column, Entry, Grid, Line, absent
from edgebench.units import bytes_text, duration_text, factor_text, joules_text, operations_text, percent_text, points_text, three_digits

UNTESTED = "no answers one by one are kept of both, so that nothing can be tested"
OTHERS = "they were judged by other examples or another metric"
LINES: tuple[Column, ...] = (
    Column("model", right=False), Column("precision", right=False), Column("accuracy", always=True), Column("against the teacher"), Column("same answers"),
    Column("parameters"), Column("in the encoder"), Column("size"), Column("operations"), *(Column(one) for one in ENGINES), Column("peak"), Column("energy"),
)
CELLS: tuple[Column, ...] = (
    Column("model", right=False), Column("precision", right=False), Column("engine", right=False), Column("median"), Column("p90"), Column("of the fastest"),
    Column("same answers"), Column("accuracy"), Column("size"), Column("peak"), Column("first answer"), Column("energy"), Column("verdict", right=False),
)


def lines(table: Table, evidence: Evidence) -> Grid:
    """Of kind "models"."""
    found = [_line(row, precision, table, evidence) for row in table.rows for precision in _precisions(row, evidence)]
    return Grid(LINES, found)


def cells(table: Table, evidence: Evidence) -> Grid:
    """Of kind "engines": a line for each engine; the fastest valid one of a model and precision stands out."""
    return Grid(CELLS, [line for row in table.rows for precision in _precisions(row, evidence) for line in _engines(row, precision, table, evidence)])


def _precisions(row: Row, evidence: Evidence) -> list[str]:
    return list(row.precisions) or evidence.precisions(row.model) or ["fp32"]


def label(row: Row, evidence: Evidence) -> str:
    """What a line is called."""
    return row.label or evidence.study.model(row.model).about


def _line(row: Row, precision: str, table: Table, evidence: Evidence) -> Line:
    score = evidence.score(row.model, precision)
    first = next(iter(evidence.of(row.model, precision, length=table.length)), None)
    entries = {
        "model": Entry(label(row, evidence)), "precision": Entry(precision), "accuracy": accuracy(score),
        "against the teacher": _against(row.model, precision, score, table, evidence), "same answers": _same(row.model, precision, table, evidence),
        "parameters": parameters(row.model, evidence), "in the encoder": encoder(row.model, evidence), "size": _size(row.model, precision, evidence),
        "operations": _operations(row.model, precision, table, evidence),
        **{engine: _time(row.model, precision, engine, table, evidence) for engine in ENGINES},
        "peak": Entry(bytes_text(first.memory.peak_bytes), first.memory.peak_bytes) if first and first.memory else absent(_why(row.model, evidence)),
        "energy": _energy(first, row.model, evidence),
    }
    return Line(label(row, evidence), entries, row.model, precision, score if isinstance(score, Score) else None)


def accuracy(score: Score | str) -> Entry:
    """With how far its 95 % interval reaches; another metric than accuracy is named."""
    if isinstance(score, str):
        return absent(score)
    reach = f" ±{100 * max(score.high - score.value, score.value - score.low):.1f}" if score.low is not None and score.high is not None else ""
    metric = "" if score.metric == "accuracy" else f" {score.metric}"
    return Entry(f"{percent_text(score.value)}{reach}{metric}", score.value, score.note)


def _against(name: str, precision: str, score: Score | str, table: Table, evidence: Evidence) -> Entry:
    """Points beside the teacher, with McNemar's p where both answered the same examples one by one."""
    if not table.teacher:
        return absent("no teacher is named for this table")
    if name == table.teacher and precision == "fp32":
        return Entry("is the teacher")
    teacher = evidence.score(table.teacher, "fp32")
    if isinstance(teacher, str):
        return absent(f"the teacher: {teacher}")
    return difference(teacher, score)


def difference(before: Score | str, after: Score | str) -> Entry:
    """Points gained, with McNemar's p where both answered the same examples one by one."""
    if isinstance(before, str) or isinstance(after, str):
        return absent(before if isinstance(before, str) else str(after))
    if (before.metric, before.n, before.dataset) != (after.metric, after.n, after.dataset):
        return absent(OTHERS)
    gained, found = after.value - before.value, paired(before, after)
    points = points_text(gained, signed=True)
    return Entry(f"{points}, p {p_text(found.p)}", gained) if found else Entry(points, gained, UNTESTED)


def _same(name: str, precision: str, table: Table, evidence: Evidence) -> Entry:
    """The share of the teacher's answers that the model gives too."""
    if not table.teacher or (name == table.teacher and precision == "fp32"):
        return absent("no teacher is named for this table" if not table.teacher else "")
    mine, theirs = evidence.score(name, precision), evidence.score(table.teacher, "fp32")
    if isinstance(theirs, str):
        return absent(f"the teacher: {theirs}")
    if isinstance(mine, str):
        return absent(mine)
    same = agreement(mine, theirs)
    return Entry(percent_text(same), same) if same is not None else absent(UNTESTED if mine.n == theirs.n else OTHERS)


def parameters(name: str, evidence: Evidence) -> Entry:
    counted, card, run = evidence.parameters.get(name), evidence.cards.get(name), evidence.line(name)
    total = (card.parameters if card else None) or (counted.all if counted else None) or (run.get("parameters") if run else None)
    return Entry(millions(total), total) if isinstance(total, int) else absent(evidence.gap(name))


def encoder(name: str, evidence: Evidence) -> Entry:
    """All but the tables that are looked up."""
    counted, card = evidence.parameters.get(name), evidence.cards.get(name)
    if counted:
        total = (card.parameters if card else None) or counted.all
        return Entry(millions(total - counted.tables), total - counted.tables)
    run = evidence.line(name)
    if run and isinstance(run.get("encoder_parameters"), int):
        return Entry(millions(run["encoder_parameters"]), run["encoder_parameters"])
    return absent("it has no ONNX file to count in" if card else evidence.gap(name))


def _size(name: str, precision: str, evidence: Evidence) -> Entry:
    """Of the smallest file."""
    sizes = [one.artifact["size_bytes"] for one in evidence.judged(name, precision) if one.artifact.get("size_bytes")]
    sizes = sizes or [one.total_bytes for one in (evidence.cards[name].variants if name in evidence.cards else ()) if one.precision == precision]
    if sizes:
        return Entry(bytes_text(min(sizes)), min(sizes))
    return absent(f"its card has no {precision} file" if name in evidence.cards else evidence.gap(name))


def _operations(name: str, precision: str, table: Table, evidence: Evidence) -> Entry:
    for one in evidence.of(name, precision, length=table.length):
        if one.work:
            return Entry(operations_text(one.work.ops), one.work.ops)
    return absent(_why(name, evidence))


def _time(name: str, precision: str, engine: str, table: Table, evidence: Evidence) -> Entry:
    for one in evidence.of(name, precision, engine, length=table.length):
        if time := interval(one):
            return Entry(f"{duration_text(time.value)}{_verdict(one)}", time.value)
    if said := evidence.refusal(name, engine, precision):
        return absent(said)
    card = evidence.cards.get(name)
    formats = {"onnxruntime": "onnx"}.get(engine, engine)
    if card and not any(one.format == formats and one.precision == precision for one in card.variants):
        return absent(f"its card has no {formats}/{precision} file")
    return absent(evidence.gap(name))


def _energy(record: Record | None, name: str, evidence: Evidence) -> Entry:
    if record is None:
        return absent(evidence.gap(name))
    found = energy_j(record)
    return Entry(joules_text(found), found) if found is not None else absent("no meter was found here: docs/energy.md")


def _why(name: str, evidence: Evidence) -> str:
    return evidence.gap(name)


def _engines(row: Row, precision: str, table: Table, evidence: Evidence) -> Iterator[Line]:
    """Of one model and precision, also of an engine that refuses it."""
    found = [one for one in evidence.of(row.model, precision, length=table.length) if one.outcome == "ok"]
    timed = [(time.value, one) for one in found if one.verdict == "valid" and (time := interval(one))]
    best = min(timed, key=lambda one: one[0])[1] if timed else None
    for one in found:
        time, calls, first = interval(one), timing(one), first_answer_ns(one)
        energy = energy_j(one)
        entries = {
            "model": Entry(label(row, evidence)), "precision": Entry(precision), "engine": Entry(one.spec.backend),
            "median": Entry(f"{duration_text(time.value)} ±{percent_text(time.half_width)}", time.value) if time else absent("it was not timed"),
            "p90": Entry(duration_text(calls.p90), calls.p90) if calls and calls.p90 else absent("too few calls support it"),
            "of the fastest": beside(best, one, same="fastest", text=factor_text, unit=" times") if best else absent("no valid cell"),
            "same answers": Entry(percent_text(one.parity.agreement), one.parity.agreement) if one.parity else absent("it has no reference here"),
            "accuracy": accuracy(of_record(one) or "it was not judged"), "size": Entry(bytes_text(one.artifact["size_bytes"]), one.artifact["size_bytes"]),
            "peak": Entry(bytes_text(one.memory.peak_bytes), one.memory.peak_bytes) if one.memory else absent("it was not measured"),
            "first answer": Entry(duration_text(first), first) if first else absent("it was not measured"),
            "energy": Entry(joules_text(energy), energy) if energy is not None else absent("no meter was found here: docs/energy.md"),
            "verdict": Entry(one.verdict, None, "; ".join(one.reasons)),
        }
        yield Line(label(row, evidence), entries, row.model, precision, of_record(one), wins=one is best)
    for engine in ENGINES:
        if engine not in {one.spec.backend for one in found}:
            why = evidence.refusal(row.model, engine, precision) or _time(row.model, precision, engine, table, evidence).why
            blank = {column.name: absent(why) for column in CELLS}
            names = {"model": Entry(label(row, evidence)), "precision": Entry(precision), "engine": Entry(engine)}
            yield Line(label(row, evidence), blank | names, row.model, precision)


def beside(first: Record, second: Record, *, same: str, text: Callable[[float], str], unit: str = "") -> Entry:
    """The second record's time over the first's, with its interval; `same` where both are one record."""
    if second is first:
        return Entry(same, 1.0)
    found = ratios.ratio(pairs.series(first), pairs.series(second), paired=False)
    reach = f" ({text(found.low)} to {text(found.high)})" if found.low is not None and found.high is not None else ""
    return Entry(f"{text(found.value)}{unit}{reach}", found.value, high=found.high)


def _verdict(record: Record) -> str:
    return "" if record.verdict == "valid" else f" ({record.verdict})"


def millions(count: float) -> str:
    return f"{three_digits(count / 1e6)} M"


def p_text(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"

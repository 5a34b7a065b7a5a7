"""Records -> the texts every report shows: columns, a title, footnotes, and which cell is the fastest.

A report is a module with `render(records) -> str`. It sees records only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from statistics import median
from typing import TypeVar
from weakref import ref

from edgebench.bench import stats
from edgebench.bench.budgets import energy_j
from edgebench.record import Record
from edgebench.reports.roofline import placed
from edgebench.units import bytes_text, duration_text, joules_text, percent_text, three_digits

ABSENT = "–"
T = TypeVar("T")


@dataclass(frozen=True)
class Column:
    """`weight`: the larger, the sooner it is left out where there is little room; 0 stays."""

    name: str
    text: Callable[[Record], str]
    weight: int = 0
    right: bool = True


def once(find: Callable[[Record], T]) -> Callable[[Record], T]:
    """What `find` finds in a record, computed once for as long as the record lives: a report asks for the same numbers again and again."""
    known: dict[int, tuple[ref[Record], T]] = {}

    def found(record: Record) -> T:
        number = id(record)
        kept = known.get(number)
        if kept is None or kept[0]() is not record:
            kept = known[number] = ref(record, lambda _: known.pop(number, None)), find(record)
        return kept[1]

    return found


def model(record: Record) -> str:
    """The card's name, also where a path was given, with its operating point where one was: "elastic-sst2@0.5x0.5"."""
    return PurePath(record.spec.model).name.replace(".toml", "")


@once
def timing(record: Record) -> stats.Summary | None:
    """Of all timed calls, in ns."""
    samples = record.latency.samples_ns if record.latency else []
    return stats.summary(samples) if samples else None


@once
def interval(record: Record) -> stats.Interval | None:
    """Of the median call in ns, over the processes."""
    processes = [samples for samples in record.latency.processes_ns if samples] if record.latency else []
    return stats.interval(processes) if processes else None


def first_answer_ns(record: Record) -> float | None:
    """From before the process's start, the median of its fresh processes."""
    return median(one.total_ns for one in record.cold) if record.cold else None


def fastest(records: Sequence[Record]) -> list[Record]:
    """For each device, model and input length, the valid cell with the lowest median; no cell of another verdict is ever it."""
    best: dict[tuple[object, ...], tuple[float, Record]] = {}
    for record in records:
        time = interval(record)
        if record.verdict == "valid" and time:
            race = _race(record)
            if race not in best or time.value < best[race][0]:
                best[race] = (time.value, record)
    return [record for _, record in best.values()]


def columns(records: Sequence[Record]) -> list[Column]:
    """What to show of these records; a column with one value for all of them goes into the title instead."""
    winners = {id(one) for one in fastest(records)}
    numbers = {tuple(record.reasons): number for record, number in _reasons(records)}

    def verdict(record: Record) -> str:
        number = numbers.get(tuple(record.reasons))
        return f"{record.verdict}{f' [{number}]' if number else ''}{', fastest' if id(record) in winners else ''}"

    shown = [
        Column("device", lambda one: device(one) if one.host else ABSENT, right=False),
        Column("model", model, right=False),
        Column("engine", lambda one: one.spec.backend, right=False),
        Column("precision", lambda one: "any" if one.spec.precision == "*" else one.spec.precision, right=False),
        Column("threads", lambda one: str(one.spec.threads)),
        Column("length", lambda one: str(one.spec.length or "own")),
        Column("scenario", lambda one: one.spec.scenario, right=False),
        Column("median", _median),
        Column("p90", lambda one: _time(one, "p90"), weight=2),
        Column("per second", _per_s, weight=1),
        Column(score_name(records), partial(_score, named=len(metrics(records)) > 1)),
        Column("more", _more, weight=6, right=False),
        Column("parity", _parity, weight=3),
        Column("size", lambda one: bytes_text(one.artifact["size_bytes"]) if one.artifact.get("size_bytes") else ABSENT, weight=5),
        Column("peak", lambda one: bytes_text(one.memory.peak_bytes) if one.memory else ABSENT, weight=1),
        Column("first answer", lambda one: duration_text(found) if (found := first_answer_ns(one)) is not None else ABSENT, weight=4),
        Column("energy", lambda one: joules_text(found) if (found := energy_j(one)) is not None else ABSENT, weight=1),
        Column("of roof", lambda one: percent_text(found.share) if (found := placed(one)) else ABSENT, weight=4),
        Column("verdict", verdict, right=False),
    ]
    rare = {
        "more": any(one.accuracy and one.accuracy.more for one in records), "per second": any(one.throughput for one in records),
        "energy": any(one.energy for one in records), "of roof": any(map(placed, records)),
    }
    shown = [one for one in shown if rare.get(one.name, True)]
    several = len(_devices(records)) > 1
    shown = [one for one in shown if one.name != "device" or several]
    return [one for one in shown if one.name not in ("model", "threads", "length", "scenario") or len({one.text(record) for record in records}) > 1]


def metrics(records: Sequence[Record]) -> list[str]:
    """The names of what the records are judged by, each once."""
    return list(dict.fromkeys(short_name(one.accuracy.metric) for one in records if one.accuracy))


def score_name(records: Sequence[Record]) -> str:
    """What the column of scores is called: by the metric's own name where there is one, "accuracy" where nothing was judged."""
    found = metrics(records)
    return found[0] if len(found) == 1 else "score" if found else "accuracy"


def short_name(metric: str) -> str:
    """A metric's name without the signature of how it was computed: "BLEU nrefs:1|case:mixed" is "BLEU"."""
    return re.sub(r"[ |]\S+:.*", "", metric)


def title(records: Sequence[Record]) -> list[str]:
    """What holds for every row: model, labelled set, device, day."""
    what: list[str] = []
    models, threads, lengths = ({text(one) for one in records} for text in (model, lambda one: one.spec.threads, lambda one: one.spec.length))
    if len(models) == 1:
        what += models
    if len(threads) == 1:
        what += [f"{one} thread{'s' if one != 1 else ''}" for one in threads]
    if len(lengths) == 1:
        what += [f"inputs of {one} tokens" if one else _lengths(records) for one in lengths]
    sets = sorted({f"{one.accuracy.metric} on {one.accuracy.dataset} (n = {one.accuracy.n})" for one in records if one.accuracy})
    where = _devices(records)
    days = sorted({one.started_at[:16].replace("T", " ") for one in records if one.started_at})
    return [", ".join(part) for part in ([*what, *sets], [*where, *([f"{days[0]} UTC"] if days else [])]) if part]


def footnotes(records: Sequence[Record]) -> list[str]:
    """The reasons behind every verdict but `valid`, how to read the numbers, and what else a reader should know."""
    lines = [f"[{number}] {'; '.join(record.reasons)}" for record, number in _reasons(records)]
    timed = [record for record in records if record.latency]
    if timed:
        calls = sorted(len(record.latency.samples_ns) for record in timed if record.latency)
        processes = sorted({len(record.latency.processes_ns) for record in timed if record.latency})
        lines.append(
            f"median and p90: whole calls, input to answer; {_range(calls)} calls in {_range(processes)} fresh process{'es' if processes[-1] > 1 else ''} "
            f"a cell; p90 by nearest rank, from {stats.minimum(0.9)} calls on"
        )
        lines.append("first answer: from before the process starts, files in the cache")
        lines.append(f"±: how far the 95 % interval reaches, the median's over the processes, {_whose(records)} over the examples")
        lines += _ties(timed)
        lines += _faster_but_noisy(timed)
        if any(placed(record) for record in timed):
            lines.append("of roof: operations a second, counted from the file, against what this machine was measured to allow at their intensity")
        if (devices := len(_devices(records))) > 1:
            lines.append(f"records of {devices} devices: each has its own fastest, and no cell is compared with one of another device")
        if not fastest(records):
            lines.append("no cell is valid, so none is called the fastest")
    return lines + _notes(records)


def _notes(records: Sequence[Record]) -> list[str]:
    """Each once: what not every measured cell has names the cells that do, by the columns in which they differ."""
    measured = {id(record) for record in records if record.outcome == "ok"}
    whose: dict[str, list[Record]] = {}
    for record in records:
        for note in dict.fromkeys(record.notes):
            whose.setdefault(note, []).append(record)
    lines = []
    for note, its in whose.items():
        everywhere = len(its) == len(records) or (len(its) == len(measured) and measured.issuperset(map(id, its)))
        lines.append(f"note: {note}" if everywhere else f"note on {', '.join(dict.fromkeys(map(_short, its)))}: {note}")
    return lines


def _short(record: Record) -> str:
    """The cell without its model, which a title or a column has said."""
    return record.spec.name.removeprefix(record.spec.model).strip()


def _race(record: Record) -> tuple[object, ...]:
    """Cells are compared with those of the same model in the same scenario over inputs of the same length, on the same device."""
    spec = record.spec
    return spec.model, spec.length, spec.scenario, spec.batch, device(record)


def _against_the_fastest(records: Sequence[Record]) -> list[tuple[Record, list[Record]]]:
    """The fastest of each race, and all that ran in it."""
    races: dict[tuple[object, ...], list[Record]] = {}
    for record in records:
        races.setdefault(_race(record), []).append(record)
    return [(best, races[_race(best)]) for best in fastest(records)]


def _ties(records: Sequence[Record]) -> list[str]:
    """Valid cells whose interval over processes meets the fastest's."""
    lines = []
    for best, rivals in _against_the_fastest(records):
        mine = interval(best)
        for other in rivals:
            time = interval(other) if other.verdict == "valid" and other is not best else None
            if mine and time and time.low <= mine.high:
                lines.append(f"no detectable difference in time between {best.spec.name} and {other.spec.name}")
    return lines


def _faster_but_noisy(records: Sequence[Record]) -> list[str]:
    """Cells whose median is below the fastest's, but not to be relied on."""
    lines = []
    for best, rivals in _against_the_fastest(records):
        mine = interval(best)
        for other in rivals:
            time = interval(other) if other.verdict == "noisy" else None
            if mine and time and time.value < mine.value:
                lines.append(f"{other.spec.name} has a lower median than the fastest valid cell, but is noisy; measure again to know")
    return lines


def _reasons(records: Sequence[Record]) -> list[tuple[Record, int]]:
    """Records that need a footnote, the first of each set of reasons, numbered."""
    seen: dict[tuple[str, ...], Record] = {}
    for record in records:
        if record.reasons:
            seen.setdefault(tuple(record.reasons), record)
    return [(record, number) for number, record in enumerate(seen.values(), start=1)]


def _median(record: Record) -> str:
    """With how far its interval over the processes reaches to the farther side."""
    found = interval(record)
    return f"{duration_text(found.value)} ±{percent_text(max(found.high / found.value - 1, 1 - found.low / found.value))}" if found else ABSENT


def _time(record: Record, which: str) -> str:
    time = timing(record)
    found = getattr(time, which) if time else None
    return ABSENT if found is None else duration_text(found)


def _per_s(record: Record) -> str:
    """Inputs a second, the median of the processes in which a rate held; a server's is the highest that does."""
    rates = [one for one in record.throughput.per_s if one is not None] if record.throughput else []
    return three_digits(median(rates)) if rates else ABSENT


def _score(record: Record, *, named: bool) -> str:
    """In hundredths with how far its interval reaches to the farther side; after its name where a table holds several metrics."""
    if not record.accuracy:
        return ABSENT
    found = record.accuracy
    value = f"{percent_text(found.value)} ±{100 * max(found.high - found.value, found.value - found.low):.1f}"
    return f"{short_name(found.metric)} {value}" if named else value


def _more(record: Record) -> str:
    """The scores told beside the first one."""
    found = record.accuracy.more if record.accuracy else {}
    return ", ".join(f"{short_name(name)} {percent_text(value)}" for name, value in found.items()) or ABSENT


def _whose(records: Sequence[Record]) -> str:
    name = score_name(records)
    return f"{name}'" if name.endswith("s") else f"{name}'s"


def _parity(record: Record) -> str:
    if not record.parity:
        return ABSENT
    if record.parity.reference == f"{record.spec.backend} {record.spec.format}/{record.spec.precision}" and record.parity.max_difference == 0:
        return "reference"
    return percent_text(record.parity.agreement)


def _lengths(records: Sequence[Record]) -> str:
    tokens = [size for one in records if one.latency and one.latency.tokens for sizes in one.latency.tokens for size in sizes]
    return f"real inputs of {_range(sorted(tokens))} tokens" if tokens else "real inputs"


def device(record: Record) -> str:
    """Board or processor, and how many cores may be used."""
    host = record.host
    cores = host.get("usable_cores")
    return f"{host.get('board') or host.get('cpu') or host.get('machine') or record.spec.profile}{f', {cores} cores' if cores else ''}"


def _devices(records: Sequence[Record]) -> list[str]:
    return sorted({device(one) for one in records if one.host})


def _range(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if numbers[0] == numbers[-1] else f"{numbers[0]} to {numbers[-1]}"

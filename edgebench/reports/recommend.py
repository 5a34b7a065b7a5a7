"""Records and limits -> which cell to take, which others are on the Pareto front, and why each was not taken.

Only a valid cell can be taken. Times differ where `edgebench compare` would say so; what cannot be told apart from the
best is a tie, and among ties the next measure decides.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edgebench.bench import ratio as ratios
from edgebench.bench import stats
from edgebench.bench.budgets import Budget, broken, energy_j
from edgebench.record import Record
from edgebench.reports import pairs
from edgebench.reports.base import title
from edgebench.units import bytes_text, duration_text, joules_text, percent_text, plain, points_text, rate_text


@dataclass(frozen=True)
class Axis:
    """What a cell can be better in; `most`: the more the better. `less` and `more` are words for another cell's number."""

    read: Callable[[Record], float | None]
    text: Callable[[float], str]
    less: str
    more: str
    most: bool = False


@dataclass(frozen=True)
class Recommendation:
    """Of cells that answer the same question on the same machine. `rejected` says why each cell but the pick was not taken.

    `front` is the Pareto front: the cells within the limits than which no other is better in something and worse in nothing.
    """

    records: list[Record]
    pick: Record | None
    front: list[Record]
    rejected: list[tuple[Record, str]]
    nearest: list[str]  # where nothing can be taken: how near any valid cell comes to each limit


AXES: dict[str, Axis] = {
    "latency": Axis(pairs.time_ns, duration_text, "faster", "slower"),
    "memory": Axis(lambda one: one.memory.peak_bytes if one.memory else None, bytes_text, "less memory", "more memory"),
    "accuracy": Axis(lambda one: one.accuracy.value if one.accuracy else None, percent_text, "less accurate", "more accurate", most=True),
    "size": Axis(lambda one: one.artifact.get("size_bytes"), bytes_text, "smaller", "larger"),
    "energy": Axis(energy_j, joules_text, "less energy", "more energy"),
}
ORDER = ("latency", "memory", "accuracy", "size", "energy")  # after what is preferred: what decides among ties


def recommend(records: Sequence[Record], limits: Sequence[Budget], prefer: str = "latency") -> list[Recommendation]:
    """One for each of the `questions`."""
    return [_of(found, limits, prefer) for found in questions(records)]


def questions(records: Sequence[Record]) -> list[list[Record]]:
    """The records of each question (scenario, length, batch) that they answer; a cell measured twice counts by its latest record."""
    found: dict[tuple[object, ...], list[Record]] = {}
    for record in pairs.latest(records).values():
        spec = record.spec
        found.setdefault((spec.scenario, spec.length, spec.batch, spec.rate_hz, spec.bound_ns, spec.rules), []).append(record)
    return list(found.values())


def question(record: Record) -> str:
    """Which of the `questions` it answers, in words: "single-stream, own lengths", "server, 32 tokens, 50.0 ms for 99 %"."""
    spec = record.spec
    words = [spec.scenario, f"{spec.length} tokens" if spec.length else "own lengths"]
    words += [f"batch {spec.batch}"] if spec.batch > 1 else []
    words += [f"{rate_text(spec.rate_hz)} offered"] if spec.rate_hz else []
    words += [f"{duration_text(spec.bound_ns)} for 99 %"] if spec.bound_ns else []
    return ", ".join(words + ([f"rules of {spec.rules}"] if spec.rules != "edgebench" else []))


def strangers(records: Sequence[Record]) -> list[str]:
    """What keeps records from being chosen among: other machines, or other labelled sets."""
    measured = [record for record in records if record.outcome == "ok"]
    kinds = {"machines": {_machine(one) for one in measured}, "labelled sets": {_labelled(one) for one in measured if one.accuracy}}
    return [f"{len(found)} {kind} ({' | '.join(sorted(found))})" for kind, found in kinds.items() if len(found) > 1]


def apart(records: Sequence[Record]) -> list[list[Record]]:
    """The records in parts within which there are no `strangers`, in the order in which they come.

    What has no accuracy stands with the first of its machine, what does not know its machine with the first of all.
    """
    parts: dict[tuple[str, str], list[Record]] = {}
    first: dict[str, tuple[str, str]] = {}
    for record in sorted(records, key=lambda one: (not one.host, not one.accuracy)):
        machine = _machine(record) if record.host else next(iter(first), "")
        place = (machine, _labelled(record)) if record.accuracy else first.get(machine, (machine, ""))
        first.setdefault(machine, place)
        parts.setdefault(place, []).append(record)
    places = {id(record): place for place, record in enumerate(records)}
    ordered = [sorted(part, key=lambda one: places[id(one)]) for part in parts.values()]
    return sorted(ordered, key=lambda part: places[id(part[0])])


def render(found: Sequence[Recommendation], limits: Sequence[Budget], prefer: str, *, width: int = 120) -> str:
    """For a terminal."""
    asked = f"limits: {', '.join(map(str, limits)) or 'none'}; preferred: {prefer}"
    lines: list[str] = []
    for one in found:
        lines += [*title(one.records), asked, ""]
        lines += [f"take {one.pick.spec.name}: {numbers(one.pick)}"] if one.pick else ["take none: no valid cell keeps every limit", *one.nearest]
        lines += ["", *(f"not {record.spec.name}: {why}" for record, why in one.rejected), ""]
    wrapped = [textwrap.wrap(plain(line), width, subsequent_indent="  ", break_on_hyphens=False) or [""] for line in lines[:-1]]
    return "".join(f"{line}\n" for part in wrapped for line in part)


def to_json(found: Sequence[Recommendation], limits: Sequence[Budget], prefer: str) -> str:
    """One document, in base units."""
    return json.dumps({"limits": list(map(str, limits)), "prefer": prefer, "questions": list(map(_document, found))}, ensure_ascii=False) + "\n"


def numbers(record: Record) -> str:
    """What the cell gives, with the intervals that are known."""
    said = []
    if series := pairs.series(record):
        time = stats.interval(series)
        said.append(f"{duration_text(time.value)} (95 %: {duration_text(time.low)} to {duration_text(time.high)})")
    if record.memory:
        said.append(f"{bytes_text(record.memory.peak_bytes)} at its peak")
    if record.accuracy:
        right = record.accuracy
        said.append(f"{right.metric} {percent_text(right.value)} (95 %: {percent_text(right.low)} to {percent_text(right.high)})")
    if record.artifact.get("size_bytes"):
        said.append(f"a file of {bytes_text(record.artifact['size_bytes'])}")
    if (energy := energy_j(record)) is not None:
        said.append(f"{joules_text(energy)} a call")
    return ", ".join(said)


def _of(records: list[Record], limits: Sequence[Budget], prefer: str) -> Recommendation:
    excluded = {id(record): why for record in records if (why := _excluded(record, limits, prefer))}
    fitting = [record for record in records if id(record) not in excluded]
    front = [record for record in fitting if not any(_dominates(one, record) for one in fitting)]
    if not front:
        return Recommendation(records, None, [], [(record, excluded[id(record)]) for record in records], _nearest(records, limits))
    pick = _pick(front, prefer)
    rejected = []
    for record in records:
        if id(record) in excluded:
            rejected.append((record, excluded[id(record)]))
        elif record is not pick and any(record is one for one in front):
            rejected.append((record, f"keeps the limits, too: {_against(pick, record)} than the one to take"))
        elif record is not pick:
            by = next(one for one in (pick, *front, *fitting) if _dominates(one, record))
            rejected.append((record, f"{_against(by, record)} than {by.spec.name}, and better in nothing"))
    return Recommendation(records, pick, front, rejected, [])


def _machine(record: Record) -> str:
    return " ".join(str(record.host.get(name)) for name in ("board", "cpu", "usable_cores"))


def _labelled(record: Record) -> str:
    return f"{record.accuracy.dataset} {record.accuracy.dataset_sha256[:8]} n = {record.accuracy.n}" if record.accuracy else ""


def _excluded(record: Record, limits: Sequence[Budget], prefer: str) -> str:
    """Why it cannot be taken at all, or nothing."""
    if record.verdict != "valid":
        return f"{record.verdict}: {record.reasons[0] if record.reasons else 'no reason was recorded'}"
    if AXES[prefer].read(record) is None:
        return f"its {prefer} was not measured"
    return "; ".join(broken(record, limits))


def _pick(front: Sequence[Record], prefer: str) -> Record:
    """The best by what is preferred; of those that cannot be told apart from it, the best by the next measure, and so on."""
    best = list(front)
    for name in (prefer, *(one for one in ORDER if one != prefer)):
        known = [record for record in best if AXES[name].read(record) is not None]
        if known:
            leader = min(known, key=lambda one: _signed(one, name))
            best = [record for record in known if record is leader or not _step(leader, record, name)]
    return best[0]


def _dominates(one: Record, other: Record) -> bool:
    """Better in something and worse in nothing, of what both know."""
    steps = [_step(one, other, name) for name in AXES]
    return one is not other and max(steps) > 0 and min(steps) >= 0


def _step(one: Record, other: Record, name: str) -> int:
    """1 where `other` is worse by this measure, -1 where it is better, 0 where the two cannot be told apart or one does not know."""
    mine, theirs = (AXES[name].read(record) for record in (one, other))
    if mine is None or theirs is None or mine == theirs:
        return 0
    if name == "latency" and ratios.verdict_of(ratios.ratio(pairs.series(one), pairs.series(other), paired=False)) not in ("faster", "slower"):
        return 0
    if name == "accuracy" and (found := pairs.answers(one, other)) and found.p >= pairs.SIGNIFICANT:
        return 0
    return 1 if _signed(one, name) < _signed(other, name) else -1


def _signed(record: Record, name: str) -> float:
    """The less the better."""
    value = AXES[name].read(record) or 0.0
    return -value if AXES[name].most else value


def _against(one: Record, other: Record) -> str:
    """How `other`'s measures differ from `one`'s, in words: "8.1 % slower, 2.0 points more accurate"."""
    said = []
    for name, axis in AXES.items():
        mine, theirs = axis.read(one), axis.read(other)
        if name == "latency" and not _step(one, other, name):
            said.append("no detectable difference in time")
        if mine is None or theirs is None or not _step(one, other, name):
            continue
        apart = points_text(abs(theirs - mine)) if name == "accuracy" else percent_text(abs(theirs / mine - 1))
        said.append(f"{apart} {axis.more if theirs > mine else axis.less}")
    return ", ".join(said)


def _nearest(records: Sequence[Record], limits: Sequence[Budget]) -> list[str]:
    """How near any valid cell comes to each limit."""
    valid = [record for record in records if record.verdict == "valid"]
    if not valid:
        return ["no cell is valid; measure again, longer or on a quieter machine"]
    lines = []
    for limit in limits:
        read = [(limit.excess(value), record) for record in valid if not isinstance(value := limit.read(record), str)]
        if not read:
            lines.append(f"{limit}: {limit.read(valid[0])}")
            continue
        excess, nearest = min(read, key=lambda one: one[0])
        kept = f"kept by {sum(one <= 0 for one, _ in read)} of {len(valid)} valid cells"
        lines.append(f"{limit}: {kept if excess <= 0 else f'nearest is {nearest.spec.name}: {broken(nearest, [limit])[0]}'}")
    return lines


def _document(found: Recommendation) -> dict[str, Any]:
    def cell(record: Record) -> dict[str, Any]:
        return {"id": record.id, "cell": record.spec.name, "verdict": record.verdict, **{name: axis.read(record) for name, axis in _NAMED.items()}}

    return {
        "question": title(found.records), "pick": cell(found.pick) if found.pick else None,
        "rejected": [{**cell(record), "why": why} for record, why in found.rejected], "nearest": found.nearest,
    }


_NAMED = {"time_ns": AXES["latency"], "peak_bytes": AXES["memory"], "accuracy": AXES["accuracy"], "size_bytes": AXES["size"], "energy_j": AXES["energy"]}

"""Two sets of records -> the cells they share, and how B's numbers stand to A's.

Time is compared by the ratio of B's to A's with its 95 % interval, accuracy answer by answer, memory by the peaks. What
differed around the two: `edgebench.reports.contexts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgebench.bench import ratio as ratios
from edgebench.bench import stats
from edgebench.record import Record
from edgebench.reports.base import model
from edgebench.reports.contexts import Difference, differences

CELL = ("format", "precision", "backend", "threads", "accelerator", "scenario", "length", "batch", "rate_hz", "bound_ns", "rules")  # and the model's name
SIGNIFICANT = 0.05  # of McNemar's test
MEMORY = 0.05  # a higher peak is called so beyond this: it is one process's, and allocators vary


@dataclass(frozen=True)
class Matched:
    """`pairs` of the same cell; `only_a` and `only_b` are the cells that the other side does not have."""

    pairs: list[tuple[Record, Record]]
    only_a: list[Record]
    only_b: list[Record]


@dataclass(frozen=True)
class Answers:
    """The same examples, answered by both: how many only one of them got right, and how likely so uneven a split is by chance."""

    only_a: int
    only_b: int
    p: float


@dataclass(frozen=True)
class Comparison:
    """What is None could not be compared; `accuracy` is B's minus A's, the others are B's over A's."""

    a: Record
    b: Record
    differences: list[Difference]
    times: ratios.Ratio | None
    verdict: ratios.Difference | None
    effect: float | None
    peak: float | None
    size: float | None
    accuracy: float | None
    answers: Answers | None
    threshold: float  # that the whole interval must be beyond

    @property
    def seen_from(self) -> float | None:
        """The smallest difference in time that would have been called one."""
        if self.times is None or self.times.low is None or self.times.high is None:
            return None
        return max(self.times.high / self.times.value - 1, 1 - self.times.low / self.times.value) + self.threshold


def match(a: Sequence[Record], b: Sequence[Record]) -> Matched:
    """The latest record of each cell beside that of the same cell; where both sides measured one cell each, these two in any case."""
    mine, theirs = latest(a), latest(b)
    shared = [cell for cell in mine if cell in theirs]
    measured = [[one for one in found.values() if one.outcome == "ok"] for found in (mine, theirs)]
    if not shared and all(len(found) == 1 for found in measured):
        return Matched([(measured[0][0], measured[1][0])], [], [])
    return Matched(
        [(mine[cell], theirs[cell]) for cell in shared],
        [record for cell, record in mine.items() if cell not in theirs], [record for cell, record in theirs.items() if cell not in mine],
    )


def latest(records: Sequence[Record]) -> dict[tuple[object, ...], Record]:
    """Of each cell, by its `key`, the record that was begun last; the cells in the order in which they first come."""
    found: dict[tuple[object, ...], Record] = {}
    for record in records:
        known = found.setdefault(key(record), record)
        if record.started_at >= known.started_at:
            found[key(record)] = record
    return found


def compare(a: Record, b: Record, *, paired: bool = False, threshold: float = ratios.THRESHOLD) -> Comparison:
    """Of two cells. `paired`: their processes took turns, so that the first of one belongs to the first of the other."""
    mine, theirs = series(a), series(b)
    found = ratios.ratio(mine, theirs, paired=paired and len(mine) == len(theirs)) if mine and theirs else None
    return Comparison(
        a=a, b=b, differences=differences(a, b), times=found, verdict=ratios.verdict_of(found, threshold) if found else None,
        effect=ratios.effect(_flat(mine), _flat(theirs)) if found else None,
        peak=b.memory.peak_bytes / a.memory.peak_bytes if a.memory and b.memory else None,
        size=b.artifact["size_bytes"] / a.artifact["size_bytes"] if a.artifact.get("size_bytes") and b.artifact.get("size_bytes") else None,
        accuracy=b.accuracy.value - a.accuracy.value if a.accuracy and b.accuracy and a.accuracy.metric == b.accuracy.metric else None,
        answers=answers(a, b), threshold=threshold,
    )


def series(record: Record) -> list[list[float]]:
    """What the cell's scenario is judged by, of each process, as times in ns: of queries, of one input where a rate was measured, or of starts."""
    if record.throughput:
        return [[1e9 / rate] for rate in record.throughput.per_s if rate]
    if record.latency:
        return [list(map(float, samples)) for samples in record.latency.processes_ns if samples]
    starts = (one.first_answer_ns if record.spec.scenario == "first-answer" else one.total_ns for one in record.cold)
    return [[float(start)] for start in starts]


def time_ns(record: Record) -> float | None:
    """The middle of `series` over the processes."""
    found = series(record)
    return stats.interval(found).value if found else None


def refusals(found: Sequence[tuple[Record, Record]]) -> list[str]:
    """What forbids comparing, each once."""
    return list(dict.fromkeys(str(one) for pair in found for one in differences(*pair) if one.refuses))


def worse(found: Comparison) -> list[str]:
    """In what B is worse than A, as sentences without a subject."""
    sentences = []
    if found.verdict == "slower":
        sentences.append("is slower")
    if found.answers and found.answers.only_a > found.answers.only_b and found.answers.p < SIGNIFICANT:
        sentences.append("is less accurate")
    if found.peak and found.peak > 1 + MEMORY:
        sentences.append("needs more memory")
    return sentences


def unsure(found: Comparison) -> list[str]:
    """Why the comparison is not to be relied on."""
    sides = [f"{side} is {one.verdict}" for side, one in (("A", found.a), ("B", found.b)) if one.verdict != "valid"]
    return sides + (["the time is undecided"] if found.verdict in ("undecided", None) else [])


def key(record: Record) -> tuple[object, ...]:
    """What defines the cell, however long it was measured."""
    return (model(record), *(getattr(record.spec, name) for name in CELL))


def answers(a: Record, b: Record) -> Answers | None:
    """One by one; None where not the same examples were answered, as far as is known, or a record does not hold what was right."""
    mine, theirs = a.accuracy, b.accuracy
    if not mine or not theirs or not mine.references:
        return None
    if (mine.references, mine.dataset_sha256, a.spec.seed) != (theirs.references, theirs.dataset_sha256, b.spec.seed):
        return None
    examples = zip(mine.predictions, theirs.predictions, mine.references, strict=True)
    right = [(one == reference, other == reference) for one, other, reference in examples]
    only_a, only_b = right.count((True, False)), right.count((False, True))
    return Answers(only_a, only_b, stats.mcnemar(only_a, only_b))


def _flat(processes: Sequence[Sequence[float]]) -> list[float]:
    return [one for samples in processes for one in samples]

"""Budgets, as people write them ("p90 <= 50 ms", "peak <= 200 MB", "accuracy >= 0.9"), and a record -> which of them it breaks.

One language for the command line, a device's profile and a test. What was not measured, and a percentile that too few
calls support, cannot be shown to be within a budget, so it breaks it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

from edgebench.bench import checks, stats
from edgebench.errors import UsageError, did_you_mean
from edgebench.record import Record
from edgebench.units import percent_text, points_text, quantity, quantity_text


@dataclass(frozen=True, slots=True)
class Metric:
    """`kind` is a quantity's in `units`; `read` gives the number in base units, or why there is none."""

    kind: str
    operator: str  # "<=": the less the better; ">=": the more
    read: Callable[[Record], float | str]
    beside: Callable[[Record], str] = lambda record: ""  # what to know of a number that breaks its budget


@dataclass(frozen=True, slots=True)
class Budget:
    """A metric's limit, in its base unit."""

    metric: str
    limit: float

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "p90 <= 50 ms"; UsageError says what is wrong with it and how it is written."""
        found = re.fullmatch(r"\s*([\w-]+)\s*(<=?|>=?|==?)\s*([^\s=].*)", text)
        if not found:
            raise UsageError(f"budget {text!r} is not a metric, <= or >=, and a limit; write e.g. 'p90 <= 50 ms'")
        name, operator, limit = found.groups()
        if name not in METRICS:
            raise UsageError(f"budget {text!r}: there is no metric {name!r}; there are {', '.join(METRICS)}.{did_you_mean(name, METRICS)}")
        metric = METRICS[name]
        if operator != metric.operator:
            raise UsageError(f"budget {text!r}: expected {metric.operator}; write '{name} {metric.operator} {limit}'")
        try:
            number = quantity(limit, metric.kind)
        except ValueError as error:
            raise UsageError(f"budget {text!r}: {error}") from error
        if metric.kind == "share" and number > 1:
            raise UsageError(f"budget {text!r}: a share is at most 1; write '{name} {operator} {limit.strip()} %', if that is what you mean")
        return cls(name, number)

    def __str__(self) -> str:
        metric = METRICS[self.metric]
        return f"{self.metric} {metric.operator} {quantity_text(self.limit, metric.kind)}"

    def read(self, record: Record) -> float | str:
        """The record's number, in base units, or why there is none."""
        return METRICS[self.metric].read(record)

    def excess(self, number: float) -> float:
        """How far beyond the limit, in base units; 0 or less: within."""
        return number - self.limit if METRICS[self.metric].operator == "<=" else self.limit - number


def broken(record: Record, budgets: Sequence[Budget]) -> list[str]:
    """A sentence for each budget that the record does not keep, none where it keeps all; a cell that went wrong keeps none."""
    if budgets and (record.outcome != "ok" or record.verdict == "invalid"):
        return [f"{record.verdict}: {'; '.join(record.reasons)}"]
    return [f"{sentence}{METRICS[budget.metric].beside(record)}" for budget in budgets if (sentence := _sentence(budget, budget.read(record)))]


def all_broken(records: Iterable[Record], budgets: Sequence[Budget]) -> list[str]:
    """`broken` of each record that was measured, its name before each sentence; what this machine cannot run breaks nothing."""
    measured = [record for record in records if record.verdict != "unsupported"]
    return [f"{record.spec.name}: {sentence}" for record in measured for sentence in broken(record, budgets)]


def energy_j(record: Record) -> float | None:
    """Of one call, without what the process spent on sleeping as long."""
    found = record.energy
    if not found or not found.runs:
        return None
    return (found.run_j - found.idle_j * found.run_s / found.idle_s) / found.runs if found.idle_s else None


def _sentence(budget: Budget, found: float | str) -> str:
    """What is wrong, or nothing."""
    if isinstance(found, str):
        return f"{budget} cannot be shown: {found}"
    excess, metric = budget.excess(found), METRICS[budget.metric]
    if excess <= 0:
        return ""
    limit, number = (quantity_text(one, metric.kind) for one in (budget.limit, found))
    beyond = points_text(excess) if metric.kind == "share" else quantity_text(excess, metric.kind)
    share = f" ({percent_text(excess / budget.limit)})" if budget.limit and metric.kind != "share" else ""
    return f"{budget.metric} is {number}, {beyond}{share} {'over' if metric.operator == '<=' else 'below'} the {limit} of its budget"


def _median(record: Record) -> float | str:
    processes = [samples for samples in record.latency.processes_ns if samples] if record.latency else []
    return stats.interval(processes).value if processes else "the time was not measured"


def _percentile(share: float) -> Callable[[Record], float | str]:
    def read(record: Record) -> float | str:
        samples = record.latency.samples_ns if record.latency else []
        if not samples:
            return "the time was not measured"
        found = stats.supported(samples, share)
        needed = f"it needs {stats.minimum(share)} calls, there are {len(samples)}; measure longer, e.g. with --full"
        return needed if found is None else found

    return read


def _first_answer(record: Record) -> float | str:
    return median(one.total_ns for one in record.cold) if record.cold else "no cold start was measured"


def _throughput(record: Record) -> float | str:
    rates = record.throughput.per_s if record.throughput else []
    if not rates:
        return f"scenario {record.spec.scenario!r} measures none; take offline or server"
    held = [one for one in rates if one is not None]
    return median(held) if len(held) == len(rates) else f"in {len(rates) - len(held)} of {len(rates)} processes no rate held"


def _leak(record: Record) -> float | str:
    found = checks.growth(record.memory) if record.memory else None
    return found.per_run if found else "memory was not read after enough answers"


def _energy(record: Record) -> float | str:
    said = next((note for note in record.notes if note.startswith("energy: ")), "energy: it was not measured")
    return found if (found := energy_j(record)) is not None else said.removeprefix("energy: ")


def _accuracy_beside(record: Record) -> str:
    found = record.accuracy
    return f" (n = {found.n}, its 95 % interval {percent_text(found.low)} to {percent_text(found.high)})" if found else ""


METRICS: dict[str, Metric] = {
    "median": Metric("time", "<=", _median),
    "p90": Metric("time", "<=", _percentile(0.90)),
    "p95": Metric("time", "<=", _percentile(0.95)),
    "p99": Metric("time", "<=", _percentile(0.99)),
    "first-answer": Metric("time", "<=", _first_answer),
    "throughput": Metric("rate", ">=", _throughput),
    "loaded": Metric("size", "<=", lambda record: record.memory.loaded_bytes if record.memory else "memory was not measured"),
    "peak": Metric("size", "<=", lambda record: record.memory.peak_bytes if record.memory else "memory was not measured"),
    "leak": Metric("size", "<=", _leak),
    "size": Metric("size", "<=", lambda record: record.artifact.get("size_bytes", "the file's size is not in the record")),
    "accuracy": Metric("share", ">=", lambda record: record.accuracy.value if record.accuracy else "it was not measured", _accuracy_beside),
    "parity": Metric("share", ">=", lambda record: record.parity.agreement if record.parity else "it was not measured"),
    "energy": Metric("energy", "<=", _energy),
}

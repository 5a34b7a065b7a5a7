"""Cell: what is known of one spec while its passes run, and what is still to be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from edgebench.bench import checks, scenarios
from edgebench.bench.job import Answer, Pass
from edgebench.errors import EdgebenchError
from edgebench.record import Accuracy, Latency, Record, Roof, Spec, Sustained, Throughput

T = TypeVar("T")


@dataclass
class Cell:
    """`answers` are in the order they came; `record` is there once nothing more is to be asked."""

    spec: Spec
    answers: dict[Pass, list[Answer]] = field(default_factory=dict)
    error: EdgebenchError | None = None
    notes: list[str] = field(default_factory=list)
    roof: Roof | None = None
    started_at: str = ""
    record: Record | None = None

    def of(self, part: Pass) -> list[Answer]:
        return self.answers.get(part, [])

    @property
    def is_open(self) -> bool:
        return self.error is None and self.record is None

    @property
    def timed_by(self) -> Pass | None:
        """The pass that is repeated; a latency pass begins with a cold start, so it does for both."""
        parts: tuple[Pass, ...] = ("latency", "cold")
        return next((part for part in parts if part in self.spec.passes), None)

    @property
    def timed(self) -> list[Answer]:
        return self.of(self.timed_by) if self.timed_by else []

    @property
    def turns(self) -> int:
        """How many more processes are to time it, as far as is known: one at a time once there are enough to judge by."""
        if not self.timed_by or not self.is_open:
            return 0
        done = len(self.timed)
        if done < self.spec.processes:
            return self.spec.processes - done
        if done >= self.spec.max_processes:
            return 0
        series = self.series
        return int(bool(series) and checks.interval_too_wide(series))

    @property
    def to_come(self) -> list[Pass]:
        """What runs alone and is still to begin, as far as is known."""
        if not self.timed_by or not self.is_open:
            return []
        turn: list[Pass] = ["drop", self.timed_by] if "drop" in self.spec.passes else [self.timed_by]
        return turn * self.turns + (["energy"] if "energy" in self.spec.passes and not self.of("energy") else [])

    @property
    def series(self) -> list[list[float]]:
        """What the scenario is judged by, one list for each process: queries, rounds, rates or starts."""
        found = [scenarios.get(self.spec.scenario).series(one) for one in self.timed]
        return [one for one in found if one]

    @property
    def accuracy(self) -> Accuracy | None:
        return next((one.accuracy for one in self.of("accuracy")), None)

    @property
    def latency(self) -> Latency | None:
        """The processes' latencies as one series of series."""
        parts = [one.latency for one in self.timed if one.latency]
        if not parts:
            return None
        tokens = [one.tokens[0] for one in parts if one.tokens]
        return Latency(
            processes_ns=[one.processes_ns[0] for one in parts], warm_up_ns=[one.warm_up_ns[0] for one in parts], tokens=tokens or None,
            settled=[settled for one in parts for settled in one.settled],
            stages_ns={name: [ns for one in parts for ns in one.stages_ns[name]] for name in parts[0].stages_ns},
            clock=parts[0].clock, garbage_collector=parts[0].garbage_collector, calls=max(one.calls for one in parts),
        )

    @property
    def throughput(self) -> Throughput | None:
        parts = [one.throughput for one in self.timed if one.throughput]
        if not parts:
            return None
        first = parts[0]
        return Throughput(
            per_s=_flat([one.per_s for one in parts]), rounds_ns=_flat([one.rounds_ns for one in parts]), trials=_flat([one.trials for one in parts]),
            inputs=first.inputs, bound_ns=first.bound_ns, percentile=first.percentile, workers=first.workers,
        )

    @property
    def sustained(self) -> Sustained | None:
        parts = [one.sustained for one in self.timed if one.sustained]
        return Sustained(processes=_flat([one.processes for one in parts])) if parts else None


def _flat(parts: Sequence[Sequence[T]]) -> list[T]:
    return [one for part in parts for one in part]

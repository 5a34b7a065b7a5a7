"""Passes still to come -> seconds: a rule before the first of a kind has run, the mean of those that have run after it."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean
from typing import cast

from edgebench.bench import scenarios
from edgebench.bench.job import Pass
from edgebench.record import Spec

START_S = 1.0  # a fresh process up to its first answer: 0.3 s with onnxruntime or tflite, 1.5 s with torch, on a desktop
UNTIMED_S = {"accuracy": 2.0, "cold": START_S, "drop": 0.3, "energy": 15.0, "memory": 2.0, "roof": 5.0, "work": 1.0}


class Estimate:
    """What passes take here."""

    def __init__(self) -> None:
        self._took: dict[tuple[Pass, str, str], list[float]] = {}

    def learn(self, spec: Spec, part: Pass, seconds: float) -> None:
        """A pass of this kind took so long."""
        self._took.setdefault(_kind(spec, part), []).append(seconds)

    def of(self, spec: Spec, part: Pass) -> float:
        """What one pass takes."""
        took = self._took.get(_kind(spec, part))
        if took:
            return fmean(took)
        return START_S + scenarios.get(spec.scenario).seconds(spec) if part == "latency" else UNTIMED_S[part]

    def plan(self, cells: Iterable[Spec], *, most: bool = False) -> float:
        """What these cells take, each pass one after the other; `most`: where each needs all the processes it may have."""
        total = 0.0
        for spec in cells:
            turns = max(spec.max_processes, spec.processes) if most else spec.processes
            timed = "latency" if "latency" in spec.passes else "cold"  # a latency pass begins with the cold start
            repeated = [part for part in spec.passes if part in (timed, "drop")]
            once = [part for part in spec.passes if part not in ("latency", "cold", "drop")]
            total += self.all((spec, cast(Pass, part)) for part in once + repeated * turns)
        return total

    def all(self, passes: Iterable[tuple[Spec, Pass]]) -> float:
        """What they take one after the other."""
        return sum(self.of(spec, part) for spec, part in passes)


def _kind(spec: Spec, part: Pass) -> tuple[Pass, str, str]:
    """What passes that take about equally long have in common."""
    return part, spec.backend, f"{spec.model} {spec.scenario} {spec.length}"

"""One model at several speeds: a Pipeline whose operating point is chosen for each call, by the caller or by a latency target.

    pipe = edgebench.load("elastic-sst2")
    pipe("a gripping film", width=0.5, depth=0.5)

    with edgebench.load("elastic-sst2", target_latency="5 ms") as pipe:
        pipe("a gripping film")             # at the most accurate point that answers in time
        print(pipe.governor.held)           # the share of the last calls that did
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from edgebench.backends.base import Session
from edgebench.errors import UsageError
from edgebench.models.card import Card, Point, Variant
from edgebench.pipeline.governor import Cost, Governor
from edgebench.pipeline.pipe import Pipeline, Staged
from edgebench.tasks.base import Task

CALIBRATED = ("Fine.", "It was neither what the trailer had promised nor what anybody who read the book could have hoped for. " * 3)
CALLS = 7  # at each length and point


class DynamicPipeline(Pipeline):
    """Operating points of one model behind one call. `opened` gives the session of a point; each is opened when it is first used.

    `governed` are those that the governor chooses among, the most accurate first.
    """

    def __init__(self, card: Card, variant: Variant, opened: Callable[[Point | None], Session], task: Task) -> None:
        self.points = {one.name: one for one in variant.points}
        self.default = variant.points[0].name
        self.governor: Governor | None = None
        self.governed: list[str] = []
        self._opened = opened
        first = opened(variant.points[0])
        super().__init__(card, variant, first, task)
        self._pipes = {self.default: Pipeline(card, variant.at(variant.points[0]), first, task)}

    def at(self, point: str | None = None, *, width: float | None = None, depth: float | None = None) -> Pipeline:
        """The model at one point, named or by its shares (what is left out is 1); closed together with this one."""
        name = self._name(point, width, depth)
        if name not in self._pipes:
            self._pipes[name] = Pipeline(self.card, self.variant.at(self.points[name]), self._opened(self.points[name]), self.task)
        return self._pipes[name]

    def __call__(self, example: Any, *, point: str | None = None, width: float | None = None, depth: float | None = None) -> Any:
        """The prediction for one example: at the point that is asked for, else at the governor's choice, else at the first."""
        if self.governor is None or point is not None or width is not None or depth is not None:
            return self.at(point, width=width, depth=depth)(example)
        size = _size(example)
        started = time.perf_counter_ns()
        chosen = self.governor.choose(size)
        found = self.at(self.governed[chosen])(example)
        self.governor.observe(chosen, size, time.perf_counter_ns() - started)
        return found

    def stages(self, example: Any, *, point: str | None = None, width: float | None = None, depth: float | None = None) -> Staged:
        return self.at(point, width=width, depth=depth).stages(example)

    def batch(
        self, examples: Sequence[Any], *, workers: int | None = None, point: str | None = None, width: float | None = None, depth: float | None = None
    ) -> list[Any]:
        one = self.at(point, width=width, depth=depth)
        return super().batch(examples, workers=workers) if one is self._pipes[self.default] else one.batch(examples, workers=workers)

    def hold(self, target_ns: float) -> Governor:
        """Choose each call's point from now on so that it takes at most `target_ns`, by what a call costs here, now measured at every point
        that no other both outdoes in accuracy and undercuts in layers and neurons."""
        names = _worthwhile(list(self.points.values()))
        costs = {name: self._cost(name) for name in names}
        longest = _size(CALIBRATED[-1])
        fastest = float("inf")
        self.governed = []
        for name in reversed(names):  # from the least accurate: a point that is no faster than a more accurate one is of no use
            while self.governed and costs[self.governed[-1]].of(longest) >= costs[name].of(longest):
                self.governed.pop()
            self.governed.append(name)
            fastest = min(fastest, costs[name].of(longest))
        self.governed.reverse()
        self.governor = Governor(target_ns, [costs[name] for name in self.governed])
        return self.governor

    def close(self) -> None:
        for one in self._pipes.values():
            one.close()

    def _name(self, point: str | None, width: float | None, depth: float | None) -> str:
        if point is not None:
            if width is not None or depth is not None:
                raise UsageError(f"a point ({point!r}) and a width or depth were asked for; give one or the other")
            return self.variant.point(point).name
        if width is None and depth is None:
            return self.default
        wanted = (1.0 if width is None else width, 1.0 if depth is None else depth)
        for one in self.points.values():
            if (one.width, one.depth) == wanted:
                return one.name
        there = ", ".join(f"{one.width:g} x {one.depth:g}" for one in self.points.values())
        raise UsageError(f"{self.card.name} has no point of width {wanted[0]:g} and depth {wanted[1]:g}; it has {there}")

    def _cost(self, name: str) -> Cost:
        pipe = self.at(name)
        times = {}
        for text in CALIBRATED:
            pipe(text)
            times[_size(text)] = median(_timed(pipe, text) for _ in range(CALLS))
        return Cost.fitted(times)


def _worthwhile(points: list[Point]) -> list[str]:
    """The most accurate first, without those that a smaller one equals; points that were never scored stay."""
    value = {one.name: one.accuracy.value if one.accuracy else float(one.width * one.depth) for one in points}
    kept = [one for one in points
            if not any(value[other.name] >= value[one.name] and other.width <= one.width and other.depth <= one.depth
                       and (other.width, other.depth) != (one.width, one.depth) for other in points)]
    return [one.name for one in sorted(kept, key=lambda one: -value[one.name])]


def _size(example: Any) -> int:
    """What the time of a call grows with: the characters of a text; 1 of what has no length."""
    return len(example) if isinstance(example, str) else 1


def _timed(pipe: Pipeline, example: Any) -> int:
    started = time.perf_counter_ns()
    pipe(example)
    return time.perf_counter_ns() - started

"""Ways to run a model of several speeds, few of which are measured on a device -> what the others will take, and which to choose under budgets.

The cost model is a line for each engine, precision and number of threads of a model: a call takes a fixed time, one for each layer and one for each
layer's heads and neurons, since these are what a narrower or shallower net does less of:

    ns = fixed + by_depth x depth + by_work x width x depth

It is fitted to the measured ways by least squares of relative errors, no term below zero; it holds for the device and the inputs they were measured on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from edgebench import catalog
from edgebench.bench.budgets import Budget
from edgebench.bench.plan import Plan
from edgebench.models.card import Card, Point, Variant
from edgebench.record import Spec

TRIES = 3  # ways that are measured again before it is said that none keeps the budget
FEW = 4  # measured ways of one cost: one more than it has terms
Family = tuple[object, ...]


@dataclass(frozen=True)
class Way:
    """A variant of a model at one of its points (None of one that has a single speed), in an engine: `spec` says how it is measured."""

    spec: Spec
    card: Card = field(compare=False)
    variant: Variant = field(compare=False)
    point: Point | None = field(compare=False)

    @property
    def name(self) -> str:
        threads = f", {self.spec.threads} threads" if self.spec.threads > 1 else ""
        return f"{self.spec.model} {self.spec.precision} in {self.spec.backend}{threads}"

    @property
    def accuracy(self) -> float | None:
        """What its card says."""
        found = (self.point or self.variant).accuracy
        return found.value if found else None

    @property
    def size_bytes(self) -> int:
        """Of the files it needs; shared weights count whole, for what it needs of them is known when they are carved."""
        return (self.variant.at(self.point) if self.point else self.variant).total_bytes

    @property
    def family(self) -> Family:
        """Ways of one family have one cost."""
        return self.card.name, self.spec.backend, self.spec.format, self.spec.precision, self.spec.threads, self.spec.length

    @property
    def shape(self) -> tuple[float, float]:
        """Width and depth, 1 of a net that has one of each."""
        return (self.point.width, self.point.depth) if self.point else (1.0, 1.0)


@dataclass(frozen=True)
class Cost:
    """ns of a call by width and depth. `error` is the largest relative difference from what it was fitted to, `n` measured ways."""

    fixed: float
    by_depth: float
    by_work: float
    n: int
    error: float

    def of(self, shape: tuple[float, float]) -> float:
        width, depth = shape
        return self.fixed + self.by_depth * depth + self.by_work * width * depth


def ways(plan: Plan) -> list[Way]:
    """One for each cell of a plan."""
    found = []
    for spec in plan.cells:
        card, named = plan.models[spec.model].card, catalog.split(spec.model)[1]
        variant = card.variant(spec.format, spec.precision)
        found.append(Way(spec, card, variant, variant.point(named) if named else next(iter(variant.points), None)))
    return found


def fitted(times: Mapping[tuple[float, float], float]) -> Cost:
    """The cost nearest to the times (ns) at these shapes. Of all sets of terms that come out at zero or more, the one with the least squares."""
    shapes, ns = list(times), np.array(list(times.values()), dtype=float)
    terms = np.array([[1.0, depth, width * depth] for width, depth in shapes]) / ns[:, None]
    best, least = np.zeros(3), np.inf
    for count in range(1, 4):
        for kept in map(list, combinations(range(3), count)):
            found = np.zeros(3)
            found[kept] = np.linalg.lstsq(terms[:, kept], np.ones(len(ns)), rcond=None)[0]
            squares = float(((terms @ found - 1) ** 2).sum())
            if (found >= 0).all() and squares < least - 1e-12:
                best, least = found, squares
    fixed, by_depth, by_work = map(float, best)
    return Cost(fixed, by_depth, by_work, len(shapes), float(np.abs(terms @ best - 1).max()))


def costs(measured: Mapping[Way, float]) -> dict[Family, Cost]:
    """The cost of each family of which something was measured (ns)."""
    by: dict[Family, dict[tuple[float, float], float]] = {}
    for way, ns in measured.items():
        by.setdefault(way.family, {})[way.shape] = ns
    return {family: fitted(times) for family, times in by.items()}


def few(known: Sequence[Way]) -> list[Way]:
    """Those to measure. Of a family whose ways differ in shape the corners: the whole net, the narrowest, the shallowest, and both in one; of another all,
    since nothing says what one takes beside another."""
    families: dict[Family, list[Way]] = {}
    for way in known:
        families.setdefault(way.family, []).append(way)
    found = []
    for family in families.values():
        widths, depths = ({way.shape[axis] for way in family} for axis in (0, 1))
        corners = {(width, depth) for width in (max(widths), min(widths)) for depth in (max(depths), min(depths))}
        apart = len({way.shape for way in family}) == len(family)
        found += [way for way in family if not apart or len(family) <= FEW or way.shape in corners]
    return found


def told(way: Way, budget: Budget, measured: Mapping[Way, float], known: Mapping[Family, Cost]) -> float | None:
    """What is known of a way in the budget's metric: its time as it was measured, else as its cost says; None of what only its own record will tell."""
    if budget.metric == "median":
        return measured[way] if way in measured else known[way.family].of(way.shape) if way.family in known else None
    return {"size": float(way.size_bytes), "accuracy": way.accuracy}.get(budget.metric)


def ranked(ways: Sequence[Way], budgets: Sequence[Budget], measured: Mapping[Way, float]) -> tuple[list[Way], list[Way]]:
    """The ways that keep every budget as far as is known, the one to take first, and the others, the nearest first.

    To take is the fastest, if accuracy has a limit, else the most accurate: what is not limited is what is wished for.
    """
    known = costs(measured)
    time = Budget("median", 0.0)

    def beyond(way: Way) -> float:
        """By how much of each limit it is broken, all together."""
        found = ((budget, told(way, budget, measured, known)) for budget in budgets)
        return sum(max(0.0, budget.excess(value)) / (budget.limit or 1.0) for budget, value in found if value is not None)

    def wish(way: Way) -> tuple[float, float]:
        ns = told(way, time, measured, known)
        fast, right = ns if ns is not None else np.inf, -(way.accuracy or 0.0)
        return (fast, right) if any(one.metric == "accuracy" for one in budgets) else (right, fast)

    keeping = sorted((way for way in ways if beyond(way) <= 0), key=wish)
    return keeping, sorted((way for way in ways if beyond(way) > 0), key=lambda way: (beyond(way), *wish(way)))


def search(
    ways: Sequence[Way], budgets: Sequence[Budget], times: Mapping[Way, float], again: Callable[[Way], tuple[float, bool]], tries: int
) -> tuple[Way, bool]:
    """Measure the way to take again: `again` gives its time (ns) and whether it keeps the budgets. If it does not, what was learnt counts for the next,
    up to `tries` ways. The one that was taken, or the nearest that was tried, and whether it keeps them."""
    measured, tried = dict(times), list[Way]()
    for _ in range(tries):
        keeping, others = ranked([way for way in ways if way not in tried], budgets, measured)
        if tried and not keeping:
            break
        way = (keeping or others)[0]
        measured[way], keeps = again(way)
        if keeps:
            return way, True
        tried.append(way)
        if not keeping:
            break
    keeping, others = ranked(tried, budgets, measured)
    return (others or keeping)[0], False

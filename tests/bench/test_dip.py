"""The dip beside its definition, solved as a linear programme, and beside how often chance gives such a one."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy.optimize import linprog

from edgebench.bench.dip import CRITICAL, dip, modes


def defined(samples: list[float]) -> float:
    """The smallest distance to any distribution function that is convex up to a mode, where it may jump, and concave from there."""
    values, counts = np.unique(samples, return_counts=True)
    heads = np.cumsum(counts) / len(samples)
    feet = heads - counts / len(samples)
    return min(_with_mode(place, values, feet, heads) for place in range(len(values)))


def _with_mode(mode: int, values: np.ndarray, feet: np.ndarray, heads: np.ndarray) -> float:
    """Unknown: heights up to the mode, from the mode on, and the distance."""
    upward, downward = list(range(mode + 1)), list(range(mode, len(values)))
    size = len(upward) + len(downward) + 1
    rows: list[np.ndarray] = []
    limits: list[float] = []

    def at_most(limit: float, **weights: float) -> None:
        row = np.zeros(size)
        for place, weight in weights.items():
            row[int(place[1:])] += weight
        rows.append(row)
        limits.append(limit)

    for column, place in enumerate(upward + downward):
        jumps_here = place == mode
        for step, skipped in ((feet, column >= len(upward)), (heads, column < len(upward))):
            if not (jumps_here and skipped):
                at_most(step[place], **{f"_{column}": 1, f"_{size - 1}": -1})
                at_most(-step[place], **{f"_{column}": -1, f"_{size - 1}": -1})
    at_most(0, **{f"_{len(upward) - 1}": 1, f"_{len(upward)}": -1})
    for first, places, sign in ((0, upward, 1), (len(upward), downward, -1)):
        for one in range(len(places) - 1):
            at_most(0, **{f"_{first + one}": 1, f"_{first + one + 1}": -1})
        for one in range(len(places) - 2):
            (a, b, c), at = values[places[one : one + 3]], first + one
            at_most(0, **{f"_{at}": -sign / (b - a), f"_{at + 1}": sign / (b - a) + sign / (c - b), f"_{at + 2}": -sign / (c - b)})
    found = linprog([0.0] * (size - 1) + [1.0], A_ub=np.array(rows), b_ub=limits, bounds=[(0, 1)] * size)
    return float(found.fun)


@pytest.mark.parametrize("seed", range(12))
def test_the_dip_is_what_its_definition_says(seed: int) -> None:
    random = np.random.default_rng(seed)
    for samples in (random.random(11), np.concatenate([random.normal(0, 1, 5), random.normal(5, 1, 6)]), random.integers(0, 5, 10).astype(float)):
        assert dip(list(samples)) == pytest.approx(defined(list(samples)), rel=2e-3)


def test_equal_samples_have_the_least_dip_and_two_values_the_largest() -> None:
    assert dip([5.0] * 10) == pytest.approx(0.05)
    assert dip([1.0, 9.0] * 500) == pytest.approx(0.25, rel=2e-3)


@pytest.mark.parametrize("n", [20, 100])
def test_one_in_a_hundred_uniform_series_exceeds_the_critical_value(n: int) -> None:
    random = np.random.default_rng(7)
    beyond = np.mean([sqrt(n) * dip(list(random.random(n))) > CRITICAL[n] for _ in range(2000)])
    assert 0.005 <= beyond <= 0.016


def test_one_heap_is_no_two() -> None:
    random = np.random.default_rng(8)
    series = [random.normal(100, 5, 300), random.lognormal(3, 0.5, 300), random.random(300), np.full(300, 5.0)]
    assert [modes(list(one)) for one in series] == [None] * 4


def test_two_heaps_are_told_apart() -> None:
    random = np.random.default_rng(9)
    found = modes(list(np.concatenate([random.normal(100, 3, 1400), random.normal(140, 4, 600)])))
    assert found is not None
    assert (found.low, found.high, found.share_high) == (pytest.approx(100, abs=1), pytest.approx(140, abs=1), pytest.approx(0.3, abs=0.02))


def test_of_few_samples_nothing_is_said() -> None:
    assert modes([1.0] * 10 + [9.0] * 9) is None
    assert modes([1.0] * 10 + [9.0] * 10) is not None

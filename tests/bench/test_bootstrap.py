"""The median's interval, of independent samples and of neighbours that are alike, beside scipy's and beside the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from edgebench.bench.bootstrap import block_length, median_interval


def correlated(n: int, share: float, seed: int) -> np.ndarray:
    """An autoregressive series around 0: each sample is `share` of the one before, and noise."""
    noise = np.random.default_rng(seed).normal(size=n + 100)
    series = np.zeros(n + 100)
    for place in range(1, n + 100):
        series[place] = share * series[place - 1] + noise[place]
    return series[100:]


def coverage(n: int, share: float) -> float:
    """How often the interval holds the true median."""
    found = [median_interval(list(correlated(n, share, seed))) for seed in range(300)]
    return float(np.mean([low <= 0 <= high for low, high in found]))


def test_equal_samples_leave_no_doubt() -> None:
    assert median_interval([5.0] * 40) == (5.0, 5.0)
    assert median_interval([5.0]) == (5.0, 5.0)


def test_the_bounds_are_samples_around_the_median() -> None:
    samples = list(correlated(101, 0.5, 1))
    low, high = median_interval(samples)
    assert {low, high} <= set(samples)
    assert low < float(np.median(samples)) < high


def test_the_same_series_has_the_same_interval() -> None:
    samples = list(correlated(200, 0.5, 2))
    assert median_interval(samples) == median_interval(samples)


def test_two_levels_in_equal_parts_are_both_in_it() -> None:
    assert median_interval([10.0, 20.0] * 50) == (10.0, 20.0)


def test_of_independent_samples_it_is_scipys_bootstrap() -> None:
    samples = np.random.default_rng(4).normal(100, 10, 400)
    known = scipy_stats.bootstrap((samples,), np.median, n_resamples=4000, method="percentile", rng=np.random.default_rng(5)).confidence_interval
    found = median_interval(list(samples))
    assert found == (pytest.approx(known.low, abs=0.3), pytest.approx(known.high, abs=0.3))  # of an interval 2.5 wide


def test_independent_samples_are_drawn_one_by_one() -> None:
    assert np.median([block_length(np.random.default_rng(seed).normal(size=500)) for seed in range(50)]) == 1


def test_the_more_alike_neighbours_are_the_longer_the_blocks() -> None:
    lengths = [np.median([block_length(correlated(1000, share, seed)) for seed in range(20)]) for share in (0.0, 0.5, 0.9)]
    assert lengths[0] < lengths[1] < lengths[2]


def test_it_holds_the_truth_about_as_often_as_it_says() -> None:
    assert 0.92 <= coverage(200, 0.0) <= 0.98


def test_it_does_so_where_neighbours_are_alike() -> None:
    assert 0.89 <= coverage(400, 0.7) <= 0.98  # by order statistics, as of independent samples: 0.70

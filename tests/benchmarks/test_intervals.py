"""How often a 95 % interval of the median holds it, where calls are alike their neighbours: by simulation, so that the truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom

from edgebench.bench.bootstrap import median_interval

pytestmark = pytest.mark.benchmark_figures

SERIES = 400


def correlated(n: int, share: float, random: np.random.Generator) -> np.ndarray:
    """An autoregressive series around 0: each sample is `share` of the one before, and noise."""
    noise = random.normal(size=n + 100)
    for place in range(1, n + 100):
        noise[place] += share * noise[place - 1]
    return noise[100:]


def order_statistics(series: np.ndarray) -> tuple[float, float]:
    """The interval of independent samples, whose count below the median is Binomial(n, 1/2)."""
    place = max(int(binom.ppf(0.025, len(series), 0.5)) - 1, 0)
    ranked = np.sort(series)
    return float(ranked[place]), float(ranked[-1 - place])


@pytest.mark.parametrize("n", [50, 200, 1000])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.7])
def test_the_median_is_in_its_interval(share: float, n: int, figure: Callable[..., None]) -> None:
    random = np.random.default_rng(n)
    series = [correlated(n, share, random) for _ in range(SERIES)]
    ours, plain = (
        float(np.mean([low <= 0 <= high for low, high in map(interval, series)])) for interval in (lambda one: median_interval(list(one)), order_statistics)
    )
    figure(f"95 % interval holds the median: {n} calls, correlation {share:g}", ours, "0.95", n=SERIES, of_order_statistics=round(plain, 3))
    assert ours >= plain - 0.03
    assert n < 1000 or ours >= 0.9

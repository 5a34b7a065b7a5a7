"""A series in the order it was measured -> whether it rose or fell, by how much, and from when on.

Pure functions of the order alone: a series that goes up and down has no trend, however much it varies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

BLOCKS = 30  # a series is looked at as so many medians in a row: neighbours are alike, and an outlier moves none of them
RISK = 0.05  # of calling chance a trend
FEWEST = 6  # windows before which there is no telling a change of level from chance


@dataclass(frozen=True, slots=True)
class Drift:
    """Median of the last third over that of the first, minus 1, and how likely such an order is by chance."""

    change: float
    p: float

    @property
    def is_real(self) -> bool:
        return self.p < RISK


@dataclass(frozen=True, slots=True)
class Step:
    """`place` is the first sample of the new level; `ratio` is the new level over the old, medians; `p` how likely by chance."""

    place: int
    ratio: float
    p: float


def drift(samples: Sequence[float]) -> Drift | None:
    """By Mann's and Kendall's test of the medians of `BLOCKS` blocks; None for fewer than 30 samples.

    H. B. Mann, "Nonparametric tests against trend", Econometrica 13 (1945) 245-259: of every two medians, how many more rise
    than fall. It sees a ramp and a late step alike. Ties, which make its variance smaller, are left out of it.
    """
    n = len(samples)
    if n < BLOCKS:
        return None
    blocks = [float(median(samples[n * place // BLOCKS : n * (place + 1) // BLOCKS])) for place in range(BLOCKS)]
    rising = sum((later > sooner) - (later < sooner) for place, later in enumerate(blocks) for sooner in blocks[:place])
    deviation = math.sqrt(BLOCKS * (BLOCKS - 1) * (2 * BLOCKS + 5) / 18)
    first, last = median(samples[: n // 3]), median(samples[-(n // 3) :])
    return Drift(last / first - 1 if first else 0.0, math.erfc(abs(rising) / deviation / math.sqrt(2)))


def step(series: Sequence[float]) -> Step | None:
    """Where the level changed most, if it did at all by A. N. Pettitt's rank test at 5 %; None for fewer than 6 samples.

    "A non-parametric approach to the change-point problem", Applied Statistics 28 (1979) 126-135.
    """
    n = len(series)
    if n < FEWEST:
        return None
    ranks, statistic, best, place = _ranks(series), 0.0, 0.0, 0
    for t, rank in enumerate(ranks[:-1], start=1):
        statistic += 2 * rank - (n + 1)
        if abs(statistic) > best:
            best, place = abs(statistic), t
    p = min(1.0, 2 * math.exp(-6 * best**2 / (n**3 + n**2)))
    before = median(series[:place]) if place else 0
    return Step(place, median(series[place:]) / before, p) if p < RISK and before else None


def _ranks(series: Sequence[float]) -> list[float]:
    """1 for the smallest; equal samples share the mean of theirs."""
    first: dict[float, int] = {}
    last: dict[float, int] = {}
    for rank, value in enumerate(sorted(series), start=1):
        first.setdefault(value, rank)
        last[value] = rank
    return [(first[value] + last[value]) / 2 for value in series]

"""Samples -> the numbers a report prints. Pure functions; nothing is dropped, and nothing is said that n does not support.

A percentile is the nearest-rank one: the smallest sample with at least that share of all samples at or below it. It is
claimed only where the count supports it by the rule of MLPerf LoadGen's early stopping (Reddi et al., MLPerf Inference
Benchmark, ISCA 2020; mlcommons/inference, loadgen/early_stopping.cc): "the p-th percentile is at most L" holds with 99 %
confidence when, of n samples, t are above L and I_p(n - t, t + 1) <= 0.01, where I is the regularised incomplete beta
function. For whole numbers it is a binomial tail: I_p(n - t, t + 1) = P(Binomial(n, 1 - p) <= t), summed here exactly.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, takewhile
from statistics import fmean, median, stdev

RISK = 0.01  # of a claimed percentile being too low


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one series, in its own unit. `low`..`high` is the median's interval; a percentile is None where n is too small."""

    n: int
    median: float
    low: float
    high: float
    p90: float | None
    p95: float | None
    p99: float | None
    mean: float
    cv: float | None
    fastest: float
    slowest: float
    outliers: int
    far_outliers: int


def summary(samples: Sequence[float]) -> Summary:
    """Everything a report says of a series of at least one sample."""
    low, high = median_interval(samples)
    mild, far = outliers(samples)
    return Summary(
        n=len(samples), median=median(samples), low=low, high=high, mean=fmean(samples), cv=variation(samples),
        p90=supported(samples, 0.90), p95=supported(samples, 0.95), p99=supported(samples, 0.99),
        fastest=min(samples), slowest=max(samples), outliers=mild, far_outliers=far,
    )


def percentile(samples: Sequence[float], share: float) -> float:
    """Nearest rank: the ceil(share * n)-th smallest sample."""
    rank = math.ceil(round(share * len(samples), 9))  # 0.95 * 20 is 19.000000000000004 in some orders of rounding
    return sorted(samples)[max(rank, 1) - 1]


def supported(samples: Sequence[float], share: float) -> float | None:
    """The percentile, or None where there are too few samples to claim it."""
    return percentile(samples, share) if over(len(samples), share) >= 1 else None


@cache
def over(n: int, share: float) -> int:
    """The greatest t for which `n` samples with t of them over a limit still support "at most this"; -1: not even t = 0."""
    return sum(1 for _ in takewhile(lambda tail: tail <= RISK, accumulate(_binomial(n, 1 - share)))) - 1


def minimum(share: float, t: int = 1) -> int:
    """The fewest samples that support a percentile with `t` samples over it: 11, 64, 130, 662 for 50, 90, 95, 99 % and t = 1."""
    low, high = t, t + 1
    while over(high, share) < t:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if over(middle, share) >= t else (middle, high)
    return high


def median_interval(samples: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """The order statistics between which the median lies with at least this confidence; the extremes for few samples.

    Distribution-free: the number of samples below the true median is Binomial(n, 1/2) (Conover, Practical Nonparametric
    Statistics, 3rd ed., 3.2). It speaks of these processes on this machine at this time, not of another day.
    """
    ranked = sorted(samples)
    place = _median_place(len(ranked), (1 - confidence) / 2)
    return ranked[place], ranked[-1 - place]


def variation(samples: Sequence[float]) -> float | None:
    """Standard deviation over mean; None for fewer than two samples or a mean of zero."""
    mean = fmean(samples)
    return stdev(samples) / mean if len(samples) > 1 and mean else None


def outliers(samples: Sequence[float]) -> tuple[int, int]:
    """How many lie beyond Tukey's inner and outer fences, 1.5 and 3 quartile distances out (Exploratory Data Analysis, 1977).

    They are counted, and stay in every other number.
    """
    low, high = percentile(samples, 0.25), percentile(samples, 0.75)
    beyond = [max(low - one, one - high) for one in samples]
    return sum(one > 1.5 * (high - low) for one in beyond), sum(one > 3 * (high - low) for one in beyond)


def drift(samples: Sequence[float]) -> float:
    """Median of the last third over median of the first third, minus 1; 0 for fewer than 30 samples."""
    third = len(samples) // 3
    if third < 10:
        return 0.0
    first = median(samples[:third])
    return median(samples[-third:]) / first - 1 if first else 0.0


@cache
def _median_place(n: int, tail: float) -> int:
    below = sum(1 for _ in takewhile(lambda share: share <= tail, accumulate(_binomial(n, 0.5))))
    return max(below - 1, 0)


def _binomial(n: int, share: float) -> Iterator[float]:
    """P(Binomial(n, share) = k) for k = 0, 1, ..., n, through logarithms: no power underflows before it is needed."""
    yes, no = math.log(share), math.log1p(-share)
    for k in range(n + 1):
        yield math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * yes + (n - k) * no)

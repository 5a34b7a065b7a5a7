"""Samples -> the numbers a report prints. Pure functions; nothing is dropped, and nothing is said that n does not support.

A percentile is the nearest-rank one: the smallest sample with at least that share of all samples at or below it. It is
claimed only where the count supports it by the rule of MLPerf LoadGen's early stopping (Reddi et al., MLPerf Inference
Benchmark, ISCA 2020; mlcommons/inference, loadgen/early_stopping.cc): "the p-th percentile is at most L" holds with 99 %
confidence when, of n samples, t are above L and I_p(n - t, t + 1) <= 0.01, where I is the regularised incomplete beta
function. For whole numbers it is a binomial tail: I_p(n - t, t + 1) = P(Binomial(n, 1 - p) <= t), summed here exactly.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, takewhile
from statistics import fmean, median

from edgebench.bench.bootstrap import median_interval

RISK = 0.01  # of a claimed percentile being too low


@dataclass(frozen=True, slots=True)
class Summary:
    """Of one series, in its own unit. A percentile is None where n is too small."""

    n: int
    median: float
    p90: float | None
    p95: float | None
    p99: float | None
    mean: float
    cv: float | None
    fastest: float
    slowest: float
    outliers: int
    far_outliers: int


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and its 95 % interval, from `n` processes; `method` names how."""

    value: float
    low: float
    high: float
    n: int
    method: str

    @property
    def half_width(self) -> float:
        """Half of the interval, relative to the value."""
        return (self.high - self.low) / (2 * self.value) if self.value else 0.0


@dataclass(frozen=True, slots=True)
class Slope:
    """How much a series grows from one sample to the next, with its 95 % interval."""

    per_run: float
    low: float
    high: float


def summary(samples: Sequence[float]) -> Summary:
    """Everything a report says of a series of at least one sample."""
    ranked = sorted(samples)  # once: to sort what is sorted takes one walk over it
    mild, far = outliers(ranked)
    return Summary(
        n=len(ranked), median=median(ranked), mean=fmean(ranked), cv=variation(ranked),
        p90=supported(ranked, 0.90), p95=supported(ranked, 0.95), p99=supported(ranked, 0.99),
        fastest=ranked[0], slowest=ranked[-1], outliers=mild, far_outliers=far,
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


def interval(processes: Sequence[Sequence[float]]) -> Interval:
    """The median of one call, over the processes that were measured: the mean of the logarithms of their medians, back from the logarithm.

    Two processes or more: Student's t ("The probable error of a mean", Biometrika 6, 1908), because processes differ more
    than the calls within one. Logarithms, since times vary by factors. Of one process only its own calls are known: a
    bootstrap of their blocks, which knows nothing of how another process would differ.
    """
    if len(processes) == 1:
        return Interval(median(processes[0]), *median_interval(processes[0]), 1, "block bootstrap of one process")
    logs = [math.log(max(median(samples), 1e-12)) for samples in processes]
    centre = fmean(logs)
    half = student_t(len(logs) - 1) * _deviation(logs, centre) / math.sqrt(len(logs))
    return Interval(math.exp(centre), math.exp(centre - half), math.exp(centre + half), len(logs), "Student's t over processes")


@cache
def student_t(degrees: float, confidence: float = 0.95) -> float:
    """The t that a Student-distributed number of so many degrees of freedom stays within, to either side, with this confidence."""
    low, high = 0.0, 1.0
    while _within(high, degrees) < confidence:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, degrees) < confidence else (low, middle)
    return high


def _within(t: float, degrees: float) -> float:
    """P(|T| <= t) = I_x(1/2, degrees/2) at x = t^2 / (degrees + t^2), I the regularised incomplete beta function."""
    return _incomplete_beta(t * t / (degrees + t * t), 0.5, degrees / 2)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Regularised, by its continued fraction (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.5.8), evaluated as Lentz does."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    tiny, c, d, value = 1e-300, 1.0, 0.0, 1.0
    for step in range(400):
        m = step // 2
        if step == 0:
            term = 1.0
        elif step % 2 == 0:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d = 1 / (1 + term * d if abs(1 + term * d) > tiny else tiny)
        c = 1 + term / c if abs(1 + term / c) > tiny else tiny
        value *= c * d
        if step and abs(1 - c * d) < 1e-15:
            break
    return front * (value - 1)


def slope(series: Sequence[float]) -> Slope:
    """The median of the slopes between every two of at least three samples, and Sen's interval of it.

    H. Theil, "A rank-invariant method of linear and polynomial regression analysis", 1950; P. K. Sen, "Estimates of the
    regression coefficient based on Kendall's tau", J. Am. Stat. Assoc. 63 (1968) 1379-1389. A step that comes once, as an
    arena that grows, moves few of the pairs far; a line through the means would tilt.
    """
    n = len(series)
    slopes = sorted((series[later] - series[first]) / (later - first) for first in range(n) for later in range(first + 1, n))
    reach = 1.959963984540054 * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)  # of Kendall's S without ties
    low = max(math.floor((len(slopes) - reach) / 2), 0)
    return Slope(median(slopes), slopes[low], slopes[len(slopes) - 1 - low])


def variation(samples: Sequence[float]) -> float | None:
    """Standard deviation over mean; None for fewer than two samples or a mean of zero."""
    mean = fmean(samples)
    return _deviation(samples, mean) / mean if len(samples) > 1 and mean else None


def outliers(samples: Sequence[float]) -> tuple[int, int]:
    """How many lie beyond Tukey's inner and outer fences, 1.5 and 3 quartile distances out (Exploratory Data Analysis, 1977).

    They are counted, and stay in every other number.
    """
    ranked = sorted(samples)
    low, high = percentile(ranked, 0.25), percentile(ranked, 0.75)
    mild, far = (bisect_left(ranked, low - reach) + len(ranked) - bisect_right(ranked, high + reach) for reach in (1.5 * (high - low), 3 * (high - low)))
    return mild, far


def _deviation(samples: Sequence[float], mean: float) -> float:
    """Of a sample. Not statistics.stdev, which computes in fractions: fifty times slower, and alike to the last digit but one."""
    return math.sqrt(math.fsum((one - mean) ** 2 for one in samples) / (len(samples) - 1))


def _binomial(n: int, share: float) -> Iterator[float]:
    """P(Binomial(n, share) = k) for k = 0, 1, ..., n, through logarithms: no power underflows before it is needed."""
    yes, no = math.log(share), math.log1p(-share)
    for k in range(n + 1):
        yield math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * yes + (n - k) * no)


def mcnemar(only_a: int, only_b: int) -> float:
    """How likely at least so uneven a split of the examples that one of two got right is, if neither is better: exact, two-sided.

    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages", Psychometrika
    12 (1947) 153-157; exact as a sign test, the count being Binomial(only_a + only_b, 1/2).
    """
    n, fewer = only_a + only_b, min(only_a, only_b)
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(fewer + 1)) / (1 << n))

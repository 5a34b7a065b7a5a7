"""Two cells' times -> how many times longer one takes than the other, whether that is a difference, and how sure.

Pure functions over processes' samples, as `edgebench.bench.stats` is for one cell.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev, variance
from typing import Literal

from edgebench.bench.stats import student_t

THRESHOLD = 0.01  # a difference of less is not worth a word: where code lies in memory alone changes a time by as much

Difference = Literal["faster", "slower", "no detectable difference", "undecided"]


@dataclass(frozen=True, slots=True)
class Ratio:
    """b's time over a's and its 95 % interval; `low` and `high` are None where fewer than two processes of each were measured."""

    value: float
    low: float | None
    high: float | None
    n: int  # pairs, or processes of both
    method: str


def ratio(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]], *, paired: bool) -> Ratio:
    """How many times longer a call of `b` takes, from the samples of each process.

    `paired`: process i of both ran beside each other, in turn, so that a slow minute falls on both (Student's t on the
    logarithms of their ratios); one count for both. Otherwise Welch's t on the logarithms of the medians (B. L. Welch,
    Biometrika 34, 1947), which lets the two vary by different amounts.
    """
    first, second = ([math.log(max(median(samples), 1e-12)) for samples in processes] for processes in (a, b))
    if paired:
        steps = [later - sooner for sooner, later in zip(first, second, strict=True)]
        if len(steps) < 2:
            return Ratio(math.exp(fmean(steps)), None, None, len(steps), "one pair of processes")
        half = student_t(len(steps) - 1) * stdev(steps) / math.sqrt(len(steps))
        return _around(fmean(steps), half, len(steps), "Student's t over pairs of processes")
    centre, n = fmean(second) - fmean(first), len(first) + len(second)
    if min(len(first), len(second)) < 2:
        return Ratio(math.exp(centre), None, None, n, "one process")
    parts = [variance(logs) / len(logs) for logs in (first, second)]
    spread = sum(parts)
    degrees = spread**2 / sum(part**2 / (len(logs) - 1) for part, logs in zip(parts, (first, second), strict=True)) if spread else 1.0
    return _around(centre, student_t(round(degrees, 6)) * math.sqrt(spread), n, "Welch's t over processes")


def verdict_of(found: Ratio, threshold: float = THRESHOLD) -> Difference:
    """What is to be said of b: a difference only where the whole interval is beyond `threshold`, to one side of 1.

    One interval in twenty leaves out the 1 that holds. Few of those reach as far as a difference that would matter, so that
    like beside like is called different more seldom than that.
    """
    if found.low is None or found.high is None:
        return "undecided"
    if found.low > 1 + threshold:
        return "slower"
    if found.high < 1 - threshold:
        return "faster"
    return "no detectable difference"


def effect(a: Sequence[float], b: Sequence[float]) -> float:
    """The chance that a call of b is slower than one of a, a tie counted half: 0.5 where they are alike.

    A. Vargha and H. D. Delaney, "A critique and improvement of the CL common language effect size statistics of McGraw and
    Wong", J. Educ. Behav. Stat. 25 (2000).
    """
    ranked = sorted(a)
    wins = sum(bisect_left(ranked, one) + bisect_right(ranked, one) for one in b)
    return wins / (2 * len(a) * len(b))


def _around(centre: float, half: float, n: int, method: str) -> Ratio:
    return Ratio(math.exp(centre), math.exp(centre - half), math.exp(centre + half), n, method)

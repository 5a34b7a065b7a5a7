"""Predictions and references -> a Metric with its interval: pure functions, shared by the tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from math import sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from edgebench.tasks.base import Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

Z95 = 1.959963984540054  # the 97.5 % point of the standard normal distribution


def accuracy(predictions: Sequence[Any], references: Sequence[Any]) -> Metric:
    """The share of predictions equal to their reference."""
    if len(predictions) != len(references):
        raise ValueError(f"there are {len(predictions)} predictions and {len(references)} references; give one for one")
    correct = sum(bool(one == other) for one, other in zip(predictions, references, strict=True))
    return share("accuracy", correct, len(references))


def share(name: str, correct: int, n: int) -> Metric:
    """`correct` of `n` as a Metric."""
    low, high = wilson(correct, n)
    return Metric(name, correct / n, low, high, "Wilson 95 %", n)


def matches(predictions: Sequence[Set[Any]], references: Sequence[Set[Any]]) -> NDArray[np.int64]:
    """(examples, 3): how many items were predicted, were to be, and are both."""
    return np.array([(len(mine), len(theirs), len(mine & theirs)) for mine, theirs in zip(predictions, references, strict=True)], np.int64).reshape(-1, 3)


def f1(counts: NDArray[Any]) -> float:
    """2 both / (predicted + wanted), of counts in the order of `matches`; 1 where there is nothing to find and nothing was found."""
    predicted, wanted, both = counts.tolist()
    return 2 * both / (predicted + wanted) if predicted + wanted else 1.0


def bootstrap(counts: NDArray[Any], value: Callable[[NDArray[Any]], float], *, resamples: int = 1_000, seed: int = 20261125) -> tuple[float, float]:
    """The 95 % percentile interval of `value(sum of counts over examples)`, examples drawn again with replacement.

    Efron's percentile bootstrap over whole examples (B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993, ch. 13):
    the items within one sentence are not independent, sentences are. The seed is fixed, so that a score is one number.
    """
    random = np.random.default_rng(seed)
    drawn = [value(counts[random.integers(len(counts), size=len(counts))].sum(0)) for _ in range(resamples)]
    low, high = np.percentile(drawn, [2.5, 97.5]).tolist()
    return low, high


def wilson(correct: int, n: int, z: float = Z95) -> tuple[float, float]:
    """The score interval of a proportion, (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n).

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc. 22 (1927)
    209-212. Unlike p -+ z sqrt(p(1-p)/n) it stays within 0..1 and has a width at 0 and n correct.
    """
    if not 0 <= correct <= n or n == 0:
        raise ValueError(f"{correct} correct of {n} is no proportion; give at least one example")
    p = correct / n
    centre = p + z * z / (2 * n)
    half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return 0.0 if correct == 0 else (centre - half) / scale, 1.0 if correct == n else (centre + half) / scale

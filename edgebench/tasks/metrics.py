"""Predictions and references -> a Metric with its interval: pure functions, shared by the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

from edgebench.tasks.base import Metric

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

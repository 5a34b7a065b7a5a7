"""Samples -> how far they are from having one mode, and where two of them would be.

J. A. Hartigan and P. M. Hartigan, "The dip test of unimodality", Annals of Statistics 13 (1985) 70-84: the dip is the
smallest distance between the samples' distribution function and any that rises convexly up to a mode and concavely after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

# sqrt(n) times the dip that one in a hundred series of n uniform samples exceeds: uniform ones have the largest dips of all that
# have one mode. By simulation of 20,000 series each (tests/bench/test_dip.py repeats it smaller); between two n the smaller counts
CRITICAL = {20: 0.5444, 50: 0.5694, 100: 0.5857, 200: 0.5964, 500: 0.6165}
MOST = 1000  # samples that are looked at: of more, evenly chosen ones


@dataclass(frozen=True, slots=True)
class Modes:
    """Two heaps of samples: the median of each, and the share of all samples that the upper one holds."""

    low: float
    high: float
    share_high: float


def modes(samples: Sequence[float]) -> Modes | None:
    """The two heaps, where one mode would give such a dip once in a hundred times at most; None otherwise, and for fewer than 20 samples."""
    few = samples[:: -(-len(samples) // MOST)] if len(samples) > MOST else samples
    critical = [value for n, value in CRITICAL.items() if n <= len(few)]
    if not critical or sqrt(len(few)) * dip(few) <= critical[-1]:
        return None
    return _heaps(np.sort(np.asarray(samples, float)))


def dip(samples: Sequence[float]) -> float:
    """From 1 / 2n up to 1/4.

    The distribution function is a flight of steps. From the whole range inwards: the greatest convex curve below the steps'
    feet and the least concave one above their heads part most at some step; towards the ends from there the steps' distance
    from the curves counts, between them the search goes on, until the curves part by less than was found already.
    """
    n = len(samples)
    values, feet, heads = _apart(samples), np.arange(n) / n, np.arange(1, n + 1) / n
    low, high, found = 0, n - 1, 1 / n
    while True:
        places = np.arange(low, high + 1)
        convex, concave = places[_hull(values[places], feet[places])], places[_hull(values[places], -heads[places])]
        below, above = (np.interp(values, values[corners], line[corners]) for corners, line in ((convex, feet), (concave, heads)))
        corners = np.union1d(convex, concave)
        widest = corners[np.argmax((above - below)[corners])]
        if above[widest] - below[widest] <= found:
            return float(found) / 2
        left, right = convex[convex <= widest][-1], concave[concave >= widest][0]
        found = max(found, (heads - below)[low : left + 1].max(), (above - feet)[right : high + 1].max())
        if (left, right) == (low, high):
            return float(found) / 2
        low, high = left, right


def _apart(samples: Sequence[float]) -> Any:
    """Sorted, equal ones a little apart: a curve may rise at once at its mode, and there only, whether that is one step or many close ones."""
    values, counts = np.unique(np.asarray(samples, float), return_counts=True)
    little = np.diff(values).min(initial=1.0) / 1000
    return np.concatenate([value + little * np.arange(count) / count for value, count in zip(values - values[0], counts, strict=True)])


def _hull(x: Any, y: Any) -> list[int]:
    """The places of the corners of the greatest convex curve below these points (Andrew's monotone chain)."""
    corners: list[int] = []
    for place in range(len(x)):
        while len(corners) > 1:
            (a, b), c = corners[-2:], place
            if (x[b] - x[a]) * (y[c] - y[a]) > (x[c] - x[a]) * (y[b] - y[a]):
                break
            corners.pop()
        corners.append(place)
    return corners


def _heaps(ranked: Any) -> Modes:
    """Cut where the squares within the two parts are least (N. Otsu, IEEE Trans. SMC 9, 1979)."""
    n, sums = len(ranked), np.cumsum(ranked)
    counts = np.arange(1, n)
    between = (sums[-1] * counts / n - sums[:-1]) ** 2 / (counts * (n - counts))
    cut = int(np.argmax(between)) + 1
    return Modes(float(np.median(ranked[:cut])), float(np.median(ranked[cut:])), 1 - cut / n)

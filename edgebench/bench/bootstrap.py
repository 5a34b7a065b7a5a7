"""A series in the order it was measured -> its median's interval, where neighbours are alike.

One call's time says something of the next one's: a clock that is high, a cache that is warm. Samples drawn one by one would
pretend to as many independent facts as there are calls; blocks of neighbours keep what they share.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

RESAMPLES = 2000
MOST_BLOCKS = 2000  # in one resample: more would only take longer
MOST_LAGS = 200  # that correlation is looked for at
SEED = 20110301  # of the resampling: the same series has the same interval


def median_interval(series: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Between which samples the median lies, by a circular block bootstrap of at least one sample.

    Blocks after D. N. Politis and J. P. Romano (in Exploring the Limits of Bootstrap, 1992), as long as `block_length` says.
    What is drawn anew is the share of samples above the median; a share of s moves the median to the series' own s quantile
    (R. R. Bahadur, "A note on quantiles in large samples", Ann. Math. Stat. 37, 1966; for dependent samples S. Sun and
    S. N. Lahiri, Sankhya 68, 2006), so that long series are never sorted again.
    """
    values = np.asarray(series, float)
    n, ranked, above = len(values), np.sort(values), _above(values)
    length = max(block_length(above), -(-n // MOST_BLOCKS))
    blocks = -(-n // length)
    ends = np.concatenate([[0.0], np.cumsum(np.concatenate([above, above[: length - 1]]))])
    sums = ends[length:] - ends[:-length]  # of every block, whichever sample it begins with, round and round
    drawn = np.random.default_rng(SEED).integers(n, size=(RESAMPLES, blocks))
    shares = np.sort(sums[drawn].sum(axis=1) / (blocks * length))
    tail = (1 - confidence) / 2
    low, high = shares[math.floor(tail * RESAMPLES)], shares[math.ceil((1 - tail) * RESAMPLES) - 1]
    return float(ranked[max(math.ceil(low * n) - 1, 0)]), float(ranked[min(math.floor(high * n), n - 1)])


def block_length(series: Any) -> int:
    """How many neighbours to draw together, from how far they are correlated: 1 where they are not.

    D. N. Politis and H. White, "Automatic block-length selection for the dependent bootstrap", Econometric Reviews 23 (2004)
    53-70, for the circular bootstrap, as corrected by A. Patton, D. N. Politis and H. White, ibid. 28 (2009) 372-375.
    """
    n = len(series)
    centred = np.asarray(series, float) - np.mean(series)
    longest = math.ceil(min(3 * math.sqrt(n), n / 3))
    look = max(5, math.ceil(math.sqrt(math.log10(max(n, 2)))))
    lags = min(math.ceil(math.sqrt(n)) + look, MOST_LAGS, n - 1)
    covariances = np.array([centred[: n - lag] @ centred[lag:] / n for lag in range(lags + 1)])
    if lags < 1 or not covariances[0]:
        return 1
    large = np.abs(covariances[1:] / covariances[0]) >= 2 * math.sqrt(math.log10(n) / n)
    last = next((lag for lag in range(lags + 1) if not large[lag : lag + look].any()), lags)  # beyond it there is no correlation
    if not last:
        return 1
    reach = np.arange(1, min(2 * last, lags) + 1)
    weights = np.clip(2 * (1 - reach / (2 * last)), 0, 1) * covariances[reach]  # a window that is flat on its inner half
    variance, bias = covariances[0] + 2 * weights.sum(), 2 * (reach * weights).sum()
    if variance <= 0:
        return 1
    return int(min(max(1, math.ceil((1.5 * (bias / variance) ** 2 * n) ** (1 / 3))), longest))


def _above(values: Any) -> Any:
    """1 for a sample above the median, 0 for one below, and half for the median itself."""
    middle = np.median(values)
    return (values > middle) + 0.5 * (values == middle)

"""Translations and their references -> BLEU and chrF, by sacrebleu, as shares of 1 with its signature in the name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgebench.errors import MissingError
from edgebench.tasks.base import Metric

RESAMPLES = 1_000


def bleu(predictions: Sequence[str], references: Sequence[str]) -> Metric:
    """Corpus BLEU (M. Post, "A call for clarity in reporting BLEU scores", WMT 2018).

    The interval is sacrebleu's own: half the width between the 2.5th and 97.5th percentile of resampled corpora, about their mean.
    """
    metric = _metrics().BLEU()
    name, value = _scored(metric, "BLEU", predictions, references)
    drawn = metric.corpus_score(list(predictions), [list(references)], n_bootstrap=RESAMPLES)
    mean, half = drawn._mean / 100, drawn._ci / 100
    return Metric(name, value, mean - half, mean + half, f"bootstrap 95 %, {RESAMPLES} resamples, seed {_seed()}", len(references))


def chrf(predictions: Sequence[str], references: Sequence[str]) -> tuple[str, float]:
    """Corpus chrF2 (M. Popović, "chrF: character n-gram F-score", WMT 2015) and its name; an interval would take a minute."""
    return _scored(_metrics().CHRF(), "chrF2", predictions, references)


def _scored(metric: Any, name: str, predictions: Sequence[str], references: Sequence[str]) -> tuple[str, float]:
    if len(predictions) != len(references):
        raise ValueError(f"there are {len(predictions)} predictions and {len(references)} references; give one for one")
    value = metric.corpus_score(list(predictions), [list(references)]).score / 100
    return f"{name} {metric.get_signature().format()}", value


def _seed() -> str:
    import os

    return os.environ.get("SACREBLEU_SEED", "12345")


def _metrics() -> Any:
    try:
        from sacrebleu import metrics
    except ImportError as error:
        raise MissingError(f"BLEU is scored by sacrebleu, which cannot be imported ({error}); install edgebench[metrics]") from error
    return metrics

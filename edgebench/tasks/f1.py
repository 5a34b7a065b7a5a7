"""Spans found and spans there are -> entity F1, by seqeval: a span counts where its start, end and kind are all right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edgebench.errors import MissingError
from edgebench.models.spans import OUTSIDE, Span
from edgebench.tasks.base import Metric
from edgebench.tasks.metrics import bootstrap, f1, matches

RESAMPLES = 1_000
SEED = 20261125


def entity_f1(predictions: Sequence[Sequence[Span]], references: Sequence[Sequence[Span]]) -> Metric:
    """Micro-averaged over all spans, as conlleval has it; precision and recall beside it."""
    if len(predictions) != len(references):
        raise ValueError(f"there are {len(predictions)} predictions and {len(references)} references; give one for one")
    library = _library()
    found, right = _tags(predictions, references), _tags(references, predictions)
    value, precision, recall = (float(score(right, found, zero_division=1)) for score in (library.f1_score, library.precision_score, library.recall_score))
    counts = matches([set(one) for one in predictions], [set(one) for one in references])
    low, high = bootstrap(counts, f1, resamples=RESAMPLES, seed=SEED)
    how = f"bootstrap 95 % over sentences, {RESAMPLES} resamples, seed {SEED}"
    return Metric("entity F1", value, low, high, how, len(references), {"precision": precision, "recall": recall})


def _tags(examples: Sequence[Sequence[Span]], others: Sequence[Sequence[Span]]) -> list[list[str]]:
    """Each example's spans as a BIO tag for each character: what seqeval finds in them are just those spans."""
    return [_row(mine, max((span.end for span in (*mine, *theirs)), default=0)) for mine, theirs in zip(examples, others, strict=True)]


def _row(spans: Sequence[Span], length: int) -> list[str]:
    row = [OUTSIDE] * length
    for span in spans:
        row[span.start : span.end] = [f"B-{span.label}", *[f"I-{span.label}"] * (span.end - span.start - 1)]
    return row


def _library() -> Any:
    try:
        from seqeval import metrics
    except ImportError as error:
        raise MissingError(f"entity F1 is scored by seqeval, which cannot be imported ({error}); install edgebench[metrics]") from error
    return metrics

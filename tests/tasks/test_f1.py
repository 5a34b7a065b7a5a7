"""Entity F1: seqeval's number on character tags, and an interval that is the same each time."""

from __future__ import annotations

import pytest

from edgebench.models.spans import Span, read
from edgebench.tasks.metrics import f1, matches

pytest.importorskip("seqeval", reason="entity F1 is scored by seqeval; install edgebench[metrics]")

from edgebench.tasks.f1 import entity_f1


def test_a_span_counts_where_start_end_and_kind_are_right() -> None:
    right = [read("0:3:person 4:9:place"), read("2:5:group"), []]
    found = [read("0:3:person 4:9:person"), read("2:4:group"), read("0:1:place")]
    metric = entity_f1(found, right)
    assert (metric.value, metric.more) == (pytest.approx(2 * 1 / (4 + 3)), {"precision": pytest.approx(1 / 4), "recall": pytest.approx(1 / 3)})
    assert metric.n == 3


def test_seqeval_finds_the_very_spans_that_are_counted() -> None:
    right = [[Span(at, at + 2, "person"), Span(at + 2, at + 5, "person")] for at in range(30)]  # neighbours of one kind
    found = [[Span(at, at + 2, "person"), Span(at + 2, at + 4 + at % 2, "person")] for at in range(30)]
    counts = matches([set(one) for one in found], [set(one) for one in right]).sum(0)
    assert entity_f1(found, right).value == pytest.approx(f1(counts)) == pytest.approx(0.75)


def test_the_interval_holds_the_score_and_is_the_same_each_time() -> None:
    right = [[Span(0, 2, "person")] for _ in range(50)]
    found = [[Span(0, 2 + (at % 4 == 0), "person")] for at in range(50)]
    metric = entity_f1(found, right)
    assert metric.low < metric.value < metric.high
    assert metric == entity_f1(found, right)


def test_nothing_to_find_and_nothing_found_is_right() -> None:
    assert entity_f1([[], []], [[], []]).value == 1.0
    assert entity_f1([[]], [[Span(0, 1, "person")]]).value == 0.0


def test_one_prediction_for_each_reference() -> None:
    with pytest.raises(ValueError, match="1 predictions and 2 references"):
        entity_f1([[]], [[], []])

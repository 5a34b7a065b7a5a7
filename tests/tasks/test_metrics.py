"""Accuracy and its interval against numbers worked out by hand."""

from __future__ import annotations

import pytest

from edgebench.tasks.base import Metric
from edgebench.tasks.metrics import Z95, accuracy, share, wilson


def test_accuracy_is_the_share_of_equal_labels() -> None:
    metric = accuracy(["a", "b", "a", "a"], ["a", "b", "b", "a"])
    assert (metric.name, metric.value, metric.n, metric.interval) == ("accuracy", 0.75, 4, "Wilson 95 %")


def test_the_interval_of_45_of_50_is_the_one_worked_out_by_hand() -> None:
    # p = 0.9, z^2 = 3.841459, z^2/n = 0.0768292: centre (0.9 + 0.0384146) / 1.0768292 = 0.8714610,
    # half 1.959964 x sqrt(0.0018 + 0.0768292/200) / 1.0768292 = 1.959964 x sqrt(0.002184146) / 1.0768292 = 0.0850633
    low, high = wilson(45, 50)
    assert low == pytest.approx(0.8714610 - 0.0850633, abs=1e-6)
    assert high == pytest.approx(0.8714610 + 0.0850633, abs=1e-6)


def test_the_bounds_are_where_the_score_test_just_accepts() -> None:
    for bound in wilson(803, 872):
        assert abs(803 / 872 - bound) == pytest.approx(Z95 * (bound * (1 - bound) / 872) ** 0.5, rel=1e-9)


def test_none_and_all_correct_still_have_a_width() -> None:
    # with p = 0 the upper bound is z^2 / (n + z^2)
    assert wilson(0, 10) == (0.0, pytest.approx(3.841459 / 13.841459, abs=1e-7))
    assert wilson(10, 10) == (pytest.approx(10 / 13.841459, abs=1e-7), 1.0)


def test_a_share_is_the_same_metric_from_counts() -> None:
    assert share("accuracy", 1, 2) == accuracy([0, 1], [0, 0])
    assert isinstance(share("accuracy", 1, 2), Metric)


def test_more_predictions_than_references_are_refused() -> None:
    with pytest.raises(ValueError, match="there are 2 predictions and 1 references"):
        accuracy([0, 1], [0])


def test_no_examples_have_no_accuracy() -> None:
    with pytest.raises(ValueError, match="give at least one example"):
        accuracy([], [])

"""Wishes become the budgets that the rest of edgebench knows."""

from __future__ import annotations

import pytest

from edgebench.bench.budgets import Budget
from edgebench.bench.wishes import wishes
from edgebench.errors import UsageError


@pytest.mark.parametrize(("text", "budgets"), [
    ("latency 10 ms", [Budget("median", 10e6)]),
    ("memory 100MB, size 5 MB", [Budget("peak", 100e6), Budget("size", 5e6)]),
    ("accuracy 0.9", [Budget("accuracy", 0.9)]),
    ("p90 <= 20 ms", [Budget("p90", 20e6)]),
    ("latency<=20 ms,throughput 3", [Budget("median", 20e6), Budget("throughput", 3.0)]),
])  # fmt: skip
def test_each_part_is_a_budget(text: str, budgets: list[Budget]) -> None:
    assert wishes(text, accuracy=0.5) == budgets


def test_a_loss_is_in_points_below_what_was() -> None:
    latency, accuracy = wishes("latency 10 ms, accuracy -1 %", accuracy=0.903)
    assert accuracy.limit == pytest.approx(0.893)
    assert str(accuracy) == "accuracy >= 89.3 %"
    assert str(latency) == "median <= 10.0 ms"


@pytest.mark.parametrize(("text", "said"), [
    ("latncy 10 ms", "no metric 'latncy'; .* Did you mean 'latency'"), ("latency", "no metric 'latency'|has no limit"), ("latency 10", "is no time"),
    ("latency -1 ms", "is no time"), ("latency >= 10 ms", "expected <="), ("latency 10 ms, median <= 5 ms", "limits median twice"), ("", "no metric ''"),
])  # fmt: skip
def test_what_is_no_wish_is_refused_with_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        wishes(text, accuracy=0.9)

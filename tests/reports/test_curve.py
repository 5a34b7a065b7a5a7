"""A model's curve: which of its points no other beats, and the area under them."""

from __future__ import annotations

import math

import pytest

from edgebench.record import Record
from edgebench.reports.curve import area, curves, told
from tests.reports.conftest import accuracy, cell


def at(point: str, ms: float, right: float, **facts: object) -> Record:
    model = f"elastic@{point}" if point else "fixed"
    return cell("onnxruntime", "int8", ms, accuracy=accuracy(right), spec={"model": model}, **facts)


def test_a_point_that_is_slower_and_no_more_accurate_is_not_on_the_front() -> None:
    (found,) = curves([at("1x1", 8, 0.9), at("1x0.5", 4, 0.8), at("0.5x1", 5, 0.8), at("0.5x0.5", 2, 0.7)])
    assert found.name == "elastic onnxruntime int8"
    assert [one.spec.model for one in found.records] == ["elastic@0.5x0.5", "elastic@1x0.5", "elastic@0.5x1", "elastic@1x1"]
    assert [one.spec.model for one in found.front] == ["elastic@0.5x0.5", "elastic@1x0.5", "elastic@1x1"]


def test_engines_and_fixed_models_have_curves_of_their_own_and_invalid_cells_have_none() -> None:
    found = curves([at("1x1", 8, 0.9), at("", 6, 0.91), at("0.5x1", 5, 0.8), at("0.25x1", 1, 0.99, verdict="invalid")])
    assert [(one.name, len(one.records)) for one in found] == [("elastic onnxruntime int8", 2), ("fixed onnxruntime int8", 1)]


def test_the_area_is_the_mean_of_the_best_accuracy_over_time_limits_on_a_logarithmic_scale() -> None:
    """From 1 to 8 are three doublings: nothing in the first, 0.6 in the second, 0.9 in the last."""
    assert area([(2, 0.6), (4, 0.9)], fastest_ns=1, slowest_ns=4) == pytest.approx((0 + 0.6 + 0.9) / 3)


def test_a_point_that_another_beats_adds_nothing_to_the_area() -> None:
    assert area([(2, 0.6), (3, 0.5), (4, 0.9)], 1, 4) == pytest.approx(area([(2, 0.6), (4, 0.9)], 1, 4))


def test_one_speed_has_an_area_too() -> None:
    assert area([(4, 0.9)], 1, 4) == pytest.approx(0.9 * math.log(2) / math.log(8))


def test_the_areas_are_told_with_their_reference_where_a_model_has_several_speeds() -> None:
    said = told([at("1x1", 4, 0.9), at("0.5x1", 1, 0.6), at("", 4, 0.9)])
    assert "from the fastest cell here to 2 times the slowest" in said
    assert said.endswith("elastic onnxruntime int8 70.0 %, fixed onnxruntime int8 30.0 %.")


def test_nothing_is_told_of_models_of_one_speed() -> None:
    assert told([at("", 4, 0.9)]) == ""

"""Where a record stands under its roof: exact arithmetic, and nothing where something is missing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgebench.record import Record, Roof, Throughput, Work
from edgebench.reports.base import columns
from edgebench.reports.roofline import attainable, bound, placed

Make = Callable[..., Record]
ROOF = Roof(threads=1, ops_per_s={"fp32": 8e9, "int8": 16e9}, bytes_per_s=2e9, method="a test")


def asks(ops: float, size: float, precision: str = "fp32") -> Work:
    return Work(ops=ops, bytes=size, precision=precision, counted="a test")


@pytest.mark.parametrize(("size", "allowed", "by"), [(1e6, 2e9, "memory"), (0.25e6, 8e9, "arithmetic"), (0.1e6, 8e9, "arithmetic")])
def test_the_lower_of_slope_and_peak_is_attainable(size: float, allowed: float, by: str) -> None:
    assert attainable(ROOF, asks(1e6, size)) == allowed
    assert bound(ROOF, asks(1e6, size)) == by


def test_the_peak_is_that_of_the_works_precision() -> None:
    assert attainable(ROOF, asks(1e6, 1, "int8")) == 16e9
    assert attainable(ROOF, asks(1e6, 1, "fp16")) is None


def test_a_share_is_operations_over_the_median_time_over_what_is_attainable(make: Make) -> None:
    found = placed(make("tflite", "fp32", 1, roof=ROOF, work=asks(1e6, 1e6)))
    assert found is not None
    assert (found.intensity, found.achieved, found.attainable, found.share) == (1.0, pytest.approx(1e9), 2e9, pytest.approx(0.5))


def test_a_share_above_one_is_not_cut_off(make: Make) -> None:
    found = placed(make("tflite", "fp32", 1, roof=ROOF, work=asks(4e6, 4e6)))
    assert found is not None
    assert found.share == pytest.approx(2.0)


def test_of_a_query_of_several_inputs_all_count(make: Make) -> None:
    found = placed(make("tflite", "fp32", 1, spec={"batch": 8}, roof=ROOF, work=asks(1e5, 1e5)))
    assert found is not None
    assert found.achieved == pytest.approx(8e8)


@pytest.mark.parametrize("missing", [{"roof": None}, {"work": None}, {"latency": None}, {"throughput": Throughput(per_s=[1.0])}])
def test_without_a_roof_work_or_the_time_of_lone_calls_a_cell_has_no_place(make: Make, missing: dict[str, object]) -> None:
    assert placed(make("tflite", "fp32", 1, **{"roof": ROOF, "work": asks(1e6, 1e6), **missing})) is None


def test_the_column_is_there_only_where_a_record_has_a_place(make: Make) -> None:
    plain, standing = make("tflite", "fp32", 1), make("tflite", "int8", 1, roof=ROOF, work=asks(1e6, 1e6))
    assert "of roof" not in [one.name for one in columns([plain])]
    (column,) = (one for one in columns([plain, standing]) if one.name == "of roof")
    assert [column.text(one) for one in (plain, standing)] == ["–", "50.0 %"]

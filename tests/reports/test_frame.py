"""Data frames and Parquet: the columns of the CSV report, one type each, nothing invented where something is missing."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest

from edgebench.errors import MissingError
from edgebench.record import Record
from edgebench.reports import frame as frames
from edgebench.reports.cells import COLUMNS

Make = Callable[..., Record]


def test_without_pandas_or_pyarrow_the_extra_is_named(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"a data frame needs pandas, which is not installed; install edgebench\[frame\]"):
        frames.frame([make("tflite", "int8", 1)])
    with pytest.raises(MissingError, match=r"a Parquet file needs pyarrow, which is not installed; install edgebench\[frame\]"):
        frames.parquet([make("tflite", "int8", 1)])


def test_a_row_is_a_cell_with_the_columns_of_the_csv(sweep: list[Record]) -> None:
    pytest.importorskip("pandas", reason="install edgebench[frame]")
    found = frames.frame(sweep)
    assert list(found.columns) == list(COLUMNS)
    assert found["verdict"].tolist() == ["valid", "valid", "invalid", "noisy", "failed", "unsupported"]
    assert found["median_ns"].tolist()[:4] == [2_000_000, 1_200_000, 500_000, 1_000_000]
    assert found.loc[found["fastest"] == 1, "precision"].tolist() == ["int8"]


def test_what_was_not_measured_is_missing_and_never_zero(sweep: list[Record]) -> None:
    pytest.importorskip("pandas", reason="install edgebench[frame]")
    found = frames.frame(sweep)
    assert found.loc[4, ["median_ns", "accuracy", "rss_peak_bytes", "length", "energy_j"]].isna().all()
    assert found.loc[3, ["p90_ns"]].isna().all()


def test_a_column_has_one_type_also_where_all_of_it_is_missing(make: Make, sweep: list[Record]) -> None:
    pytest.importorskip("pandas", reason="install edgebench[frame]")
    empty, one, many = (frames.frame(records) for records in ([], [make("tflite", "*", verdict="failed")], sweep))
    assert (empty.dtypes == many.dtypes).all()
    assert (one.dtypes == many.dtypes).all()
    assert {str(kind) for kind in many.dtypes} == {"string", "Int64", "Float64"}


def test_samples_are_every_query_in_order_with_its_process(make: Make) -> None:
    pytest.importorskip("pandas", reason="install edgebench[frame]")
    record = make("tflite", "int8", 1, n=10, id="abc")
    found = frames.samples([record, make("tflite", "int8", verdict="failed")])
    assert record.latency
    assert found["time_ns"].tolist() == record.latency.samples_ns
    assert found["process"].tolist() == [0] * 5 + [1] * 5
    assert found["place"].tolist() == [*range(5), *range(5)]
    assert set(found["id"]) == {"abc"}


def test_parquet_reads_back_as_the_same_frame(sweep: list[Record]) -> None:
    pandas = pytest.importorskip("pandas", reason="install edgebench[frame]")
    pytest.importorskip("pyarrow", reason="install edgebench[frame]")
    pandas.testing.assert_frame_equal(pandas.read_parquet(BytesIO(frames.parquet(sweep))), frames.frame(sweep))

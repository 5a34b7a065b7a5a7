"""Our document beside pytest-benchmark's own statistics and its own reader."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgebench.record import Record
from edgebench.reports.pytest_benchmark import render, stats

pytest_benchmark = pytest.importorskip("pytest_benchmark", reason="its statistics are the oracle; install edgebench[test]")


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 8, 9, 100, 101, 102, 103])
def test_the_statistics_are_pytest_benchmarks(n: int) -> None:
    from pytest_benchmark.stats import Stats

    theirs = Stats()
    data = [random.Random(n).lognormvariate(0, 1) + place % 7 for place in range(n)]
    for one in data:
        theirs.update(one)
    ours, expected = stats(data), theirs.as_dict()
    assert (ours.pop("data"), ours.pop("iterations"), ours.pop("outliers")) == (data, 1, expected.pop("outliers"))
    assert ours == pytest.approx(expected, rel=1e-12)


def test_times_that_are_all_alike_have_no_outliers() -> None:
    found = stats([2.0] * 10)
    assert (found["outliers"], found["iqr"], found["ld15iqr"], found["hd15iqr"], found["ops"]) == ("0;0", 0, 2.0, 2.0, 0.5)


def test_pytest_benchmark_reads_the_file(sweep: list[Record], tmp_path: Path) -> None:
    from pytest_benchmark.logger import Logger
    from pytest_benchmark.storage.file import FileStorage

    (tmp_path / "cells.json").write_text(render(sweep), encoding="utf-8")
    storage: Any = FileStorage(str(tmp_path), Logger(level=1))
    found = list(storage.load_benchmarks(str(tmp_path / "cells.json")))
    names = ("onnxruntime fp32", "onnxruntime int8", "onnxruntime int4", "torchscript fp32")
    assert [one["fullname"] for one in found] == [f"tiny {name} 1 thread" for name in names]
    assert found[0]["median"] == pytest.approx(0.002)


def test_the_document_names_machine_commit_and_what_else_was_measured(make: Callable[..., Record]) -> None:
    host = {"cpu": "Test CPU", "cores": 8, "board": "Desk 1", "machine": "x86_64", "kernel": "6.1", "os": "Linux", "python": "3.11", "commit": "ab"}
    found = json.loads(render([make("x", "int8", 2, host=host)]))
    assert found["machine_info"] == {
        "node": "Desk 1", "processor": "Test CPU", "machine": "x86_64", "python_version": "3.11", "release": "6.1", "system": "Linux",
        "cpu": {"brand_raw": "Test CPU", "count": 8},
    }
    assert (found["commit_info"], found["datetime"]) == ({"id": "ab", "project": "edgebench"}, "2026-01-02T03:04:05Z")
    assert found["benchmarks"][0]["extra_info"] == {"id": "", "verdict": "valid", "peak_bytes": 80_400_000, "accuracy": 0.91}
    assert found["benchmarks"][0]["group"] == "tiny"


def test_of_nothing_there_is_an_empty_document() -> None:
    assert json.loads(render([]))["benchmarks"] == []

"""Records -> the JSON document of pytest-benchmark, for `pytest-benchmark compare` and the services that read it.

Times are in seconds there, and quartiles, fences and outliers are its own: see `Stats` in pytest_benchmark/stats.py
(version 5). A cell without a time is no benchmark and is left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from statistics import fmean, median, stdev
from typing import Any

from edgebench.record import Record
from edgebench.reports import pairs
from edgebench.reports.base import model


def render(records: Sequence[Record]) -> str:
    """One document; the machine is that of the first record, each benchmark's name that of its cell."""
    host = records[0].host if records else {}
    document = {
        "machine_info": _machine(host),
        "commit_info": {"id": host.get("commit"), "project": "edgebench"},
        "benchmarks": [_benchmark(record, samples) for record in records if (samples := [one for part in pairs.series(record) for one in part])],
        "datetime": records[0].started_at if records else "",
        "version": "5.0.0",  # of the format
    }
    return json.dumps(document, ensure_ascii=False) + "\n"


def _machine(host: dict[str, Any]) -> dict[str, Any]:
    return {
        "node": host.get("board"), "processor": host.get("cpu"), "machine": host.get("machine"), "python_version": host.get("python"),
        "release": host.get("kernel"), "system": host.get("os"), "cpu": {"brand_raw": host.get("cpu"), "count": host.get("cores")},
    }


def _benchmark(record: Record, samples_ns: list[float]) -> dict[str, Any]:
    peak, accuracy = record.memory and record.memory.peak_bytes, record.accuracy and record.accuracy.value
    return {
        "group": model(record), "name": record.spec.name, "fullname": record.spec.name, "params": None, "param": None,
        "extra_info": {"id": record.id, "verdict": record.verdict, "peak_bytes": peak, "accuracy": accuracy}, "options": {},
        "stats": stats([one / 1e9 for one in samples_ns]),
    }


def stats(data: list[float]) -> dict[str, Any]:
    """Of at least one time, as pytest-benchmark computes it."""
    ranked, n, mean = sorted(data), len(data), fmean(data)
    spread = stdev(data) if n > 1 else 0.0
    q1, q3 = _quartiles(ranked)
    low, high = q1 - 1.5 * (q3 - q1), q3 + 1.5 * (q3 - q1)
    far, beyond = sum(abs(one - mean) > spread for one in data), sum(not low <= one <= high for one in data)
    return {
        "min": ranked[0], "max": ranked[-1], "mean": mean, "stddev": spread, "rounds": n, "median": median(data), "iqr": q3 - q1, "q1": q1, "q3": q3,
        "iqr_outliers": beyond, "stddev_outliers": far, "outliers": f"{far};{beyond}", "ld15iqr": min(one for one in ranked if one >= low),
        "hd15iqr": max(one for one in ranked if one <= high), "ops": n / sum(data) if sum(data) else 0, "total": sum(data), "iterations": 1, "data": data,
    }


def _quartiles(ranked: list[float]) -> tuple[float, float]:
    """The medians of both halves; of an odd number, a quarter of the way between two neighbours."""
    n = len(ranked)
    if n == 1:
        return ranked[0], ranked[0]
    if n % 2 == 0:
        return median(ranked[: n // 2]), median(ranked[n // 2 :])
    k = n // 4
    if n % 4 == 1:
        return 0.25 * ranked[k - 1] + 0.75 * ranked[k], 0.75 * ranked[3 * k] + 0.25 * ranked[3 * k + 1]
    return 0.75 * ranked[k] + 0.25 * ranked[k + 1], 0.25 * ranked[3 * k + 1] + 0.75 * ranked[3 * k + 2]

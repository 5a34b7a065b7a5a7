"""Records -> comma-separated values in base units, one row and one line for each cell; what is absent is empty."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from io import StringIO
from typing import Any

from edgebench.record import Record
from edgebench.reports.base import fastest, first_answer_ns, interval, timing
from edgebench.units import plain

FORMULA = ("=", "+", "-", "@")  # how a cell begins that a spreadsheet would compute


def render(records: Sequence[Record]) -> str:
    """With a header line; the full samples are in the JSON lines."""
    winners = {id(one) for one in fastest(records)}
    rows = [_row(record, id(record) in winners) for record in records]
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if rows:
        writer.writerow(rows[0])
    for row in rows:
        writer.writerow([_guarded(value) for value in row.values()])
    return out.getvalue()


def _row(record: Record, is_fastest: bool) -> dict[str, Any]:
    spec, time, found, memory, parity = record.spec, timing(record), record.accuracy, record.memory, record.parity
    middle = interval(record)
    return {
        "model": spec.model, "backend": spec.backend, "format": spec.format, "precision": spec.precision, "threads": spec.threads, "length": spec.length,
        "outcome": record.outcome, "verdict": record.verdict, "fastest": int(is_fastest),
        "n": time and time.n, "median_ns": time and time.median, "median_low_ns": middle and round(middle.low), "median_high_ns": middle and round(middle.high),
        "p90_ns": time and time.p90, "p95_ns": time and time.p95, "p99_ns": time and time.p99, "mean_ns": time and time.mean, "cv": time and time.cv,
        "outliers": time and time.outliers, "processes": record.latency and len(record.latency.processes_ns),
        "metric": found and found.metric, "accuracy": found and found.value, "accuracy_low": found and found.low, "accuracy_high": found and found.high,
        "examples": found and found.n, "dataset": found and found.dataset,
        "parity_difference": parity and parity.max_difference, "parity_agreement": parity and parity.agreement,
        "size_bytes": record.artifact.get("size_bytes"), "rss_baseline_bytes": memory and memory.baseline_bytes, "rss_peak_bytes": memory and memory.peak_bytes,
        "first_answer_ns": first_answer_ns(record), "library": record.engine.get("library"), "version": record.engine.get("version"),
        "cpu": record.host.get("cpu"), "seed": spec.seed, "started_at": record.started_at, "id": record.id,
        "reasons": "; ".join(record.reasons), "notes": "; ".join(record.notes),
    }


def _guarded(value: Any) -> Any:
    """Text without line breaks, which csv does not always quote; what would be run as a formula gets an apostrophe in front."""
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text

"""A record -> one flat row in base units: the columns that CSV and data frames share, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from edgebench.bench.budgets import energy_j
from edgebench.record import Record
from edgebench.reports.base import fastest, first_answer_ns, interval, timing
from edgebench.reports.roofline import placed

Read = Callable[[Record], Any]


def rows(records: Sequence[Record]) -> list[dict[str, Any]]:
    """One for each record; what is absent is None."""
    winners = {id(one) for one in fastest(records)}
    return [{name: int(id(record) in winners) if name == "fastest" else COLUMNS[name](record) for name in COLUMNS} for record in records]


def _spec(name: str) -> Read:
    return lambda record: getattr(record.spec, name)


def _of(part: str, name: str) -> Read:
    """A field of a part of the record, if there is that part."""
    return lambda record: getattr(found, name) if (found := getattr(record, part)) else None


def _time(name: str) -> Read:
    return lambda record: getattr(found, name) if (found := timing(record)) else None


def _interval(name: str) -> Read:
    return lambda record: round(getattr(found, name)) if (found := interval(record)) else None


def _per_s(record: Record) -> float | None:
    rates = [one for one in record.throughput.per_s if one is not None] if record.throughput else []
    return median(rates) if rates else None


COLUMNS: dict[str, Read] = {
    "model": _spec("model"), "backend": _spec("backend"), "format": _spec("format"), "precision": _spec("precision"), "threads": _spec("threads"),
    "accelerator": _spec("accelerator"), "scenario": _spec("scenario"), "length": _spec("length"), "batch": _spec("batch"),
    "outcome": lambda one: one.outcome, "verdict": lambda one: one.verdict, "fastest": lambda one: None,  # of all records: see `rows`
    "n": _time("n"), "median_ns": _interval("value"), "median_low_ns": _interval("low"), "median_high_ns": _interval("high"),
    "p90_ns": _time("p90"), "p95_ns": _time("p95"), "p99_ns": _time("p99"), "mean_ns": _time("mean"), "cv": _time("cv"), "outliers": _time("outliers"),
    "processes": lambda one: len(one.latency.processes_ns) if one.latency else None,
    "per_s": _per_s,
    "metric": _of("accuracy", "metric"), "accuracy": _of("accuracy", "value"), "accuracy_low": _of("accuracy", "low"), "accuracy_high": _of("accuracy", "high"),
    "examples": _of("accuracy", "n"), "dataset": _of("accuracy", "dataset"),
    "parity_difference": _of("parity", "max_difference"), "parity_agreement": _of("parity", "agreement"),
    "size_bytes": lambda one: one.artifact.get("size_bytes"), "rss_baseline_bytes": _of("memory", "baseline_bytes"),
    "rss_peak_bytes": _of("memory", "peak_bytes"), "first_answer_ns": first_answer_ns, "energy_j": energy_j,
    "ops": _of("work", "ops"), "work_bytes": _of("work", "bytes"), "of_roof": lambda one: found.share if (found := placed(one)) else None,
    "library": lambda one: one.engine.get("library"), "version": lambda one: one.engine.get("version"),
    "board": lambda one: one.host.get("board"), "cpu": lambda one: one.host.get("cpu"), "usable_cores": lambda one: one.host.get("usable_cores"),
    "seed": _spec("seed"), "started_at": lambda one: one.started_at, "id": lambda one: one.id,
    "reasons": lambda one: "; ".join(one.reasons), "notes": lambda one: "; ".join(one.notes),
}

"""A record with a roof and counted work -> where it stands: what it reaches, and what its roof allows at its intensity.

S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore architectures",
Communications of the ACM 52 (2009) 65-76.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgebench.bench import stats
from edgebench.record import Record, Roof, Work


@dataclass(frozen=True)
class Place:
    """In operations a second. `share` may exceed 1: a model that fits in a cache is not bound by the memory's bandwidth."""

    intensity: float  # operations for each byte
    achieved: float
    attainable: float

    @property
    def share(self) -> float:
        return self.achieved / self.attainable


def intensity(work: Work) -> float:
    """Operations for each byte moved."""
    return work.ops / work.bytes


def attainable(roof: Roof, work: Work) -> float | None:
    """min(peak, intensity x bandwidth), operations a second; None where the roof of the work's precision was not measured."""
    peak = roof.ops_per_s.get(work.precision)
    return min(peak, intensity(work) * roof.bytes_per_s) if peak and work.ops and work.bytes else None


def bound(roof: Roof, work: Work) -> str | None:
    """Which of the two is the lower: "arithmetic" or "memory"."""
    limit = attainable(roof, work)
    return None if limit is None else "arithmetic" if limit == roof.ops_per_s[work.precision] else "memory"


def placed(record: Record) -> Place | None:
    """By the middle of its timed calls. None without a roof, work or a time, and where several calls run at once: the roof is that of one call's threads."""
    processes = [samples for samples in record.latency.processes_ns if samples] if record.latency else []
    if not (record.roof and record.work and processes) or record.throughput:
        return None
    limit = attainable(record.roof, record.work)
    return None if limit is None else Place(intensity(record.work), record.work.ops * record.spec.batch / (stats.interval(processes).value / 1e9), limit)

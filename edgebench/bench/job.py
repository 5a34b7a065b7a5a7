"""Job: one pass over one cell, what a fresh process is given. Answer: the one document it gives back. Both are JSON."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from edgebench import errors
from edgebench.errors import EdgebenchError, WorkerError
from edgebench.record import Accuracy, Cold, Cooling, Energy, Latency, Memory, Roof, Spec, Sustained, Throughput, Work

# "drop": put the files out of the cache before a cold start; "roof": the machine's own limits; "work": the model's operations
Pass = Literal["accuracy", "cold", "drop", "energy", "latency", "memory", "roof", "work"]


class Labels(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the examples should be answered with, and where they come from."""

    labels: list[str]
    dataset: str
    sha256: str
    source: str


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`examples` are the inputs themselves, so that every cell sees the same and a device needs no data."""

    spec: Spec
    part: Pass
    examples: list[Any]
    expected: Labels | None = None  # for the accuracy pass
    file_cache: str = "warm"  # for a cold start: "dropped" where a "drop" just before it left nothing of the files in memory


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An EdgebenchError by the name of its class."""

    kind: str
    message: str


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a pass found, or why it could not."""

    accuracy: Accuracy | None = None
    latency: Latency | None = None
    throughput: Throughput | None = None
    sustained: Sustained | None = None
    cooling: Cooling | None = None
    memory: Memory | None = None
    energy: Energy | None = None
    roof: Roof | None = None
    work: Work | None = None
    dropped: bool | None = None  # whether a "drop" left nothing of the files in memory
    cold: Cold | None = None
    engine: dict[str, Any] = {}
    artifact: dict[str, Any] = {}
    notes: list[str] = []  # what was not measured, and why: they go into the record
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    confined: dict[str, Any] = {}  # what the process could reach: "network", "memory_limit_bytes"
    failure: Failure | None = None


def failure(error: EdgebenchError) -> Failure:
    """An error on its way out of the process."""
    return Failure(type(error).__name__, str(error))


def raised(failure: Failure) -> EdgebenchError:
    """The same error on this side."""
    kind = getattr(errors, failure.kind, None)
    return kind(failure.message) if isinstance(kind, type) and issubclass(kind, EdgebenchError) else WorkerError(failure.message)

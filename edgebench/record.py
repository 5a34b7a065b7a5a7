"""Spec: one cell of a sweep, what crosses to a device. Record: what comes back. Both are JSON, one line each.

Base units throughout (ns, bytes). What was not measured is null with a reason in `notes`, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from edgebench.errors import CardError

SCHEMA = 1

Outcome = Literal["ok", "failed", "unsupported", "skipped"]
Verdict = Literal["valid", "noisy", "invalid", "failed", "unsupported"]


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One cell: which variant of which model, in which engine, with which options, over which inputs."""

    model: str  # a card's name, or the path of a card file
    format: str
    precision: str
    backend: str
    threads: int = 1
    accelerator: str = "cpu"
    profile: str = "host"
    scenario: str = "single-stream"
    length: int | None = None  # tokens per input; null: real sentences at their own lengths
    batch: int = 1
    seed: int = 0
    dataset: str | None = None  # null: the card's own
    examples: int | None = None  # how many labelled examples at most; null: all
    min_runs: int = 50  # timed calls: at least so many, and at least so long
    min_time_s: float = 2.0
    passes: tuple[str, ...] = ("accuracy", "latency", "memory", "cold")
    allow_code: bool = False
    timeout_s: float = 300.0  # for each pass

    @property
    def name(self) -> str:
        length = f" {self.length} tokens" if self.length else ""
        return f"{self.model} {self.backend} {self.precision} {self.threads} threads{length}"


class Latency(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Steady state of whole pipeline calls, warm-up excluded; `samples_ns` holds every timed call in order."""

    samples_ns: list[int]
    warm_up_ns: list[int]
    stages_ns: dict[str, list[int]]  # per stage, of separate calls through `Pipeline.stages`; they sum to those calls
    tokens: list[int] | None  # input length of each sample in tokens, where the task has them


class Cold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One fresh process, its phases in order from its start; the sum is the time to the first answer."""

    process_start_ns: int  # fork to the first line of the worker
    import_ns: int
    load_ns: int
    first_answer_ns: int
    total_ns: int
    file_cache: str  # "warm": files were read before in this sweep


class Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A process of its own. `peak_bytes` is the kernel's high-water mark of resident memory, nothing subtracted."""

    baseline_bytes: int  # resident with the engine imported, nothing loaded
    loaded_bytes: int
    first_answer_bytes: int
    peak_bytes: int
    method: str  # e.g. "VmHWM"


class Accuracy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Score on labelled data by the same pipeline call that was timed. 95 % interval low..high, method named."""

    metric: str
    value: float
    low: float
    high: float
    interval: str
    n: int
    dataset: str
    dataset_sha256: str
    dataset_source: str
    predictions: list[str]
    probabilities: list[list[float]]


class Parity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Against the reference engine and variant on the same inputs."""

    reference: str
    n: int
    max_difference: float
    agreement: float


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What came of one Spec. `reasons` explain a verdict other than valid; `notes` say what is null and why."""

    schema: int = SCHEMA
    spec: Spec
    outcome: Outcome
    verdict: Verdict
    reasons: list[str] = []
    notes: list[str] = []
    latency: Latency | None = None
    cold: Cold | None = None
    memory: Memory | None = None
    accuracy: Accuracy | None = None
    parity: Parity | None = None
    engine: dict[str, Any] = {}  # a session's Facts
    artifact: dict[str, Any] = {}  # file, sha256, size_bytes
    host: dict[str, Any] = {}
    started_at: str = ""  # UTC, ISO 8601
    id: str = ""


def to_json(record: Record) -> bytes:
    """One line, without the newline."""
    return msgspec.json.encode(record)


def read_lines(path: Path) -> list[Record]:
    """Every record of a JSON-lines file; CardError names the line that is none."""
    records = []
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            records.append(msgspec.json.decode(line, type=Record))
        except msgspec.DecodeError as error:
            raise CardError(f"{path} line {number} is no record of schema {SCHEMA}: {error}; delete that line, or measure again") from error
    return records


def write_lines(records: Iterable[Record]) -> bytes:
    """The records as JSON lines."""
    return b"".join(to_json(record) + b"\n" for record in records)

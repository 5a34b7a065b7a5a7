"""Spec: one cell of a sweep, what crosses to a device. Record: what comes back. Both are JSON, one line each.

Base units throughout (ns, bytes). What was not measured is null with a reason in `notes`, never 0.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

import msgspec

from edgebench.errors import CardError, EdgebenchError

SCHEMA = 1

Outcome = Literal["ok", "failed", "unsupported", "skipped"]
Verdict = Literal["valid", "noisy", "invalid", "failed", "unsupported"]


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One cell: which variant of which model, in which engine, with which options, over which inputs."""

    model: str  # a card's name, or the path of a card file
    format: str
    precision: str  # "*" in a row that stands for every variant, e.g. of an engine that is not installed
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
    processes: int = 2  # fresh processes that time this cell, in turn with the other cells
    min_runs: int = 50  # timed calls in each process: at least so many, and at least so long
    min_time_s: float = 2.0
    warm_up_cap_s: float = 10.0  # then a warm-up that does not settle ends
    passes: tuple[str, ...] = ("accuracy", "latency", "memory", "cold")
    allow_code: bool = False
    timeout_s: float = 300.0  # for each pass

    @property
    def name(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.model} {self.backend} {self.precision} {threads}{f' {self.length} tokens' if self.length else ''}"


class Latency(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Steady state of whole pipeline calls, every timed call in order, one list for each process; warm-up is apart."""

    processes_ns: list[list[int]]
    warm_up_ns: list[list[int]]
    tokens: list[list[int]] | None  # input length of each timed call, where the task has lengths
    stages_ns: dict[str, list[int]]  # per stage, of separate calls through `Pipeline.stages`; they sum to those calls
    clock: str = "perf_counter"
    garbage_collector: str = "off"  # while timing

    @property
    def samples_ns(self) -> list[int]:
        """All processes' calls, one process after the other."""
        return [sample for samples in self.processes_ns for sample in samples]


class Cold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One fresh process, its phases in order from its start; the sum is the time to the first answer."""

    process_start_ns: int  # before the fork to the first line of the worker
    import_ns: int  # edgebench, the task's and the engine's libraries
    load_ns: int  # digests, tokenizer, session
    first_answer_ns: int
    total_ns: int
    file_cache: str = "warm"  # these files were read before in this sweep


class Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A process of its own. `peak_bytes` is the kernel's high-water mark of resident memory, nothing subtracted."""

    baseline_bytes: int  # resident with the engine imported, nothing loaded
    loaded_bytes: int
    first_answer_bytes: int
    peak_bytes: int
    runs: int  # real inputs answered before the peak was read
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
    cold: list[Cold] = []  # taken at the start of every timing process, before its warm-up
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
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise CardError(f"{path} cannot be read: {error.strerror}; name a file of records, as `edgebench bench -o` writes it") from error
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(_record(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CardError(f"{path} line {number} is no record of schema {SCHEMA}: {error}; delete that line, or measure again") from error
    return records


def write_lines(records: Iterable[Record]) -> bytes:
    """The records as JSON lines."""
    return b"".join(to_json(record) + b"\n" for record in records)


def append(path: Path, record: Record) -> None:
    """Add one line, on the disk before this returns. A line that a crash cut short stays apart from it."""
    with _writing(path), path.open("a+b") as file:
        if file.tell() and _last_byte(file) != b"\n":
            file.write(b"\n")
        file.write(to_json(record) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def check_writable(path: Path) -> None:
    """Raise now what `append` would raise after the first cell was measured. Makes the folder, leaves no file."""
    with _writing(path):
        is_new = not path.exists()
        path.open("ab").close()
        if is_new:
            path.unlink()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """With the folder of `path` made, and an error in our own words."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise EdgebenchError(f"a record cannot be written to {path}: {error.strerror}; name another file with -o, or make room") from error


def _record(line: bytes) -> Record:
    record = msgspec.json.decode(line, type=Record)
    if record.schema != SCHEMA:
        raise msgspec.ValidationError(f"its schema is {record.schema}")
    return record


def _last_byte(file: IO[bytes]) -> bytes:
    file.seek(-1, os.SEEK_END)
    return file.read(1)

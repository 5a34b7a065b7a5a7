"""Spec: one cell of a sweep, what crosses to a device. Record: what comes back. Both are JSON, one line each.

Base units throughout (ns, bytes). What was not measured is null with a reason in `notes`, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from edgebench import lines
from edgebench.errors import CardError, EdgebenchError

SCHEMA = 1

Outcome = Literal["ok", "failed", "unsupported", "skipped"]
Verdict = Literal["valid", "noisy", "invalid", "failed", "unsupported"]
Rules = Literal["edgebench", "loadgen", "mlperf"]


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One cell: which variant of which model, in which engine, with which options, over which inputs."""

    model: str  # a card's name, or the path of a card file
    format: str
    precision: str  # "*" in a row that stands for every variant, e.g. of an engine that is not installed
    backend: str
    threads: int = 1
    accelerator: str = "cpu"
    require: str = "any"  # "full": a node that the accelerator does not take is an error
    profile: str = "host"
    scenario: str = "single-stream"  # a name in edgebench.bench.scenarios
    length: int | None = None  # tokens per input; null: real sentences at their own lengths
    batch: int = 1  # inputs in one query
    rate_hz: float | None = None  # server: queries a second to offer; null: the highest rate that holds is looked for
    bound_ns: int | None = None  # server: what the latency of 99 % of the queries must not exceed; null: 10 medians of a lone call
    rules: Rules = "edgebench"  # "mlperf": LoadGen's minimum counts and durations stand in min_runs and min_time_s; "loadgen": it sends the queries too
    seed: int = 0
    dataset: str | None = None  # null: the card's own
    examples: int | None = None  # how many labelled examples at most; null: all
    processes: int = 3  # fresh processes that time this cell, in turn with the other cells: at least so many,
    max_processes: int = 6  # and more, up to so many, while the interval over processes is too wide
    min_runs: int = 50  # timed queries in each process: at least so many, and at least so long
    min_time_s: float = 2.0
    warm_up_cap_s: float = 10.0  # then a warm-up that does not settle ends
    cool_to_c: float | None = None  # before timing wait until the hottest sensor is at most this warm; null: do not wait
    cool_cap_s: float = 120.0  # but not longer than this
    meter: str | None = None  # energy: a CSV file that an external meter writes; null: what the machine itself has
    passes: tuple[str, ...] = ("accuracy", "latency", "memory", "cold")
    allow_code: bool = False
    timeout_s: float = 300.0  # for each pass

    @property
    def name(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        scenario = f" {self.scenario}" if self.scenario != "single-stream" else ""
        where = f" on {self.accelerator}" if self.accelerator != "cpu" else ""
        return f"{self.model} {self.backend} {self.precision} {threads}{where}{f' {self.length} tokens' if self.length else ''}{scenario}"


class Latency(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Steady state of whole queries, every timed one in order, one list for each process; warm-up is apart.

    A query is one pipeline call, or one `batch` of `Spec.batch` inputs; under the server scenario it lasts from its
    scheduled arrival to its answer, queueing included.
    """

    processes_ns: list[list[int]]
    warm_up_ns: list[list[int]]
    settled: list[bool] = []  # whether each process's warm-up settled before its cap
    tokens: list[list[int]] | None  # of each timed input in order, `Spec.batch` to a query (offline: of one round, all are alike), where the task has lengths
    stages_ns: dict[str, list[int]]  # per stage, of separate calls through `Pipeline.stages`; they sum to those calls
    clock: str = "perf_counter"
    garbage_collector: str = "off"  # while timing
    calls: int = 1  # how many calls of one input each sample is the mean of: more than 1 where the clock is coarse, as in browsers

    @property
    def samples_ns(self) -> list[int]:
        """All processes' calls, one process after the other."""
        return [sample for samples in self.processes_ns for sample in samples]


class Cold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One fresh process, its phases in order from its start; the sum is the time to the first answer."""

    process_start_ns: int  # before the exec to the first line of the worker
    import_ns: int  # edgebench, the task's and the engine's libraries
    load_ns: int  # digests, tokenizer, session
    first_answer_ns: int
    total_ns: int
    file_cache: str = "warm"  # "warm": these files were read before in this sweep; "dropped": none of them was in memory


class Cooling(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long a timing process waited for the device to cool, before its warm-up."""

    from_c: float
    to_c: float
    waited_s: float
    reached: bool  # false: it was still too warm at the cap


class Trial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Server: queries offered at one rate. `latency_ns` is None where too few of them support the percentile."""

    rate_hz: float
    queries: int
    late: int  # how many exceeded the bound
    latency_ns: int | None  # the 99th percentile, counted from the scheduled arrivals
    holds: bool


class Throughput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much a process answers in a second: all at once (offline), or as queries that arrive by themselves (server)."""

    per_s: list[float | None]  # one for each process: inputs a second; server: the highest rate that held, null where none did
    inputs: int | None = None  # offline: in each round
    rounds_ns: list[list[int]] = []  # offline: every round of each process
    bound_ns: int | None = None  # server
    percentile: float | None = None
    workers: int | None = None  # calls that may run at once
    trials: list[list[Trial]] = []  # server: every rate that was offered, in order, for each process


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A few seconds of a sustained run."""

    at_ns: int  # its end, since the first timed call
    runs: int
    median_ns: int
    temp_c: float | None
    freq_hz: int | None
    throttled: bool | None  # as the machine itself says; null where it does not


class Sustained(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Minutes of calls without a pause, window by window, for each process; the calls themselves are in `Latency`."""

    processes: list[list[Window]]


class Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A process of its own. `peak_bytes` is the kernel's high-water mark of resident memory, nothing subtracted."""

    baseline_bytes: int  # resident with the engine imported, nothing loaded
    loaded_bytes: int
    first_answer_bytes: int
    peak_bytes: int
    runs: int  # real inputs answered before the peak was read
    method: str  # of the peak, e.g. "VmHWM"
    series_bytes: list[int] = []  # resident after each of those runs: what a leak is judged by
    pss_bytes: dict[str, int] | None = None  # "baseline", "loaded", "first_answer", "runs": shared pages divided among their users


class Energy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A process of its own. What the meter counted while calls ran, and while the same process slept before them."""

    method: str  # "rapl", "battery_gauge" or "meter_file"
    scope: str  # what the meter sees, e.g. "package-0", "whole device"
    idle_j: float
    idle_s: float
    run_j: float
    run_s: float
    runs: int  # calls made meanwhile


class Roof(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What this machine reaches with so many threads, measured here."""

    threads: int
    ops_per_s: dict[str, float]  # by precision, "fp32" and "int8"; a multiplication and an addition are two
    bytes_per_s: float  # memory bandwidth of a stream that fits in no cache
    method: str


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one input asks of the machine, counted from the model's file: the mean over the inputs as they are timed."""

    ops: float  # a multiplication and an addition are two
    bytes: float  # weights read and activations written and read, each once
    precision: str  # of the arithmetic that most operations are done in: which roof holds
    counted: str  # from what


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
    more: dict[str, float] = {}  # scores told beside it, e.g. "top-5"
    references: list[str] = []  # what each should have been: two records over the same examples are compared answer by answer


class Parity(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Against the reference engine and variant on the same inputs."""

    reference: str
    n: int
    max_difference: float
    agreement: float


class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, weakref=True):
    """What came of one Spec. `reasons` explain a verdict other than valid; `notes` say what is null and why."""

    schema: int = SCHEMA
    spec: Spec
    outcome: Outcome
    verdict: Verdict
    cause: str | None = None  # of what failed, in one word: a class of `edgebench.errors` has it, e.g. "crashed", "timeout", "refused"
    reasons: list[str] = []
    notes: list[str] = []
    latency: Latency | None = None
    cold: list[Cold] = []  # taken at the start of every timing process, before its warm-up
    cooling: list[Cooling] = []
    throughput: Throughput | None = None
    sustained: Sustained | None = None
    memory: Memory | None = None
    energy: Energy | None = None
    roof: Roof | None = None
    work: Work | None = None
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
    """Every record of a JSON-lines file, without half a line that a crash left at its end; CardError names a line that is none."""
    try:
        found = lines.read(path)
    except OSError as error:
        raise CardError(f"{path} cannot be read: {error.strerror}; name a file of records, as `edgebench bench -o` writes it") from error
    records = []
    for number, line in enumerate(found, start=1):
        try:
            records.append(_record(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CardError(f"{path} line {number} is no record of schema {SCHEMA}: {error}; delete that line, or measure again") from error
    return records


def write_lines(records: Iterable[Record]) -> bytes:
    """The records as JSON lines."""
    return b"".join(to_json(record) + b"\n" for record in records)


def append(path: Path, record: Record) -> None:
    """Add one line, whole or not at all, on the disk before this returns."""
    with writing(path):
        lines.append(path, to_json(record))


def check_writable(path: Path) -> None:
    """Raise now what `append` would raise after the first cell was measured. Makes the folder, leaves no file."""
    with writing(path):
        is_new = not path.exists()
        path.open("ab").close()
        if is_new:
            path.unlink()


@contextmanager
def writing(path: Path) -> Iterator[None]:
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
    size = record.artifact.get("size_bytes")
    if size is not None and (type(size) is not int or size < 0):
        raise msgspec.ValidationError(f"its artifact.size_bytes is {size!r}")
    return record

"""What a budget's text means, and what is said of a cell that does not keep it."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from edgebench.bench.budgets import METRICS, Budget, all_broken, broken
from edgebench.errors import UsageError
from edgebench.record import Accuracy, Cold, Energy, Latency, Memory, Parity, Record, Spec, Throughput

MS = 1_000_000
SPEC = Spec(model="tiny", format="onnx", precision="int8", backend="onnxruntime")


def latency(*processes: list[int]) -> Latency:
    return Latency(processes_ns=list(processes), warm_up_ns=[], tokens=None, stages_ns={})


def cold(total_ns: int) -> Cold:
    return Cold(process_start_ns=0, import_ns=0, load_ns=0, first_answer_ns=0, total_ns=total_ns)


def accuracy(value: float) -> Accuracy:
    return Accuracy(
        metric="accuracy", value=value, low=value - 0.02, high=value + 0.02, interval="Wilson 95 %", n=872, dataset="sst2", dataset_sha256="",
        dataset_source="", predictions=[], probabilities=[],
    )


def record(**facts: Any) -> Record:
    """Measured in full: 100 calls of 1 to 100 ms in two processes, 80 MB at most, 91 % right."""
    times = [place * MS for place in range(1, 101)]
    measured: dict[str, Any] = {
        "latency": latency(times[::2], times[1::2]), "cold": [cold(300 * MS), cold(100 * MS), cold(200 * MS)], "accuracy": accuracy(0.91),
        "memory": Memory(baseline_bytes=1, loaded_bytes=60_000_000, first_answer_bytes=1, peak_bytes=80_000_000, runs=150, method="VmHWM",
                         series_bytes=[*range(0, 500_000, 10_000), *range(500_000, 700_000, 2_000)]),
        "parity": Parity(reference="fp32", n=872, max_difference=0.1, agreement=0.99), "artifact": {"size_bytes": 15_000_000},
        "throughput": Throughput(per_s=[90.0, 110.0, 100.0]),
        "energy": Energy(method="rapl", scope="package-0", idle_j=10.0, idle_s=5.0, run_j=30.0, run_s=10.0, runs=100),
    }
    return Record(**{"spec": SPEC, "outcome": "ok", "verdict": "valid", **measured, **facts})


def said(text: str, **facts: Any) -> list[str]:
    return broken(record(**facts), [Budget.parse(text)])


# the language


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("p90 <= 50 ms", Budget("p90", 50e6)), ("p90<=50ms", Budget("p90", 50e6)), ("  peak  <= 200 MB ", Budget("peak", 200e6)),
        ("accuracy >= 0.9", Budget("accuracy", 0.9)), ("accuracy >= 90 %", Budget("accuracy", 0.9)), ("first-answer <= 1 s", Budget("first-answer", 1e9)),
        ("throughput >= 100 /s", Budget("throughput", 100)), ("energy <= 3 mJ", Budget("energy", 0.003)),
    ],
)
def test_a_budget_is_a_metric_an_operator_and_a_limit_with_its_unit(text: str, budget: Budget) -> None:
    assert Budget.parse(text) == budget


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "budget '' is not a metric, <= or >=, and a limit; write e.g. 'p90 <= 50 ms'"),
        ("p90", "is not a metric"), ("p90 50 ms", "is not a metric"), ("<= 50 ms", "is not a metric"), ("p90 <=", "is not a metric"),
        ("p91 <= 5 ms", "budget 'p91 <= 5 ms': there is no metric 'p91'; there are median, p90, p95, p99, first-answer, throughput, "),
        ("acuracy >= 0.9", "Did you mean 'accuracy'?"),
        ("accuracy <= 0.9", "budget 'accuracy <= 0.9': expected >=; write 'accuracy >= 0.9'"),
        ("p90 < 50 ms", "budget 'p90 < 50 ms': expected <=; write 'p90 <= 50 ms'"),
        ("p90 <= 50", "budget 'p90 <= 50': '50' is no time; give a number and its unit: ns, µs, ms, s, us"),
        ("peak <= 50 ms", "'50 ms' is no size"),
        ("accuracy >= 90", "budget 'accuracy >= 90': a share is at most 1; write 'accuracy >= 90 %', if that is what you mean"),
    ],
)
def test_a_budget_that_is_none_says_what_is_wrong_and_what_to_write(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=re.escape(why)):
        Budget.parse(text)


@pytest.mark.parametrize("name", METRICS)
def test_a_budget_as_text_is_read_back(name: str) -> None:
    budget = Budget(name, 0.5)
    assert Budget.parse(str(budget)).metric == name


# what is broken


@pytest.mark.parametrize(
    "text",
    [
        "median <= 50.5 ms", "p90 <= 90 ms", "first-answer <= 200 ms", "throughput >= 100 /s", "loaded <= 60 MB", "peak <= 80 MB", "leak <= 2 kB",
        "size <= 15 MB", "accuracy >= 0.91", "parity >= 99 %", "energy <= 100 mJ",
    ],
)
def test_what_is_just_at_its_limit_is_kept(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("median <= 50 ms", "median is 50.5 ms, 498 µs (1.0 %) over the 50.0 ms of its budget"),
        ("p90 <= 60 ms", "p90 is 90.0 ms, 30.0 ms (50.0 %) over the 60.0 ms of its budget"),
        ("first-answer <= 100 ms", "first-answer is 200 ms, 100 ms (100.0 %) over the 100 ms of its budget"),
        ("throughput >= 125 /s", "throughput is 100 /s, 25.0 /s (20.0 %) below the 125 /s of its budget"),
        ("loaded <= 50 MB", "loaded is 60.0 MB, 10.0 MB (20.0 %) over the 50.0 MB of its budget"),
        ("peak <= 50 MB", "peak is 80.0 MB, 30.0 MB (60.0 %) over the 50.0 MB of its budget"),
        ("leak <= 1 kB", "leak is 2.00 kB, 1.00 kB (100.0 %) over the 1.00 kB of its budget"),
        ("size <= 0 B", "size is 15.0 MB, 15.0 MB over the 0 B of its budget"),
        ("accuracy >= 0.92", "accuracy is 91.0 %, 1.0 points below the 92.0 % of its budget (n = 872, its 95 % interval 89.0 % to 93.0 %)"),
        ("parity >= 1", "parity is 99.0 %, 1.0 points below the 100.0 % of its budget"),
        ("energy <= 50 mJ", "energy is 100 mJ, 50.0 mJ (100.0 %) over the 50.0 mJ of its budget"),
    ],
)
def test_what_is_beyond_its_limit_says_by_how_much(text: str, sentence: str) -> None:
    assert said(text) == [sentence]


def test_a_percentile_that_the_calls_cannot_support_is_broken_however_high_its_limit() -> None:
    assert said("p99 <= 99 s") == ["p99 <= 99.0 s cannot be shown: it needs 662 calls, there are 100; measure longer, e.g. with --full"]


@pytest.mark.parametrize(
    ("text", "gone", "why"),
    [
        ("median <= 1 s", {"latency": None}, "the time was not measured"), ("p90 <= 1 s", {"latency": None}, "the time was not measured"),
        ("first-answer <= 9 s", {"cold": []}, "no cold start was measured"), ("peak <= 9 GB", {"memory": None}, "memory was not measured"),
        ("loaded <= 9 GB", {"memory": None}, "memory was not measured"), ("leak <= 9 GB", {"memory": None}, "memory was not read after enough answers"),
        ("size <= 9 GB", {"artifact": {}}, "the file's size is not in the record"),
        ("accuracy >= 0", {"accuracy": None}, "it was not measured"), ("parity >= 0", {"parity": None}, "it was not measured"),
        ("energy <= 9 J", {"energy": None}, "it was not measured"), ("energy <= 9 J", {"energy": None, "notes": ["x", "energy: no meter"]}, "no meter"),
        ("throughput >= 0", {"throughput": None}, "scenario 'single-stream' measures none; take offline or server"),
        ("throughput >= 0", {"throughput": Throughput(per_s=[1.0, None])}, "in 1 of 2 processes no rate held"),
    ],
)
def test_what_was_not_measured_cannot_be_shown(text: str, gone: dict[str, Any], why: str) -> None:
    (sentence,) = said(text, **gone)
    assert sentence == f"{Budget.parse(text)} cannot be shown: {why}"


@pytest.mark.parametrize(("outcome", "verdict"), [("ok", "invalid"), ("failed", "failed"), ("unsupported", "unsupported")])
def test_a_cell_that_went_wrong_keeps_no_budget(outcome: str, verdict: str) -> None:
    assert said("peak <= 9 GB", outcome=outcome, verdict=verdict, reasons=["a", "b"]) == [f"{verdict}: a; b"]
    assert broken(record(outcome=outcome, verdict=verdict), []) == []


def test_a_noisy_cell_is_held_to_its_numbers() -> None:
    assert said("peak <= 80 MB", verdict="noisy", reasons=["restless"]) == []


def test_of_a_sweep_every_cell_that_was_measured_is_named_with_what_it_breaks() -> None:
    other = record(spec=msgspec.structs.replace(SPEC, backend="tflite"), accuracy=accuracy(0.8))
    missing = record(outcome="unsupported", verdict="unsupported")
    found = all_broken([record(), other, missing], [Budget.parse("accuracy >= 0.9"), Budget.parse("peak <= 70 MB")])
    assert [one.partition(" is ")[0] for one in found] == [
        "tiny onnxruntime int8 1 thread: peak", "tiny tflite int8 1 thread: accuracy", "tiny tflite int8 1 thread: peak",
    ]

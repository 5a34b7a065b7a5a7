"""Records made by hand: one sweep with every verdict, and a function for single cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from edgebench.record import Accuracy, Cold, Energy, Latency, Memory, Parity, Record, Roof, Spec, Sustained, Throughput, Trial, Window, Work

MILLISECOND = 1_000_000
HOST = {"cpu": "Test CPU", "usable_cores": 4}


def latency(ms: float, n: int = 100) -> Latency:
    """`n` calls in two processes, each of `ms` but the slowest fifth, which take twice as long."""
    samples = [int(ms * MILLISECOND * (2 if place % 5 == 4 else 1)) for place in range(n)]
    return Latency(processes_ns=[samples[: n // 2], samples[n // 2 :]], warm_up_ns=[[1], [1]], tokens=[[5, 60], [7]], stages_ns={})


def accuracy(value: float) -> Accuracy:
    return Accuracy(
        metric="accuracy", value=value, low=value - 0.02, high=value + 0.018, interval="Wilson 95 %", n=872, dataset="sst2", dataset_sha256="00",
        dataset_source="a test", predictions=[], probabilities=[],
    )


def cell(
    backend: str, precision: str, ms: float | None = None, *, verdict: Any = "valid", n: int = 100, spec: dict[str, Any] | None = None, **facts: Any
) -> Record:
    """A record of the model "tiny"; measured in full where a time is given."""
    if ms is not None:
        facts = {
            "latency": latency(ms, n), "accuracy": accuracy(0.91),
            "cold": [Cold(process_start_ns=0, import_ns=0, load_ns=0, first_answer_ns=0, total_ns=123 * MILLISECOND)],
            "memory": Memory(baseline_bytes=50_000_000, loaded_bytes=0, first_answer_bytes=0, peak_bytes=80_400_000, runs=50, method="VmHWM"),
            "parity": Parity(reference="onnxruntime onnx/fp32", n=872, max_difference=0.01, agreement=0.995), "artifact": {"size_bytes": 14_600_000},
            "engine": {"library": backend, "version": "1.2"}, "host": HOST, "started_at": "2026-01-02T03:04:05Z", **facts,
        }
    made: dict[str, Any] = {"model": "tiny", "format": "onnx", "precision": precision, "backend": backend, **(spec or {})}
    return Record(spec=Spec(**made), outcome="ok" if verdict in ("valid", "noisy", "invalid") else verdict, verdict=verdict, **facts)


def full(backend: str, precision: str, ms: float, **facts: Any) -> Record:
    """A record that holds one of everything a plot is drawn from, in round numbers that follow `ms`."""
    window = {"temp_c": 50.0, "freq_hz": 2_400_000_000}
    return cell(backend, precision, ms, **{
        "latency": msgspec.structs.replace(latency(ms), stages_ns={"tokenise": [100_000, 300_000], "run": [900_000], "decode": [50_000]}),
        "cold": [
            Cold(process_start_ns=10, import_ns=20, load_ns=30, first_answer_ns=40, total_ns=100),
            Cold(process_start_ns=30, import_ns=40, load_ns=50, first_answer_ns=80, total_ns=200),
        ],
        "memory": Memory(baseline_bytes=50_000_000, loaded_bytes=60_000_000, first_answer_bytes=70_000_000, peak_bytes=80_400_000, runs=50, method="VmHWM"),
        "sustained": Sustained(processes=[[
            Window(at_ns=5_000_000_000, runs=9, median_ns=1_000_000, throttled=None, **window),
            Window(at_ns=10_000_000_000, runs=9, median_ns=1_500_000, throttled=True, **window),
        ]]),
        "energy": Energy(method="rapl", scope="package-0", idle_j=1, idle_s=1, run_j=3, run_s=1, runs=4),
        "roof": Roof(threads=1, ops_per_s={"fp32": 8e9, "int8": 16e9}, bytes_per_s=2e9, method="a test"),
        "work": Work(ops=1e6, bytes=1e6, precision="fp32", counted="a test"),
        **facts,
    })  # fmt: skip


def rated(backend: str, rates: list[float | None], **facts: Any) -> Record:
    """A server's record: what its processes held, and three trials of the first."""
    trials = [
        Trial(rate_hz=100, queries=700, late=0, latency_ns=8_000_000, holds=True), Trial(rate_hz=200, queries=700, late=90, latency_ns=90_000_000, holds=False),
        Trial(rate_hz=400, queries=30, late=30, latency_ns=None, holds=False),
    ]
    throughput = Throughput(per_s=rates, bound_ns=50_000_000, percentile=0.99, workers=2, trials=[trials])
    return full(backend, "int8", 2, throughput=throughput, spec={"scenario": "server", "bound_ns": 50_000_000}, **facts)


@pytest.fixture
def make() -> Callable[..., Record]:
    return cell


@pytest.fixture
def sweep() -> list[Record]:
    """Every verdict once; the noisy and the invalid cell are faster than the fastest valid one."""
    return [
        cell("onnxruntime", "fp32", 2, parity=Parity(reference="onnxruntime onnx/fp32", n=872, max_difference=0, agreement=1)),
        cell("onnxruntime", "int8", 1.2, notes=["sst2: 872 of 67349 examples"]),
        cell("onnxruntime", "int4", 0.5, verdict="invalid", reasons=["accuracy is lost", "answers differ"], accuracy=accuracy(0.6)),
        cell("torchscript", "fp32", 1, verdict="noisy", n=60, reasons=["the median lies anywhere"]),
        cell("torchscript", "int8", verdict="failed", reasons=["the process was killed by SIGSEGV"]),
        cell("tflite", "*", verdict="unsupported", reasons=["backend 'tflite' needs ai-edge-litert, which is not installed; install edgebench[tflite]"]),
    ]

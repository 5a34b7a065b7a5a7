"""Records made by hand: one sweep with every verdict, and a function for single cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from edgebench.record import Accuracy, Cold, Latency, Memory, Parity, Record, Spec

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

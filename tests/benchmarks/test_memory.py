"""The peak that a memory process records, beside the kernel's own figure for that very process."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

import edgebench
from edgebench.bench.job import Answer, Job
from edgebench.bench.plan import Ask, plan
from edgebench.plugins import get

from .conftest import LAUNCHER, MODEL

pytestmark = pytest.mark.benchmark_figures

TEXTS = ["a gripping film", "not worth the ticket", "it 's a charming and often affecting journey ."]
TIMES = 6


def peaks(job: Job, answer: Path) -> tuple[int, int]:
    """Of one worker that a small process starts and reaps: the peak it recorded, and the one of `os.wait4`, in bytes."""
    worker = [sys.executable, "-m", "edgebench.bench.worker", str(answer), str(time.monotonic_ns())]
    launched = subprocess.run([sys.executable, "-I", "-S", "-c", LAUNCHER, *worker], input=msgspec.json.encode(job), capture_output=True, check=True)
    _, kernels, status = launched.stdout.split()
    found = msgspec.json.decode(answer.read_bytes(), type=Answer)
    assert (status, found.failure) == (b"0", None)
    assert found.memory is not None
    return found.memory.peak_bytes, int(kernels) * 1024


@pytest.mark.parametrize("backend", ["onnxruntime", "tflite", "torchscript"])
def test_a_recorded_peak_is_the_kernels(backend: str, card_path: Path, tmp_path: Path, figure: Callable[..., None]) -> None:
    try:
        get("backends", backend).version()
    except edgebench.EdgebenchError as error:
        pytest.skip(str(error))
    for spec in plan(Ask(models=(MODEL,), backends=(backend,))).cells:
        pairs = [peaks(Job(spec=spec, part="memory", examples=TEXTS), tmp_path / f"{place}.json") for place in range(TIMES)]
        ratios = [ours / kernels for ours, kernels in pairs]
        low, _, high = statistics.quantiles(ratios, n=4)
        megabytes = round(statistics.median(ours for ours, _ in pairs) / 1e6)
        figure(
            f"recorded peak / the kernel's, {spec.backend} {spec.precision}", statistics.median(ratios), "1 within 2 %", n=TIMES,
            quartiles=(round(low, 4), round(high, 4)), recorded_mb=megabytes,
        )
        assert all(abs(one - 1) <= 0.02 for one in ratios)

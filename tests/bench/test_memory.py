"""The memory pass: its stages in this process, and its peak in a process of its own beside the kernel's books on that child."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edgebench.bench import memory, probes
from edgebench.bench.job import Answer, Job
from edgebench.devices.local import LocalExecutor
from edgebench.devices.profile import Profile
from edgebench.pipeline import Pipeline
from edgebench.record import Memory, Spec
from tests.benchmarks.conftest import LAUNCHER

pytestmark = pytest.mark.usefixtures("home")

BAG = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", timeout_s=60.0)
HEAVY_BYTES = 300 << 20


def job(spec: Spec = BAG) -> Job:
    return Job(spec=spec, part="memory", examples=["a good film", "bad"])


def played(card: Path) -> Spec:
    return Spec(model=str(card), format="fake", precision="fp32", backend="fake")


def found(answer: Answer) -> Memory:
    assert answer.memory is not None
    return answer.memory


def test_memory_is_read_at_each_stage_and_after_each_of_150_answers(scripted: Callable[..., Path]) -> None:
    one = found(memory.measure(job(played(scripted('failures = [{ run = 151, how = "raise" }]\n')))))  # a 151st run would fail
    assert (one.runs, len(one.series_bytes), one.method) == (150, 150, "VmHWM")
    assert one.first_answer_bytes == one.series_bytes[0]
    assert 0 < one.baseline_bytes <= one.loaded_bytes
    assert min(one.series_bytes) > 0
    assert max(one.loaded_bytes, *one.series_bytes) <= 1.02 * one.peak_bytes  # the kernel sums its two figures in different ways


def test_proportional_memory_is_read_at_four_stages_and_is_no_more_than_resident_memory(scripted: Callable[..., Path]) -> None:
    one = found(memory.measure(job(played(scripted()))))
    assert one.pss_bytes is not None
    assert list(one.pss_bytes) == ["baseline", "loaded", "first_answer", "runs"]
    assert max(one.pss_bytes.values()) <= one.peak_bytes


def test_a_kernel_that_counts_no_proportional_memory_is_noted_and_leaves_null(scripted: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "proportional_bytes", lambda: None)
    answer = memory.measure(job(played(scripted())))
    assert found(answer).pss_bytes is None
    assert answer.notes == ["proportional memory: this kernel does not count it"]


def test_a_light_model_does_not_inherit_the_peak_of_the_heavy_process_that_starts_its_worker() -> None:
    held = b"\1" * HEAVY_BYTES
    one = found(LocalExecutor(Profile(1, "host", "this machine", "local")).run(job()))
    assert probes.resident_bytes() > len(held)
    assert one.baseline_bytes < one.peak_bytes < HEAVY_BYTES


def test_the_peak_is_the_kernels_own_figure_for_that_child(tmp_path: Path) -> None:
    worker = [sys.executable, "-m", "edgebench.bench.worker", str(tmp_path / "answer.json"), str(time.monotonic_ns())]
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER]
    said = subprocess.run([*launcher, *worker], input=msgspec.json.encode(job()), capture_output=True, check=True, env=os.environ).stdout.split()
    assert said[2] == b"0"
    peak = found(msgspec.json.decode((tmp_path / "answer.json").read_bytes(), type=Answer)).peak_bytes
    assert peak == pytest.approx(int(said[1]) * 1024, rel=0.02)


def test_the_same_fifty_inputs_come_three_times(scripted: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()
    call = Pipeline.__call__
    monkeypatch.setattr(Pipeline, "__call__", lambda pipe, example: (asked.append(example), call(pipe, example))[1])
    texts = [f"good {'film ' * (place % 9)}{place}" for place in range(80)]
    memory.measure(msgspec.structs.replace(job(played(scripted())), examples=texts))
    assert asked == texts[:50] * 3

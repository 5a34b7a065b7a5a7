"""Much at once: one pipeline under 32 threads, closing in the midst of calls, and 10,000 cells in one file of records."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

import edgebench
from edgebench import plugins, record
from edgebench.bench import probes, stats
from edgebench.errors import EngineError
from edgebench.pipeline import Pipeline
from edgebench.record import Latency, Memory, Record, Spec
from tests.faults import bundle

THREADS, SECONDS = 32, float(os.environ.get("EDGEBENCH_LOAD_S", "30"))
TEXTS = ["good", "bad film", "a dull film", "fine good good", "", "a a a a a a a a a a a a"]
MADE: dict[str, Callable[[], bytes]] = {"onnxruntime": bundle.onnx, "torchscript": bundle.torchscript}
FORMATS = {"onnxruntime": "onnx", "torchscript": "torchscript"}
CELLS = 10_000


def loaded(backend: str, bundled: Callable[..., Path]) -> Pipeline:
    """The test's model, or where no such file can be made in a test the bundled one."""
    if backend in MADE:
        return edgebench.load(str(bundled(FORMATS[backend], MADE[backend]())), backend=backend, allow_code=True)
    return edgebench.load("tinybert-sst2", backend=backend, max_tokens=32)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnxruntime", "tflite", "torchscript"])
def test_32_threads_get_the_right_answers_and_nothing_leaks(backend: str, bundled: Callable[..., Path]) -> None:
    """The resident memory's slope by Theil and Sen, over the second half: an engine's arenas grow in the first. An object that is
    lost in each call takes 16 bytes at least."""
    with loaded(backend, bundled) as pipe:
        expected = {text: pipe(text).scores for text in TEXTS}
        wrong, calls, memory, ending = list[str](), [0] * THREADS, list[float](), time.monotonic() + SECONDS

        def call(number: int) -> None:
            draw = Random(number)
            while time.monotonic() < ending:
                text = draw.choice(TEXTS)
                if pipe(text).scores != pytest.approx(expected[text], abs=1e-5):
                    wrong.append(text)
                calls[number] += 1

        threads = [threading.Thread(target=call, args=(number,)) for number in range(THREADS)]
        for one in threads:
            one.start()
        while time.monotonic() < ending:
            time.sleep(SECONDS / 60)
            memory.append(float(probes.resident_bytes()))
        for one in threads:
            one.join()
    slope = stats.slope(memory[len(memory) // 2 :])
    if kept := os.environ.get("EDGEBENCH_LOAD"):
        line = {"engine": backend, "seconds": SECONDS, "threads": THREADS, "calls": sum(calls), "wrong": len(wrong), "memory_bytes": memory}
        line |= {"slope_bytes_per_s": [one * 60 / SECONDS for one in (slope.per_run, slope.low, slope.high)], "samples": len(memory)}
        with Path(kept).open("a") as file:
            file.write(json.dumps(line) + "\n")
    assert not wrong
    assert min(calls) > 0
    assert slope.low * len(memory) / sum(calls) < 16


@pytest.mark.parametrize("backend", ["fake", "onnxruntime", *(pytest.param(name, marks=pytest.mark.slow) for name in ("tflite", "torchscript"))])
def test_closing_in_the_midst_of_calls_waits_or_raises(backend: str, bundled: Callable[..., Path]) -> None:
    made = edgebench.load(str(bundled("fake", bundle.FAKE.encode())), backend="fake") if backend == "fake" else loaded(backend, bundled)
    expected, ends, begun = made("good film").label, list[Any](), threading.Barrier(9)

    def call() -> None:
        begun.wait()
        try:
            while True:
                assert made("good film").label == expected
        except EngineError as error:
            ends.append(str(error))

    threads = [threading.Thread(target=call) for _ in range(8)]
    for one in threads:
        one.start()
    begun.wait()
    time.sleep(0.05)
    made.close()
    for one in threads:
        one.join(30)
    assert len(ends) == 8
    assert all("is closed; a run needs an open one" in said for said in ends)
    made.close()


def many(path: Path) -> None:
    """So many cells of 250 models, three processes of 20 calls each."""
    draw = Random(8)
    with path.open("wb") as file:
        for number in range(CELLS):
            spec = Spec(
                model=f"model-{number // 40}", format="onnx", precision=("fp32", "int8")[number % 2], backend=("onnxruntime", "tflite")[number // 2 % 2],
                threads=1 + number // 4 % 10,
            )
            samples = [[draw.randrange(900_000, 1_100_000) for _ in range(20)] for _ in range(3)]
            latency = Latency(processes_ns=samples, warm_up_ns=[[1]] * 3, tokens=None, stages_ns={"run": [1]})
            memory = Memory(baseline_bytes=1, loaded_bytes=2, first_answer_bytes=3, peak_bytes=number, runs=150, method="VmHWM")
            one = Record(
                spec=spec, outcome="ok", verdict=("valid", "noisy", "valid")[number % 3], reasons=[f"reason {number % 50}"] if number % 3 == 1 else [],
                notes=[f"note {number % 500}"], latency=latency, memory=memory, host={"cpu": "Test CPU", "usable_cores": 4}, id=f"{number}",
            )
            file.write(record.to_json(one) + b"\n")


@pytest.mark.slow
@pytest.mark.parametrize("form", ["table", "md", "csv", "json", "html"])
def test_ten_thousand_cells_are_reported_in_five_seconds(tmp_path: Path, form: str) -> None:
    """Of the processor's time: how busy the machine is does not matter."""
    many(tmp_path / "records.jsonl")
    begin = time.process_time()
    found = record.read_lines(tmp_path / "records.jsonl")
    text = plugins.get("reports", form)(found)
    spent = time.process_time() - begin
    if kept := os.environ.get("EDGEBENCH_LOAD"):
        with Path(kept).open("a") as file:
            file.write(json.dumps({"report": form, "cells": len(found), "processor_s": round(spent, 2), "size_bytes": len(text)}) + "\n")
    assert len(found) == CELLS
    assert spent <= 5

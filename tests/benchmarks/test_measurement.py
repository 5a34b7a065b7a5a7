"""Whether the numbers hold on this machine: beside a loop from outside, measured again, compared with themselves, and what measuring costs."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest

import edgebench
from edgebench import catalog, plugins
from edgebench.bench import pair, scenarios, stats
from edgebench.bench.job import Job
from edgebench.bench.plan import QUICK, Ask, Plan, plan
from edgebench.bench.run import Sweep
from edgebench.devices import profile as profiles
from edgebench.devices.base import Executor
from edgebench.record import Record
from edgebench.reports import pairs

from .conftest import MODEL, ratio

pytestmark = pytest.mark.benchmark_figures

BACKENDS = ("onnxruntime", "tflite", "torchscript")
ROUNDS, CALLS = 100, 50  # in one process: turns of each loop, calls in a turn
PROCESSES = 12  # in turn: of the harness, and of a program that knows nothing of it
SWEEPS = 4  # of every cell: three pairs each
COMPARISONS, AA_PAIRS = 100, 4
OUTSIDE = """
import random, statistics, sys, time
import edgebench
texts = random.Random(0).choices(sys.stdin.read().splitlines(), k=4096)
with edgebench.load(sys.argv[1], backend=sys.argv[2], precision=sys.argv[3]) as pipe:
    end = time.perf_counter() + 0.5
    while time.perf_counter() < end:
        for text in texts[:20]:
            pipe(text)
    times, end = [], time.perf_counter() + 1.0
    for text in texts:
        start = time.perf_counter()
        pipe(text)
        times.append(time.perf_counter() - start)
        if start > end:
            break
print(statistics.median(times) * 1e9)
"""


@pytest.fixture
def executor() -> Iterator[Executor]:
    profile = profiles.read(catalog.find("devices", "host"))
    found: Executor = plugins.get("devices", profile.reach)(profile)
    yield found
    found.close()


def cell(backend: str, precision: str = "int8", **effort: float) -> Plan:
    try:
        return pair.only(Ask(models=(MODEL,), backends=(backend,), precisions=(precision,), effort=replace(QUICK, **effort)))
    except edgebench.EdgebenchError as error:
        pytest.skip(str(error))


def medians(backend: str, sentences: list[str]) -> tuple[list[float], list[float]]:
    """Of `ROUNDS` turns of our timed loop and of a plain one around the same call, A B B A, in this process."""
    spec, texts = cell(backend).cells[0], sentences[:50]
    spec = msgspec.structs.replace(spec, min_runs=CALLS, min_time_s=0.0, warm_up_cap_s=0.0)
    found: tuple[list[float], list[float]] = ([], [])
    with edgebench.load(MODEL, backend=backend, precision="int8") as pipe:

        def ours() -> float:
            return statistics.median(scenarios.measure(scenarios.Given(pipe, spec, texts, 10**12))[2].queries_ns[:CALLS])

        def outside() -> float:
            times = []
            for place in range(CALLS):
                start = time.perf_counter()
                pipe(texts[place % len(texts)])
                times.append(time.perf_counter() - start)
            return 1e9 * statistics.median(times)

        for each in range(-3, ROUNDS):
            for which in (0, 1) if each % 2 else (1, 0):
                took = (ours, outside)[which]()
                if each >= 0:
                    found[which].append(took)
    return found


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_timed_loop_reads_what_a_plain_one_does(backend: str, sentences: list[str], figure: Callable[..., None]) -> None:
    ours, outside = medians(backend, sentences)
    found = ratio(ours, outside)
    figure(f"our loop's median / a plain loop's, {backend}", found.value, "1 within 2 %", n=ROUNDS, quartiles=found.quartiles, calls=CALLS)
    assert abs(found.value - 1) <= 0.02


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_process_of_the_harness_reads_what_a_program_without_it_does(
    backend: str, sentences: list[str], executor: Executor, figure: Callable[..., None]
) -> None:
    spec, texts = cell(backend, min_time_s=1.0).cells[0], sentences[:50]
    found: tuple[list[float], list[float]] = ([], [])

    def ours() -> float:
        latency = executor.run(Job(spec=spec, part="latency", examples=texts)).latency
        assert latency
        return statistics.median(latency.samples_ns)

    def outside() -> float:
        command = [sys.executable, "-c", OUTSIDE, MODEL, backend, "int8"]
        return float(subprocess.run(command, input="\n".join(texts), capture_output=True, text=True, check=True).stdout)

    for each in range(PROCESSES):
        for which in (0, 1) if each % 2 else (1, 0):
            found[which].append((ours, outside)[which]())
    both = ratio(*found)
    figure(f"a process's median / a program's without edgebench.bench, {backend}", both.value, "1 within 2 %", n=PROCESSES, quartiles=both.quartiles)
    assert both.quartiles[0] <= 1.02
    assert both.quartiles[1] >= 0.98


def test_a_cell_measured_twice_is_within_three_percent_or_noisy(executor: Executor, figure: Callable[..., None]) -> None:
    asked = plan(Ask(models=(MODEL,)))
    sweeps = [{pairs.key(one): one for one in _swept(asked, executor) if one.latency} for _ in range(SWEEPS)]
    twice = [(first[key], then[key]) for first, then in pairwise(sweeps) for key in first if key in then]
    apart = [abs(stats.interval(one.latency.processes_ns).value / stats.interval(other.latency.processes_ns).value - 1) for one, other in twice]
    noisy = sum("noisy" in (one.verdict, other.verdict) for one, other in twice)
    bad = [round(far, 3) for far, both in zip(apart, twice, strict=True) if far > 0.03 and all(one.verdict == "valid" for one in both)]
    low, _, high = statistics.quantiles(apart, n=4)
    figure("a cell measured twice: valid both times, yet further than 3 % apart", len(bad), "0", n=len(twice), noisy=noisy, quartiles=(low, high), apart=bad)
    assert not bad


def test_a_cell_compared_with_itself_shows_no_difference(executor: Executor, figure: Callable[..., None]) -> None:
    asked = cell("onnxruntime", min_time_s=0.2, processes=AA_PAIRS, max_processes=AA_PAIRS)
    asked = replace(asked, cells=[msgspec.structs.replace(asked.cells[0], passes=("latency",))])
    found = [pairs.compare(*_swept(pair.alternating(asked, asked, AA_PAIRS), executor), paired=True) for _ in range(COMPARISONS)]
    right = [one.verdict for one in found].count("no detectable difference")
    low, middle, high = statistics.quantiles([one.seen_from or 0 for one in found], n=4)
    figure(
        "A/A on this machine: no detectable difference, of 100", right, ">= 95", n=COMPARISONS, pairs=AA_PAIRS, would_have_seen_from=round(middle, 3),
        quartiles=(low, high),
    )
    assert right >= 95


def test_the_parent_sleeps_while_a_worker_is_timed(executor: Executor, figure: Callable[..., None]) -> None:
    spec = cell("onnxruntime", min_time_s=3.0).cells[0]
    shares = []
    for _ in range(5):
        before, begin = time.process_time(), time.monotonic()
        executor.run(Job(spec=spec, part="latency", examples=["a gripping film"]))
        shares.append((time.process_time() - before) / (time.monotonic() - begin))
    low, middle, high = statistics.quantiles(shares, n=4)
    figure("processor time of the parent while a worker is timed, share", middle, "about 0", n=len(shares), quartiles=(low, high))
    assert middle < 0.005


def _swept(asked: Plan, executor: Executor) -> list[Record]:
    return Sweep(asked, executor.run, host={}, keep=lambda record: None, tell=lambda progress: None).run()

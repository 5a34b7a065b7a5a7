"""What the line to a device adds to a cell, on this machine's loopback: the same job here and through ssh, in turn."""

from __future__ import annotations

import os
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edgebench.bench.job import Answer, Job
from edgebench.devices.far import HERE
from edgebench.devices.local import LocalExecutor
from edgebench.devices.ssh import SshExecutor
from edgebench.record import Spec
from tests.sshd import started

from .conftest import MODEL

pytestmark = pytest.mark.benchmark_figures

FIRSTS = 3
PAIRS = 4  # after each of the first ones


def seconds(run: Callable[[Job], Answer], job: Job) -> float:
    begin = time.perf_counter()
    assert run(job).cold
    return time.perf_counter() - begin


def test_the_line_adds_little_to_a_cell(card_path: Path, tmp_path: Path, figure: Callable[..., None]) -> None:
    job = Job(spec=Spec(model=MODEL, format="onnx", precision="int8", backend="onnxruntime"), part="cold", examples=["a gripping film"])
    here = LocalExecutor(HERE)
    seconds(here.run, job)  # files into the cache
    pairs = list[tuple[float, float]]()
    firsts = list[float]()
    with started(tmp_path) as server:
        for _ in range(FIRSTS):
            shutil.rmtree(server.home, ignore_errors=True)
            device = SshExecutor(server.profile)
            local = seconds(here.run, job)
            firsts.append(seconds(device.run, job) - local)
            pairs += [(seconds(here.run, job), seconds(device.run, job)) for _ in range(PAIRS)]
            device.close()
    added = [there - local for local, there in pairs]
    low, first, high = sorted(firsts)
    quartiles = statistics.quantiles(added, n=4)
    load = round(os.getloadavg()[0], 1)
    figure(
        "ssh on loopback, added to the first cell (connection, 15.5 MB of files), s", first, "<= 1.5", n=FIRSTS,
        quartiles=[round(low, 3), round(high, 3)], load=load, between="the least and the most",
    )
    figure(
        "ssh on loopback, added to each further cell, s", quartiles[1], "<= 0.3", n=len(added),
        quartiles=[round(quartiles[0], 3), round(quartiles[2], 3)], load=load,
    )
    assert first <= 1.5
    assert quartiles[1] <= 0.3

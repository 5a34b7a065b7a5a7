"""How a ratio is measured: two things in turn, A B A B, in one run, so that the machine's mood falls on both."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import edgebench
from edgebench import catalog

from . import figures

MODEL = "tinybert-sst2"


@dataclass(frozen=True)
class Process:
    """A whole process, from before its start to after its end."""

    wall_s: float
    peak_bytes: int


# Between fork and exec a child is a copy of its parent, and the kernel counts that for the child's peak. So a small process
# starts the one that is measured, and says: seconds, peak in KiB, exit status.
LAUNCHER = """
import os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
print(time.perf_counter() - start, usage.ru_maxrss, child.returncode)
"""


def fresh(arguments: list[str], *, environment: dict[str, str] | None = None) -> Process:
    """Run a process and reap it with its own resource usage."""
    launched = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, *arguments], capture_output=True, text=True, check=True, env={**os.environ, **(environment or {})},
    )
    wall, peak, status = launched.stdout.split()
    assert status == "0", f"{arguments}: {launched.stderr[-2000:]}"
    return Process(float(wall), int(peak) * 1024)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def in_turn(first: Callable[[], Any], second: Callable[[], Any], rounds: int) -> tuple[list[int], list[int]]:
    """`rounds` timed calls of each in ns, A B B A, after three of each that do not count."""
    pair = (first, second)
    times: tuple[list[int], list[int]] = ([], [])
    for each in range(-3, rounds):
        for which in (0, 1) if each % 2 else (1, 0):
            start = time.perf_counter_ns()
            pair[which]()
            if each >= 0:
                times[which].append(time.perf_counter_ns() - start)
    return times


@dataclass(frozen=True)
class Ratio:
    """Of two medians; `quartiles` are those of the ratios pair by pair."""

    value: float
    quartiles: tuple[float, float]


def ratio(above: Sequence[float], below: Sequence[float]) -> Ratio:
    """How many times larger the first are; the two were measured in turn."""
    pairs = statistics.quantiles([one / other for one, other in zip(above, below, strict=True)], n=4)
    return Ratio(statistics.median(above) / statistics.median(below), (round(pairs[0], 3), round(pairs[2], 3)))


@pytest.fixture(scope="session")
def card_path() -> Path:
    path = catalog.shipped_folder("models") / f"{MODEL}.toml"
    if not path.is_file():
        pytest.skip(f"{MODEL} is not bundled here")
    return path


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """1,000 real sentences: SST-2's dev set, and as many training phrases as are missing; fewer where that set is not to be had."""
    from edgebench.errors import FetchError
    from edgebench.models import data

    texts = list(data.load("sst2", "dev", offline=True).texts)
    with contextlib.suppress(FetchError):
        texts += data.load("sst2", "train", offline=True, limit=1000).texts
    return texts[:1000]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--figures", type=Path, help="Append each measured figure to this file, a JSON line each (see figures.py).")


@pytest.fixture
def figure(record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Callable[..., None]:
    """Say a measured figure beside what it should reach, and keep it where `--figures` asks for that."""

    def say(name: str, value: float, reach: str, **how: object) -> None:
        record_property(name, value)
        with capsys.disabled():
            print(f"\n  {name}: {value:.3g} (to reach: {reach}) {' '.join(f'{key}={one}' for key, one in how.items())}")
        if path := request.config.getoption("--figures"):
            figures.append(path, name, value, reach, **how)

    return say


def pytest_report_header() -> str:
    return f"edgebench {edgebench.__version__}: figures are ratios measured in this run"

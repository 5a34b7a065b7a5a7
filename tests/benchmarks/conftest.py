"""How a ratio is measured: two things in turn, A B A B, in one run, so that the machine's mood falls on both."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
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


def fresh(arguments: list[str], *, environment: dict[str, str] | None = None) -> Process:
    """Run a process and reap it with its own resource usage."""
    start = time.perf_counter()
    child = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **(environment or {})})
    _, status, usage = os.wait4(child.pid, 0)
    wall = time.perf_counter() - start
    said = child.stderr.read().decode() if child.stderr else ""
    assert os.waitstatus_to_exitcode(status) == 0, f"{arguments}: {said[-2000:]}"
    return Process(wall, usage.ru_maxrss * 1024)


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


def median_ratio(above: list[int] | list[float], below: list[int] | list[float]) -> float:
    return statistics.median(above) / statistics.median(below)


@pytest.fixture(scope="session")
def card_path() -> Path:
    path = catalog.shipped_folder("models") / f"{MODEL}.toml"
    if not path.is_file():
        pytest.skip(f"{MODEL} is not bundled here")
    return path


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """1,000 real sentences (fewer where only the project's own set is to be had)."""
    from edgebench.models import data

    return list(data.load("sst2", "dev", offline=True).texts[:1000])


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

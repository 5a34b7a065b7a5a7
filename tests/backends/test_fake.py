"""The fake engine against the contract, and the script it plays: times, results and failures."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgebench.backends import conformance
from edgebench.backends.base import Options
from edgebench.backends.conformance import Case
from edgebench.backends.fake import BACKEND, Fake
from edgebench.errors import EngineError

INPUT = 'inputs = [{ name = "input_ids", dtype = "int64", shape = [-1, -1] }]\n'
TABLE = 'outputs = [{ name = "logits", table = [[0.5, 1.0], [2.0, 0.25], [3.0, 4.0]] }]\n'
OPEN = "import sys, pathlib; from edgebench.backends import base, fake; print('up', flush=True); fake.BACKEND.open(pathlib.Path(sys.argv[1]), base.Options())"
FEEDS = {"input_ids": np.array([[3, 4, 0], [2, 0, 0]], np.int64)}


def script(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "scripted.fake"
    path.write_text(text)
    return path


@pytest.mark.parametrize("check", conformance.CHECKS)
def test_contract(check: str, tmp_path: Path) -> None:
    expected = {"logits": np.array([[2.0, 0.25], [3.0, 4.0]], np.float32)}
    conformance.CHECKS[check](Case(BACKEND, script(tmp_path, INPUT + TABLE), FEEDS, expected))


def test_the_clock_moves_by_the_scripted_times_and_begins_again(tmp_path: Path) -> None:
    fake = Fake()
    session = fake.open(script(tmp_path, f"load_ns = 5_000\nrun_ns = [100, 7]\n{INPUT}{TABLE}"), Options())
    told = [session.clock()]
    for _ in range(3):
        session.run(FEEDS)
        told.append(session.clock())
    assert told == [5000, 5100, 5107, 5207]


def test_an_output_without_a_table_is_the_sum_of_the_ids(tmp_path: Path) -> None:
    session = Fake().open(script(tmp_path, INPUT + 'outputs = [{ name = "sum", dtype = "int64" }]\n'), Options())
    assert session.run(FEEDS)["sum"].tolist() == [[7], [2]]


def test_padding_changes_nothing(tmp_path: Path) -> None:
    session = Fake().open(script(tmp_path, INPUT + TABLE), Options())
    padded = {"input_ids": np.pad(FEEDS["input_ids"], ((0, 0), (0, 5)))}
    assert np.array_equal(session.run(padded)["logits"], session.run(FEEDS)["logits"])


def test_only_the_scripted_run_fails(tmp_path: Path) -> None:
    session = Fake().open(script(tmp_path, f'failures = [{{ run = 2, how = "raise" }}]\n{INPUT}{TABLE}'), Options())
    session.run(FEEDS)
    with pytest.raises(EngineError, match=r"fake failed in run 2 of scripted\.fake"):
        session.run(FEEDS)
    session.run(FEEDS)


def test_run_zero_is_opening(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="run 0"):
        Fake().open(script(tmp_path, f'failures = [{{ run = 0, how = "raise" }}]\n{INPUT}{TABLE}'), Options())


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV"])
def test_a_crash_kills_the_process_by_the_scripted_signal(tmp_path: Path, name: str) -> None:
    path = script(tmp_path, f'failures = [{{ run = 0, how = "crash", signal = "{name}" }}]\n{INPUT}{TABLE}')
    assert subprocess.run([sys.executable, "-c", OPEN, path]).returncode == -signal.Signals[name]


def test_a_hang_says_nothing_until_it_is_killed(tmp_path: Path) -> None:
    path = script(tmp_path, f'failures = [{{ run = 0, how = "hang" }}]\n{INPUT}{TABLE}')
    with subprocess.Popen([sys.executable, "-c", OPEN, path], stdout=subprocess.PIPE) as hung:
        assert hung.stdout is not None
        assert hung.stdout.readline() == b"up\n"
        with pytest.raises(subprocess.TimeoutExpired):
            hung.wait(0.3)
        hung.kill()


def test_a_misspelt_key_is_explained(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="Did you mean 'load_ns'"):
        Fake().open(script(tmp_path, f"lod_ns = 1\n{INPUT}{TABLE}"), Options())

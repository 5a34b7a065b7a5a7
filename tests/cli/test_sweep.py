"""How many untimed passes run together, by what the device says of itself; and a device that is lost on the way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgebench.bench.job import Answer, Job
from edgebench.bench.plan import Model, Plan
from edgebench.cli.sweep import _at_once, measure
from edgebench.errors import DeviceError
from edgebench.models import card as cards
from edgebench.models.data import Labelled
from edgebench.record import Cold, Spec

GIB = 1 << 30


@pytest.mark.parametrize(("host", "threads", "together"), [
    ({"usable_cores": 4, "memory_bytes": 8 * GIB}, 1, 4),
    ({"usable_cores": 4, "memory_bytes": 8 * GIB}, 2, 2),
    ({"usable_cores": 4, "memory_bytes": 8 * GIB}, 8, 1),
    ({"usable_cores": 4, "memory_bytes": GIB // 2}, 1, 1),  # a Raspberry Pi Zero 2 W
    ({"usable_cores": 16, "memory_bytes": 64 * GIB, "memory_limit_bytes": 4 * GIB}, 1, 2),
    ({"usable_cores": 64, "memory_bytes": 256 * GIB}, 1, 8),  # as many as one line may carry
    ({"usable_cores": 4, "memory_bytes": None}, 1, 1),
])
def test_passes_run_together_as_far_as_the_device_has_room(host: dict[str, Any], threads: int, together: int) -> None:
    cell = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", threads=threads)
    assert _at_once(Plan([cell], [], {}, 0), host) == together


class Board:
    """One that answers `passes` times and is then gone."""

    def __init__(self, passes: int) -> None:
        self.asked = list[Job]()
        self._passes = passes

    def facts(self) -> dict[str, Any]:
        return {"cpu": "a cpu"}

    def run(self, job: Job) -> Answer:
        self.asked.append(job)
        if len(self.asked) > self._passes:
            raise DeviceError("no route to it")
        return Answer(cold=Cold(process_start_ns=1, import_ns=2, load_ns=3, first_answer_ns=4, total_ns=10))

    def close(self) -> None:
        pass


@pytest.fixture
def _terminated_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("_terminated_as_before")
def test_what_a_device_answered_before_it_was_lost_is_not_asked_again(bag_of_words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labelled = Labelled(("good",), (1,), ("negative", "positive"), "one", "dev", "made in a test", "ab12", "MIT", "")
    cell = Spec(model="bag", format="onnx", precision="fp32", backend="onnxruntime", passes=("cold",), processes=2, max_processes=2)
    plan = Plan([cell, msgspec.structs.replace(cell, seed=1)], [], {"bag": Model(cards.read(bag_of_words), None, labelled)}, 0)
    output = tmp_path / "records.jsonl"
    assert {one.outcome for one in measure(plan, Board(3), output, resume=False)} >= {"failed"}  # type: ignore[arg-type]
    assert f"is kept; the same command with -o {output} --resume goes on" in capsys.readouterr().err
    again = Board(99)
    assert [one.outcome for one in measure(plan, again, output, resume=True)] == ["ok", "ok"]  # type: ignore[arg-type]
    assert len(again.asked) == 1

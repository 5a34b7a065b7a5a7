"""The fastest way to run a model is found by measuring, on a clock of the test's own; what is no faster is not kept."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import pytest

from edgebench.bench import tune as tuning
from edgebench.bench.tune import Candidate, tune
from edgebench.errors import EdgebenchError, EngineError

DEFAULT = Candidate("onnxruntime", "int8", 2)
ONE, TFLITE = Candidate("onnxruntime", "int8", 1), Candidate("tflite", "int8", 1)


class Clock:
    """Stands still but for what pipelines take."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Pipelines whose calls take ms by engine, threads and settings, within 2 %."""
    clock, random = Clock(), Random(0)

    class Pipe:
        def __init__(self, ms: float) -> None:
            self.ms, self.is_open = ms, True

        def __call__(self, example: Any) -> None:
            assert self.is_open
            clock.now += int(self.ms * 1e6 * random.uniform(0.98, 1.02))

        def close(self) -> None:
            self.is_open = False

    def load(model: str, *, backend: str, precision: str, threads: int, settings: Mapping[str, Any], allow_code: bool) -> Pipe:
        if backend == "broken":
            raise EngineError("it does not open")
        ms = {"onnxruntime": 2.0 if threads == 1 else 3.0, "tflite": 2.5}[backend]
        if backend == "onnxruntime":
            ms *= (0.8 if settings.get("spinning") is False else 1.0) * (1.5 if settings.get("graph_optimisation") == "none" else 1.0)
        return Pipe(ms)

    monkeypatch.setattr(tuning, "load", load)
    return clock


def found(clock: Clock, *candidates: Candidate, budget_s: float = 60) -> tuning.Tuned:
    return tune("a model", ["one", "two", "three"], DEFAULT, candidates, budget_s, clock=clock)


def test_the_fastest_engine_threads_and_setting_win(clock: Clock) -> None:
    best = found(clock, ONE, TFLITE)
    assert best.best == Candidate("onnxruntime", "int8", 1, {"spinning": False})
    assert best.gain.value == pytest.approx(1.6 / 3.0, rel=0.02)
    assert best.best_ns == pytest.approx(1.6e6, rel=0.02)
    assert best.gain.low is not None
    assert best.gain.low < best.gain.value < best.gain.high < 0.6


def test_a_setting_that_changes_nothing_is_not_kept(clock: Clock) -> None:
    kept = [one.candidate.settings for one in found(clock, ONE).tried if one.kept and one.candidate.settings]
    assert kept == [{"spinning": False}]


def test_every_value_of_every_knob_of_the_best_engine_is_tried(clock: Clock) -> None:
    from edgebench.backends.onnxruntime import KNOBS

    tried = {(name, str(value)) for one in found(clock, ONE).tried for name, value in list(one.candidate.settings.items())[-1:]}
    assert tried == {(name, str(value)) for name, values in KNOBS.items() for value in values[1:]}


def test_an_engine_without_knobs_is_taken_as_it_is(clock: Clock) -> None:
    slow = Candidate("onnxruntime", "int8", 2)
    best = tune("a model", ["one"], slow, [TFLITE], 30, clock=clock)
    assert best.best == TFLITE


def test_what_cannot_be_opened_is_told_and_the_others_go_on(clock: Clock) -> None:
    broken = Candidate("broken", "int8", 1)
    best = found(clock, ONE, broken)
    assert best.failed == [(broken, "it does not open")]
    assert best.best.backend == "onnxruntime"


def test_where_nothing_can_be_opened_that_is_the_error(clock: Clock) -> None:
    with pytest.raises(EdgebenchError, match="no candidate could be opened: it does not open"):
        tune("a model", ["one"], Candidate("broken", "int8", 1), [], 10, clock=clock)


def test_the_budget_is_kept_to_the_last_turns(clock: Clock) -> None:
    """60 turns are enough of anything, and each race may end with a turn that was begun in time."""
    found(clock, ONE, TFLITE, budget_s=1)
    assert clock.now < 4e9


def test_what_was_not_asked_for_is_not_taken_however_fast(clock: Clock) -> None:
    """Two threads are the default here; somebody who asks for engines on one thread gets one thread."""
    best = tune("a model", ["one"], ONE, [TFLITE], 30, clock=clock)
    assert best.best == TFLITE
    assert best.default == ONE
    assert best.gain.value == pytest.approx(1.25, rel=0.02)


def test_a_default_that_does_not_open_is_not_compared_with(clock: Clock) -> None:
    best = tune("a model", ["one"], Candidate("broken", "int8", 1), [TFLITE], 30, clock=clock)
    assert (best.best, best.default, best.gain.value) == (TFLITE, TFLITE, 1.0)


def test_without_anything_to_choose_the_default_is_its_own_equal(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    only = tune("a model", ["one"], TFLITE, [], 10, clock=clock)
    assert (only.best, only.gain.value, only.tried) == (TFLITE, 1.0, [])

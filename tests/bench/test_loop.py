"""Warm-up, the timed loop, its windows and the stages on a clock that a test sets: exact numbers, and no time passes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edgebench.backends.base import Options
from edgebench.backends.fake import Clock, Fake
from edgebench.bench import loop
from edgebench.models import card as cards
from edgebench.pipeline import Pipeline
from edgebench.record import Window
from edgebench.tasks.classify_text import TextClassification

MS = 1_000_000
INPUTS = range(20)


def taking(clock: Clock, times_ns: Callable[[int], int]) -> Callable[[Any], None]:
    """A call that takes `times_ns(n)` for the n-th time, from 0."""
    calls = count()
    return lambda _: clock.advance(times_ns(next(calls)))


class Costly(Sequence[int]):
    """Inputs that take a microsecond to look up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __len__(self) -> int:
        return 3

    def __getitem__(self, place: Any) -> Any:
        self._clock.advance(1000)
        return place


# warm-up


def test_a_warm_up_ends_when_two_rounds_agree() -> None:
    clock = Clock()
    assert loop.warm_up(taking(clock, lambda _: 100 * MS), INPUTS, cap_ns=60_000 * MS, clock=clock) == ([100 * MS] * 40, True)


def test_a_warm_up_goes_on_while_a_round_differs_from_the_one_before() -> None:
    clock = Clock()
    call = taking(clock, lambda n: (200 if n < 20 else 106 if n < 40 else 100 if n < 60 else 96) * MS)
    found, _ = loop.warm_up(call, INPUTS, cap_ns=60_000 * MS, clock=clock)
    assert found == [200 * MS] * 20 + [106 * MS] * 20 + [100 * MS] * 20 + [96 * MS] * 20


def test_a_warm_up_that_agrees_at_once_lasts_half_a_second_all_the_same() -> None:
    clock = Clock()
    assert len(loop.warm_up(taking(clock, lambda _: MS), INPUTS, cap_ns=60_000 * MS, clock=clock)[0]) == 500
    assert clock() == 500 * MS


def test_a_warm_up_that_never_settles_ends_at_its_cap_and_says_so() -> None:
    clock = Clock()
    found, settled = loop.warm_up(taking(clock, lambda n: 10 * MS << n // 20), INPUTS, cap_ns=1_000 * MS, clock=clock)
    assert found == [10 * MS] * 20 + [20 * MS] * 20 + [40 * MS] * 10
    assert not settled


def test_a_warm_up_is_ten_calls_even_beyond_its_cap() -> None:
    clock = Clock()
    assert len(loop.warm_up(taking(clock, lambda _: 5_000 * MS), INPUTS, cap_ns=MS, clock=clock)[0]) == 10


def test_a_warm_up_compares_rounds_over_the_same_twenty_inputs() -> None:
    clock, seen = Clock(), list[int]()

    def call(one: int) -> None:
        seen.append(one)
        clock.advance(100 * MS)

    loop.warm_up(call, range(1000), cap_ns=60_000 * MS, clock=clock)
    assert seen == [*range(20), *range(20)]


def test_a_single_input_warms_up_too() -> None:
    clock = Clock()
    assert len(loop.warm_up(taking(clock, lambda _: 10 * MS), ["a"], cap_ns=60_000 * MS, clock=clock)[0]) == 50


def test_a_single_long_query_warms_up_once_where_that_takes_all_the_time_there_is() -> None:
    clock = Clock()
    assert loop.warm_up(taking(clock, lambda _: 5_000 * MS), ["all"], cap_ns=3_000 * MS, clock=clock) == ([5_000 * MS], False)


# the timed loop


@pytest.mark.parametrize(("min_runs", "min_time_ms", "runs"), [(5, 0, 5), (1, 35, 4), (6, 35, 6), (3, 100, 10)])
def test_there_are_enough_calls_and_they_last_long_enough(min_runs: int, min_time_ms: int, runs: int) -> None:
    clock = Clock()
    call = taking(clock, lambda _: 10 * MS)
    assert loop.steady(call, INPUTS, min_runs=min_runs, min_time_ns=min_time_ms * MS, expected_ns=1_000 * MS, clock=clock) == [10 * MS] * runs


def test_every_sample_is_kept_in_order() -> None:
    clock = Clock()
    assert loop.steady(taking(clock, lambda n: n), INPUTS, min_runs=6, min_time_ns=0, expected_ns=1_000 * MS, clock=clock) == [0, 1, 2, 3, 4, 5]


def test_the_total_is_looked_at_after_each_block_of_calls() -> None:
    clock = Clock()
    found = loop.steady(taking(clock, lambda _: 10 * MS), INPUTS, min_runs=1, min_time_ns=100 * MS, expected_ns=50 * MS, clock=clock)
    assert len(found) == 12  # blocks of 200 / 50 = 4 calls: 40, 80, 120 ms


@pytest.mark.parametrize("expected_ns", [0, 1, 1000])
def test_a_block_is_never_more_than_1024_calls(expected_ns: int) -> None:
    clock = Clock()
    assert len(loop.steady(taking(clock, lambda _: 1), INPUTS, min_runs=1, min_time_ns=0, expected_ns=expected_ns, clock=clock)) == 1024


def test_only_the_call_and_the_clock_are_timed() -> None:
    clock = Clock()

    def read() -> int:
        clock.advance(3)
        return clock()

    found = loop.steady(taking(clock, lambda _: 7), Costly(clock), min_runs=4, min_time_ns=0, expected_ns=50 * MS, clock=read)
    assert found == [10, 10, 10, 10]  # the call's 7 and one reading's 3, none of the inputs' 1000


def test_inputs_are_taken_round_and_round_across_blocks() -> None:
    clock, seen = Clock(), list[str]()
    loop.steady(seen.append, ["a", "b", "c"], min_runs=8, min_time_ns=0, expected_ns=50 * MS, clock=clock)
    assert seen == list("abcabcab")


def test_inputs_are_taken_from_any_place_on() -> None:
    clock, seen = Clock(), list[str]()
    loop.steady(seen.append, ["a", "b", "c"], min_runs=4, min_time_ns=0, expected_ns=1_000 * MS, first=5, clock=clock)
    assert seen == list("cabc")


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_not_collected_while_timing_and_the_setting_comes_back(enabled: bool) -> None:
    seen = list[bool]()
    (gc.enable if enabled else gc.disable)()
    try:
        loop.steady(lambda _: seen.append(gc.isenabled()), INPUTS, min_runs=2, min_time_ns=0, expected_ns=1_000 * MS, clock=Clock())
        assert (seen, gc.isenabled()) == ([False, False], enabled)
    finally:
        gc.enable()


def test_garbage_is_collected_again_after_a_call_that_failed() -> None:
    def call(_: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        loop.steady(call, INPUTS, min_runs=1, min_time_ns=0, expected_ns=MS, clock=Clock())
    assert gc.isenabled()


# windows


def test_a_sustained_run_is_cut_into_windows_of_five_seconds_and_the_machine_is_looked_at_after_each() -> None:
    clock, looks = Clock(), list[Any]()

    def look(since: Any = None) -> dict[str, Any]:
        clock.advance(7 * MS)
        looks.append(since)
        return {"temp_c": 40.0 + len(looks), "freq_hz": 1_000_000_000, "throttled": len(looks) > 2, "load_average": 0.5}

    samples, found = loop.windows(
        taking(clock, lambda n: (100 if n < 50 else 125) * MS), INPUTS, min_runs=1, min_time_ns=10_000 * MS, expected_ns=100 * MS, look=look, clock=clock
    )
    assert samples == [100 * MS] * 50 + [125 * MS] * 40
    assert found == [
        Window(at_ns=5_000 * MS, runs=50, median_ns=100 * MS, temp_c=42.0, freq_hz=1_000_000_000, throttled=False),
        Window(at_ns=10_007 * MS, runs=40, median_ns=125 * MS, temp_c=43.0, freq_hz=1_000_000_000, throttled=True),
    ]
    assert [one and one["temp_c"] for one in looks] == [None, 41.0, 42.0]  # each look is told of the one before


def test_a_sustained_run_goes_on_until_there_are_enough_calls_over_all_inputs_in_turn() -> None:
    clock, seen = Clock(), list[int]()

    def call(one: int) -> None:
        seen.append(one)
        clock.advance(1_000 * MS)

    samples, found = loop.windows(call, range(7), min_runs=11, min_time_ns=0, expected_ns=1_000 * MS, look=lambda since=None: {}, clock=clock)
    assert (len(samples), len(found)) == (15, 3)
    assert seen == [place % 7 for place in range(15)]
    assert {(one.temp_c, one.freq_hz, one.throttled) for one in found} == {(None, None, None)}


# stages


def test_stages_are_gathered_by_name() -> None:
    found = loop.stages(lambda one: SimpleNamespace(stages_ns={"tokenise": one, "run": 10 * one}), [1, 2, 3])
    assert found == {"tokenise": [1, 2, 3], "run": [10, 20, 30]}


def test_the_stages_of_a_pipeline_sum_to_its_call(bag_of_words: Path, scripted: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    fake, path = Fake(), scripted()
    card = cards.read(path)
    task = TextClassification(card, {"tokenizer": path.parent / "tokenizer.json"})
    pipe = Pipeline(card, card.variants[0], fake.open(path.parent / "scripted.fake", Options()), task)
    read = list[int]()

    def clock() -> int:
        fake.clock.advance(5)
        read.append(fake.clock())
        return read[-1]

    monkeypatch.setattr("edgebench.pipeline.pipe.time", SimpleNamespace(perf_counter_ns=clock))
    found = loop.stages(pipe.stages, ["good film"])
    assert found == {"tokenise": [5], "run": [1005], "decode": [5]}
    assert sum(one for (one,) in found.values()) == read[-1] - read[0]

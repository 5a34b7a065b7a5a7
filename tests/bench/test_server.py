"""Queries that arrive by themselves, on a clock that a test sets: exact latencies, and searches whose right answer is known."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import accumulate, count, pairwise
from statistics import fmean, pstdev
from typing import Any

import pytest

from edgebench.backends.fake import Clock
from edgebench.bench import server, stats
from edgebench.bench.server import ENOUGH, Server, arrivals, highest, judged, serve
from edgebench.record import Trial

MS = 1_000_000
NEVER = 10**9  # late queries allowed: more than there are


def taking(clock: Clock, times_ns: Callable[[int], int]) -> Callable[[Any], None]:
    """A call that takes `times_ns(n)` for the n-th time, from 0."""
    calls = count()
    return lambda _: clock.advance(times_ns(next(calls)))


def served(clock: Clock, due_ms: Sequence[int], times_ms: Callable[[int], int], *, bound_ms: int = 1_000, may_be_late: int = NEVER) -> list[float]:
    """Latencies in ms before one worker."""
    call = taking(clock, lambda n: times_ms(n) * MS)
    found = serve(call, "ab", [one * MS for one in due_ms], workers=1, bound_ns=bound_ms * MS, may_be_late=may_be_late, clock=clock, wait=clock.advance)
    return [one / MS for one in found]


def queue_ns(due_ns: Sequence[int], service_ns: int) -> list[int]:
    """Latencies of a queue before one server that takes always as long, by Lindley's recursion (1952)."""
    done = accumulate(due_ns, lambda free, due: max(free, due) + service_ns, initial=0)
    return [end - due for end, due in zip(list(done)[1:], due_ns, strict=True)]


# one trial


def test_a_query_that_comes_while_none_is_answered_takes_as_long_as_its_call() -> None:
    assert served(Clock(), [0, 30, 60], lambda _: 10) == [10, 10, 10]


def test_a_query_that_comes_while_another_is_answered_waits_for_it() -> None:
    assert served(Clock(), [0, 4, 8, 50], lambda _: 10) == [10, 16, 22, 10]


def test_a_stall_is_charged_to_every_query_that_arrived_meanwhile() -> None:
    """Coordinated omission: a loop that waits for its answers would have seen one slow call of 100 ms among five of 10."""
    assert served(Clock(), [0, 20, 40, 60, 80, 200], lambda n: 100 if n == 0 else 10) == [100, 90, 80, 70, 60, 10]


def test_latencies_are_those_of_a_queue() -> None:
    clock, due = Clock(), arrivals(2_000, 80.0, seed=3)
    call = taking(clock, lambda _: 10 * MS)
    assert serve(call, "ab", due, workers=1, bound_ns=1, may_be_late=NEVER, clock=clock, wait=clock.advance) == queue_ns(due, 10 * MS)


def test_a_trial_ends_with_the_first_query_that_is_late_beyond_what_is_allowed() -> None:
    assert served(Clock(), [0, 4, 8, 12, 16], lambda _: 10, bound_ms=15, may_be_late=1) == [10, 16, 22]


def test_a_query_in_time_to_the_very_end_is_not_late() -> None:
    assert served(Clock(), [0, 30, 60], lambda _: 10, bound_ms=10, may_be_late=0) == [10, 10, 10]


def test_inputs_are_taken_in_order_of_arrival_round_and_round() -> None:
    clock, seen = Clock(), list[str]()
    serve(seen.append, "abc", [0] * 5, workers=1, bound_ns=1, may_be_late=NEVER, clock=clock, wait=clock.advance)
    assert seen == list("abcab")


def test_workers_answer_at_once() -> None:
    together = threading.Barrier(3)
    found = serve(lambda _: together.wait(10), "a", [0] * 6, workers=3, bound_ns=10**12, may_be_late=0)
    assert len(found) == 6  # no call could have returned before two others had begun


def test_a_call_that_fails_ends_the_trial_for_all_workers() -> None:
    calls = count()

    def call(_: str) -> None:
        if next(calls) == 3:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        serve(call, "a", [0] * 100_000, workers=2, bound_ns=10**12, may_be_late=0)
    assert next(calls) < 100_000


# arrivals


def test_so_many_queries_arrive_in_order_in_the_time_that_their_rate_gives() -> None:
    due = arrivals(1_000, 50.0, seed=1)
    assert len(due) == 1_000
    assert due == sorted(due)
    assert 0 <= due[0] < due[-1] < 20_000 * MS
    assert due[-1] > 19_500 * MS


def test_the_gaps_between_arrivals_are_those_of_a_poisson_process() -> None:
    gaps = [later - sooner for sooner, later in pairwise(arrivals(100_000, 1_000.0, seed=2))]
    assert fmean(gaps) == pytest.approx(1 * MS, rel=0.01)
    assert pstdev(gaps) == pytest.approx(1 * MS, rel=0.02)  # exponential: as wide as its mean
    assert sum(gap > 3 * MS for gap in gaps) / len(gaps) == pytest.approx(0.0498, rel=0.05)  # e ** -3


def test_a_seed_gives_one_pattern_at_every_rate() -> None:
    assert arrivals(100, 10.0, seed=5) == pytest.approx([10 * one for one in arrivals(100, 100.0, seed=5)], abs=10)
    assert arrivals(100, 10.0, seed=5) != arrivals(100, 10.0, seed=6)


# a trial's verdict


@pytest.mark.parametrize(("late", "holds"), [(0, True), (1, True), (2, False)])
def test_a_rate_holds_if_no_more_queries_are_late_than_still_support_the_percentile(late: int, holds: bool) -> None:
    found = judged(100.0, [9] * (ENOUGH - late) + [11] * late, 10, ENOUGH)
    assert found == Trial(rate_hz=100.0, queries=662, late=late, latency_ns=9, holds=holds)


def test_too_few_queries_hold_nothing_and_claim_nothing() -> None:
    assert judged(100.0, [9] * (ENOUGH - 1), 10, ENOUGH - 1) == Trial(rate_hz=100.0, queries=661, late=0, latency_ns=None, holds=False)


def test_a_trial_that_ended_early_does_not_hold() -> None:
    assert not judged(100.0, [9] * ENOUGH, 10, ENOUGH + 1).holds


# the search


def told(limit: float) -> tuple[Callable[[float], bool | None], list[float]]:
    """An oracle: rates up to the limit hold; and the rates it was asked for."""
    asked = list[float]()

    def holds(rate: float) -> bool:
        asked.append(rate)
        return rate <= limit

    return holds, asked


@pytest.mark.parametrize("limit", [3.0, 100.0, 101.0, 199.0, 777.0, 5_000.0])
def test_the_search_ends_with_a_rate_that_holds_within_five_per_cent_of_one_that_does_not(limit: float) -> None:
    low, high = highest(told(limit)[0], 100.0)
    assert low is not None
    assert high is not None
    assert low <= limit < high <= 1.05 * low


def test_the_search_doubles_then_bisects() -> None:
    holds, asked = told(320.0)
    highest(holds, 100.0)
    assert asked == pytest.approx([100, 200, 400, 282.84, 336.36, 308.44, 322.10], abs=0.01)


def test_small_steps_grow_as_they_are_taken_and_then_it_bisects() -> None:
    holds, asked = told(140.0)
    highest(holds, 100.0, step=1.05)
    assert asked == pytest.approx([100, 105, 115.76, 140.71, 127.63, 134.01], abs=0.01)


def test_where_no_rate_holds_the_search_gives_up() -> None:
    holds, asked = told(0.0)
    low, high = highest(holds, 64.0)
    assert (low, high, asked) == (None, 1.0, [64, 32, 16, 8, 4, 2, 1])


def test_where_every_rate_holds_the_search_gives_up_too() -> None:
    low, high = highest(told(1e12)[0], 1.0)
    assert (low, high) == (64.0, None)


def test_without_time_the_search_says_what_it_knows() -> None:
    holds, asked = told(320.0)
    assert highest(lambda rate: holds(rate) if len(asked) < 3 else None, 100.0) == (200.0, 400.0)


# a server


def at(service_ms: float, *, bound_ms: float, seed: int = 0, time_s: float = 10_000.0) -> Server:
    """One that takes always as long for a query."""
    clock = Clock()
    call = taking(clock, lambda _: int(service_ms * MS))
    return Server(call, "ab", workers=1, bound_ns=int(bound_ms * MS), seed=seed, end_ns=int(1e9 * time_s), clock=clock, wait=clock.advance)


@pytest.mark.parametrize("seed", range(4))
def test_the_highest_rate_is_that_of_the_queue(seed: int) -> None:
    """At the rate found the very queue of these arrivals holds the bound, and at the next that was tried above it does not."""
    found = at(10, bound_ms=50, seed=seed)
    rate = found.highest(70.0, lambda _: ENOUGH)
    assert rate is not None
    above = min(one.rate_hz for one in found.trials if one.rate_hz > rate)
    assert above <= 1.05 * rate
    late = [sum(one > 50 * MS for one in queue_ns(arrivals(ENOUGH, at_hz, seed), 10 * MS)) for at_hz in (rate, above)]
    assert late[0] <= stats.over(ENOUGH, 0.99) < late[1]


def test_with_many_queries_the_highest_rate_nears_the_queues_own() -> None:
    """Of a queue with Poisson arrivals and a constant service, simulated at length: 55 a second of the 100 that its calls would allow."""
    p99 = [stats.percentile(queue_ns(arrivals(100_000, rate, 99), 10 * MS), 0.99) / MS for rate in (54.0, 56.0)]
    assert p99[0] < 50 < p99[1]
    rate = at(10, bound_ms=50).highest(70.0, lambda _: 5_000)
    assert rate is not None
    assert rate == pytest.approx(55, rel=0.06)


def test_the_highest_rate_is_confirmed_with_as_many_queries_as_are_asked_for_and_one_step_above_is_not() -> None:
    found = at(10, bound_ms=50)
    rate = found.highest(70.0, lambda _: 5_000)
    best = max((one for one in found.trials if one.holds and one.queries > ENOUGH), key=lambda one: one.rate_hz)
    assert (best.rate_hz, best.queries, len(found.queries_ns)) == (rate, 5_000, 5_000)
    assert any(not one.holds and rate < one.rate_hz <= 1.0501 * rate for one in found.trials if one.queries > ENOUGH or one is found.trials[-1])
    assert found.notes == []


@pytest.mark.parametrize(("slow_ms", "fast_ms"), [(20, 10), (10, 14)])
def test_what_slowed_down_or_got_faster_since_the_search_is_looked_for_again(slow_ms: int, fast_ms: int) -> None:
    """The first 1000 queries are answered at one speed and the others at another, whose highest rate is the one found."""
    clock = Clock()
    call = taking(clock, lambda n: (slow_ms if n < 1_000 else fast_ms) * MS)
    found = Server(call, "a", workers=1, bound_ns=50 * MS, seed=0, end_ns=10**15, clock=clock, wait=clock.advance)
    rate = found.highest(70.0, lambda _: ENOUGH)
    assert rate == pytest.approx(at(fast_ms, bound_ms=50).highest(70.0, lambda _: ENOUGH), rel=0.06)


def test_a_bound_below_one_call_holds_at_no_rate() -> None:
    found = at(10, bound_ms=9)
    assert found.highest(70.0, lambda _: ENOUGH) is None
    assert not any(one.holds for one in found.trials)
    assert found.queries_ns
    assert "ended without a rate that holds" in found.notes[0]


def test_a_search_stops_before_a_trial_that_would_pass_its_time() -> None:
    found = at(10, bound_ms=50, time_s=25.0)
    assert found.highest(70.0, lambda _: ENOUGH) == 35.0  # 70 does not hold; 35 takes 19 s, and then there is no time for 49
    assert found.clock() < 25e9
    assert found.notes == ["server: the search ended without a rate that holds close to one that does not; allow more with --timeout or --bound"]


@pytest.mark.parametrize("time_s", [25.0, 100.0])
def test_a_rate_that_there_is_no_time_to_confirm_with_as_many_queries_as_were_asked_for_is_none(time_s: float) -> None:
    found = at(10, bound_ms=50, time_s=time_s)
    assert found.highest(70.0, lambda rate: int(600 * rate)) is None
    assert found.trials[-1].queries <= ENOUGH
    assert len(found.notes) == 1


@pytest.mark.parametrize(("rate", "expected"), [(40.0, 40.0), (60.0, None)])
def test_a_rate_that_is_asked_for_is_the_only_one_offered(rate: float, expected: float | None) -> None:
    found = at(10, bound_ms=50)
    assert found.only(rate, 1_000) == expected
    assert [one.rate_hz for one in found.trials] == [rate]


def test_a_rate_too_low_for_the_time_is_offered_and_cannot_be_claimed() -> None:
    found = at(10, bound_ms=50, time_s=20.0)
    assert found.only(5.0, 1_000) is None
    assert found.trials == [Trial(rate_hz=5.0, queries=100, late=0, latency_ns=None, holds=False)]
    assert found.notes == ["server: 100 queries fit into the time, 662 are needed to claim a 99th percentile; allow more with --timeout"]


def test_the_queries_kept_are_those_of_the_highest_rate_that_held() -> None:
    found = at(10, bound_ms=50)
    rate = found.highest(70.0, lambda _: ENOUGH)
    assert rate is not None
    assert found.queries_ns == queue_ns(arrivals(ENOUGH, rate, 0), 10 * MS)


def test_enough_is_what_supports_the_percentile() -> None:
    assert (server.PERCENTILE, ENOUGH) == (0.99, 662)

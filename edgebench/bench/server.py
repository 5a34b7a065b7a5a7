"""Queries that arrive by themselves -> their latencies, and the highest rate at which 99 % of them stay within a bound.

A latency is counted from the scheduled arrival, whatever kept the query waiting: a stall is charged to every query that
arrived meanwhile, not only to the one that was being answered (the coordinated omission of G. Tene, How NOT to Measure
Latency, 2013). A rate holds by LoadGen's rule for its server scenario: of n queries no more are late than still support
"99 % are in time" (`stats.over`). Late queries come in rows, so the claim is less certain than one of independent calls.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any

from edgebench.bench import stats
from edgebench.bench.loop import Clock, no_garbage_collection
from edgebench.record import Trial

Wait = Callable[[int], None]  # for so many ns

PERCENTILE = 0.99
ENOUGH = stats.minimum(PERCENTILE)  # queries of a trial, 662: fewer do not support the percentile
PRECISION = 0.05  # the search ends when a rate that holds and one that does not are so near
NEAR = (1 + PRECISION) * (1 + 1e-9)  # their ratio then, with what rounding may add
FURTHEST = 64  # times faster or slower than the guess, where the search gives up
HEAD_START_NS = 10_000_000  # for the workers to be there before the first query


def wait(ns: int) -> None:
    """Sleep. The system wakes a sleeper 50 to 100 us late, and a query that came to an idle server waits that long too."""
    time.sleep(ns / 1e9)


def arrivals(queries: int, rate_hz: float, seed: int) -> list[int]:
    """When so many queries arrive, in ns from the start: a Poisson process of exactly this mean rate.

    Given how many of its arrivals fall into a time, they lie there independently and evenly (Ross, Introduction to
    Probability Models, theorem 5.2), so they are drawn like that: exponential gaps would miss the rate by 4 % in 662.
    One seed gives the same pattern at every rate, only faster.
    """
    random, whole_ns = Random(seed), 1e9 * queries / rate_hz
    return sorted(int(whole_ns * random.random()) for _ in range(queries))


def serve(
    call: Callable[[Any], Any], inputs: Sequence[Any], due_ns: Sequence[int], *, workers: int, bound_ns: int, may_be_late: int,
    clock: Clock = time.perf_counter_ns, wait: Wait = wait,
) -> list[int]:
    """Each query's ns from its arrival in `due_ns` to its answer; inputs are taken round and round.

    A free worker takes the next query in order of arrival and sleeps until it is there, which is a queue before `workers`
    servers without a thread that feeds it. Ends early, with the queries so far, once more than `may_be_late` are late.
    """
    taken_ns = [-1] * len(due_ns)
    late: list[int] = []
    places = iter(range(len(due_ns)))  # shared: taking the next is one step of the interpreter
    begin = clock() + HEAD_START_NS

    def work() -> None:
        try:
            for place in places:
                one, due = inputs[place % len(inputs)], begin + due_ns[place]
                early = due - clock()
                if early > 0:
                    wait(early)
                call(one)
                taken_ns[place] = clock() - due
                if taken_ns[place] > bound_ns:
                    late.append(place)
                if len(late) > may_be_late:
                    break
        finally:
            deque(places, maxlen=0)  # nothing more for the others either

    with no_garbage_collection():
        if workers == 1:
            work()
        else:
            with ThreadPoolExecutor(workers) as pool:
                for done in [pool.submit(work) for _ in range(workers)]:
                    done.result()
    return [taken for taken in taken_ns if taken >= 0]


def highest(holds: Callable[[float], bool | None], guess_hz: float, *, step: float = 2.0) -> tuple[float | None, float | None]:
    """The greatest rate that held and the least that did not: up or down from the guess by steps, then bisected.

    A small step grows with each taken, to a factor of 2 at most. `holds` answers None when there is no time for another rate.
    Either is None where no rate was found.
    """
    low: float | None = None
    high: float | None = None
    rate = guess_hz
    while guess_hz / FURTHEST <= rate <= guess_hz * FURTHEST:
        found = holds(rate)
        if found is None:
            break
        low, high = (rate, high) if found else (low, rate)
        if low and high and high <= low * NEAR:
            break
        if low and high:
            rate = math.sqrt(low * high)
        else:
            rate = rate * step if low else rate / step
            step = min(step * step, 2.0)
    return low, high


@dataclass
class Server:
    """A call that answers queries, and the rates it was offered so far.

    `queries_ns` are those of the last trial that held, else of the last. `end_ns` on the clock no trial must pass.
    """

    call: Callable[[Any], Any]
    inputs: Sequence[Any]
    workers: int
    bound_ns: int
    seed: int
    end_ns: int
    clock: Clock = time.perf_counter_ns
    wait: Wait = wait
    trials: list[Trial] = field(default_factory=list)
    queries_ns: list[int] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def offer(self, rate_hz: float, queries: int) -> bool:
        """Whether this rate holds."""
        may_be_late = max(stats.over(queries, PERCENTILE), 0) if queries >= ENOUGH else queries
        due_ns = arrivals(queries, rate_hz, self.seed)
        found = serve(
            self.call, self.inputs, due_ns, workers=self.workers, bound_ns=self.bound_ns, may_be_late=may_be_late, clock=self.clock, wait=self.wait
        )
        trial = judged(rate_hz, found, self.bound_ns, queries)
        if trial.holds or not any(one.holds for one in self.trials):
            self.queries_ns = found
        self.trials.append(trial)
        return trial.holds

    def only(self, rate_hz: float, queries: int) -> float | None:
        """This rate, if it holds; offered with fewer queries where the time is too short for all."""
        fit = max(1, min(queries, int(rate_hz * self._left_s())))
        if fit < ENOUGH:
            self.notes.append(f"server: {fit} queries fit into the time, {ENOUGH} are needed to claim a 99th percentile; allow more with --timeout")
        return rate_hz if self.offer(rate_hz, fit) else None

    def highest(self, guess_hz: float, queries: Callable[[float], int]) -> float | None:
        """The highest rate that holds, looked for with as few queries as support it, then again from there with `queries` of a rate.

        A disturbance while it was looked for, which made a rate fail, is so put right, and a rate that held by luck found out.
        Where there is no time for that, what was found stands, unless more queries were asked for.
        """
        rate, above = highest(lambda one: self._offer_in_time(one, ENOUGH), guess_hz)
        if rate and (queries(rate) > ENOUGH or self._fits(rate, ENOUGH)):
            rate, above = highest(lambda one: self._offer_in_time(one, queries(one)), rate, step=1 + PRECISION)
        if not rate or not above or above > rate * NEAR:
            self.notes.append("server: the search ended without a rate that holds close to one that does not; allow more with --timeout or --bound")
        return rate

    def _offer_in_time(self, rate_hz: float, queries: int) -> bool | None:
        return self.offer(rate_hz, queries) if self._fits(rate_hz, queries) else None

    def _fits(self, rate_hz: float, queries: int) -> bool:
        return queries / rate_hz <= self._left_s()

    def _left_s(self) -> float:
        return (self.end_ns - self.clock()) / 1e9


def judged(rate_hz: float, queries_ns: list[int], bound_ns: int, planned: int) -> Trial:
    """A trial that ended early cannot hold, and neither can one of too few queries."""
    late = sum(one > bound_ns for one in queries_ns)
    supported = stats.supported(queries_ns, PERCENTILE)
    return Trial(
        rate_hz=rate_hz, queries=len(queries_ns), late=late, latency_ns=None if supported is None else round(supported),
        holds=supported is not None and len(queries_ns) == planned and late <= stats.over(planned, PERCENTILE),
    )

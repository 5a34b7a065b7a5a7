"""A call and real inputs -> nanoseconds: warm-up until it settles, the timed loop, its windows, the stages.

The timed region holds the clock, the call, and a write into a list made beforehand. The clock is a parameter, so that a
test can set it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

from edgebench.record import Window

Clock = Callable[[], int]

WARM_UP_RUNS, WARM_UP_NS = 10, 500_000_000  # at least so many, and at least so long
ROUND = 20  # calls whose medians are compared: always the same inputs, so that only the machine differs
SETTLED = 0.05
WINDOW_NS = 5_000_000_000  # of a sustained run, between two looks at the machine: a look takes a millisecond
BLOCK_NS = 200_000_000  # timed calls between two looks at the total: about so long
BLOCK_CALLS = 1024


def warm_up(call: Callable[[Any], Any], inputs: Sequence[Any], *, cap_ns: int, clock: Clock = time.perf_counter_ns) -> tuple[list[int], bool]:
    """Call until the medians of two rounds over the same few inputs differ by less than 5 %: every call's ns, and True.

    After `cap_ns` an unsettled series is taken as it is, with False.
    """
    inputs = inputs[:ROUND]
    min_runs = min(WARM_UP_RUNS, len(inputs))  # where all inputs are one query, that one
    samples: list[int] = []
    begin = clock()
    while True:
        for one in inputs:
            start = clock()
            call(one)
            samples.append(clock() - start)
            spent = clock() - begin
            if len(samples) >= min_runs and spent >= cap_ns:
                return samples, False
        if len(samples) >= min_runs and spent >= WARM_UP_NS and _settled(samples, len(inputs)):
            return samples, True


def steady(
    call: Callable[[Any], Any], inputs: Sequence[Any], *, min_runs: int, min_time_ns: int, expected_ns: int, first: int = 0,
    clock: Clock = time.perf_counter_ns,
) -> list[int]:
    """Time calls over `inputs`, round and round from place `first` on, until there are `min_runs` and `min_time_ns` have passed.

    `expected_ns` is a call's time as the warm-up found it: it sizes the blocks of calls between which the total is looked at.
    """
    size = max(1, min(BLOCK_CALLS, BLOCK_NS // max(expected_ns, 1)))
    samples: list[int] = []
    begin = clock()
    with no_garbage_collection():
        while len(samples) < min_runs or clock() - begin < min_time_ns:
            block = [inputs[(first + len(samples) + place) % len(inputs)] for place in range(size)]
            times = [0] * size
            for place, one in enumerate(block):
                start = clock()
                call(one)
                times[place] = clock() - start
            samples += times
    return samples


def windows(
    call: Callable[[Any], Any], inputs: Sequence[Any], *, min_runs: int, min_time_ns: int, expected_ns: int, look: Callable[..., dict[str, Any]],
    clock: Clock = time.perf_counter_ns,
) -> tuple[list[int], list[Window]]:
    """`steady` in windows of `WINDOW_NS`: every call's ns, and what each window was like.

    After each the machine is looked at with `look(since=what it was before)`, e.g. `bench.state.now`.
    """
    samples: list[int] = []
    found: list[Window] = []
    seen = look()
    begin = clock()
    while len(samples) < min_runs or clock() - begin < min_time_ns:
        times = steady(call, inputs, min_runs=1, min_time_ns=WINDOW_NS, expected_ns=expected_ns, first=len(samples), clock=clock)
        samples += times
        at_ns, seen = clock() - begin, look(since=seen)
        state = {name: seen.get(name) for name in ("temp_c", "freq_hz", "throttled")}
        found.append(Window(at_ns=at_ns, runs=len(times), median_ns=round(median(times)), **state))
    return samples, found


def stages(call: Callable[[Any], Any], inputs: Sequence[Any]) -> dict[str, list[int]]:
    """Each stage's ns over one call for each input; `call` is `Pipeline.stages`."""
    with no_garbage_collection():
        staged = [call(one).stages_ns for one in inputs]
    return {name: [one[name] for one in staged] for name in staged[0]}


def _settled(samples: list[int], window: int) -> bool:
    if len(samples) < 2 * window:
        return False
    before, now = median(samples[-2 * window : -window]), median(samples[-window:])
    return abs(now - before) < SETTLED * before or now == before


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect now, and not again until the end: a pause in the middle would be the harness's, not the model's."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

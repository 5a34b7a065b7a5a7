"""A call and real inputs -> nanoseconds: warm-up until it settles, then the timed loop, then the stages.

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

Clock = Callable[[], int]

WARM_UP_RUNS, WARM_UP_NS = 10, 500_000_000  # at least so many, and at least so long
WINDOW = 20  # calls whose medians are compared: always the same inputs, so that only the machine differs
SETTLED = 0.05
BLOCK_NS = 200_000_000  # timed calls between two looks at the total: about so long
BLOCK_CALLS = 1024


def warm_up(call: Callable[[Any], Any], inputs: Sequence[Any], *, cap_ns: int, clock: Clock = time.perf_counter_ns) -> list[int]:
    """Call until the medians of two rounds over the same few inputs differ by less than 5 %; every call's ns.

    After `cap_ns` an unsettled series is taken as it is.
    """
    inputs = inputs[:WINDOW]
    samples: list[int] = []
    begin = clock()
    while True:
        for one in inputs:
            start = clock()
            call(one)
            samples.append(clock() - start)
            spent = clock() - begin
            if len(samples) >= WARM_UP_RUNS and spent >= cap_ns:
                return samples
        if len(samples) >= WARM_UP_RUNS and spent >= WARM_UP_NS and _settled(samples, len(inputs)):
            return samples


def steady(
    call: Callable[[Any], Any], inputs: Sequence[Any], *, min_runs: int, min_time_ns: int, expected_ns: int, clock: Clock = time.perf_counter_ns,
) -> list[int]:
    """Time calls over `inputs`, round and round, until there are `min_runs` of them and `min_time_ns` have passed.

    `expected_ns` is a call's time as the warm-up found it: it sizes the blocks of calls between which the total is looked at.
    """
    size = max(1, min(BLOCK_CALLS, BLOCK_NS // max(expected_ns, 1)))
    samples: list[int] = []
    begin = clock()
    with _no_garbage_collection():
        while len(samples) < min_runs or clock() - begin < min_time_ns:
            block = [inputs[(len(samples) + place) % len(inputs)] for place in range(size)]
            times = [0] * size
            for place, one in enumerate(block):
                start = clock()
                call(one)
                times[place] = clock() - start
            samples += times
    return samples


def stages(call: Callable[[Any], Any], inputs: Sequence[Any]) -> dict[str, list[int]]:
    """Each stage's ns over one call for each input; `call` is `Pipeline.stages`."""
    with _no_garbage_collection():
        staged = [call(one).stages_ns for one in inputs]
    return {name: [one[name] for one in staged] for name in staged[0]}


def _settled(samples: list[int], window: int) -> bool:
    if len(samples) < 2 * window:
        return False
    before, now = median(samples[-2 * window : -window]), median(samples[-window:])
    return abs(now - before) < SETTLED * before or now == before


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Collect now, and not again until the end: a pause in the middle would be the harness's, not the model's."""
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

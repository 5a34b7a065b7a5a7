"""The energy pass: what a meter counts while the model answers, and while the same process sleeps before that.

Both windows stand in the record as they were counted; what is subtracted from what is for the report to say.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

from edgebench import plugins
from edgebench.bench import loop, subject
from edgebench.bench.job import Answer, Job
from edgebench.bench.meters.base import Meter
from edgebench.errors import EdgebenchError, UnsupportedError
from edgebench.record import Energy, Spec

OURS = ("rapl", "battery_gauge")  # the finer one first
LOOK_S = 0.5
SPENT = 0.8  # of the time a pass may take: both windows together
DRAWN = 4096


def find(spec: Spec, root: Path = Path("/")) -> Meter | str:
    """The meter that the spec names, else the first there is, those of other packages before ours; else why there is none."""
    others = [name for name in plugins.names("probes") if name not in plugins.BUILT_IN["probes"]]
    reasons = []
    for name in ("meter_file",) if spec.meter else (*others, *OURS):
        try:
            found: Meter | str = plugins.get("probes", name)(spec, root)
        except UnsupportedError as error:  # a package that fails to load: it is named in the message
            found = str(error)
        except Exception as error:  # a stranger's probe may raise anything
            found = f"probe {name!r} failed: {type(error).__name__}: {error}"
        if not isinstance(found, str):
            return found
        reasons.append(found)
    return "; ".join(reasons)


def measure(job: Job, *, root: Path = Path("/")) -> Answer:
    """Both windows, or a note on why there are none: a cell is not lost for the want of a meter."""
    meter, spec = find(job.spec, root), job.spec
    with subject.load(spec) as pipe:
        facts = subject.facts(pipe)
        if isinstance(meter, str):
            return Answer(notes=[f"energy: no meter: {meter}"], **facts)
        if 2 * _length_s(meter, spec) > SPENT * spec.timeout_s:
            needed = f"energy: {meter.name} needs two windows of {_length_s(meter, spec):.0f} s, more than a pass may take; allow more with --timeout"
            return Answer(notes=[needed], **facts)
        inputs = Random(spec.seed).choices(subject.inputs(job, pipe), k=DRAWN)
        queries = inputs if spec.batch == 1 else [inputs[first : first + spec.batch] for first in range(0, len(inputs), spec.batch)]
        call = pipe if spec.batch == 1 else pipe.batch
        loop.warm_up(call, queries, cap_ns=int(spec.warm_up_cap_s * 1e9))
        try:
            return Answer(energy=windows(meter, call, queries, length_s=_length_s(meter, spec)), **facts)
        except EdgebenchError as error:
            return Answer(notes=[f"energy: {meter.name}: {error}"], **facts)


def windows(
    meter: Meter, call: Callable[[Any], Any], queries: Iterable[Any], *, length_s: float,
    clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep,
) -> Energy:
    """Sleep for a window of `length_s`, then call over and over for another.

    UnsupportedError where the meter did not move while there was work: a gauge in coarse steps, or a counter that only
    looks like one, as some virtual machines have.
    """
    idle_j, idle_s, _ = _window(meter, lambda: sleep(LOOK_S), length_s, clock)
    again = cycle(queries)
    run_j, run_s, runs = _window(meter, lambda: call(next(again)), length_s, clock)
    if run_j <= 0:
        raise UnsupportedError(f"the meter counted {run_j:g} J in {run_s:.1f} s of work; measure longer with --full, or with another meter")
    return Energy(method=meter.name, scope=meter.scope, idle_j=idle_j, idle_s=idle_s, run_j=run_j, run_s=run_s, runs=runs)


def _length_s(meter: Meter, spec: Spec) -> float:
    return max(meter.window_s, spec.min_time_s)


def _window(meter: Meter, step: Callable[[], Any], length_s: float, clock: Callable[[], float]) -> tuple[float, float, int]:
    """Joules, seconds and steps of one window."""
    steps = 0
    meter.begin()
    begin = looked = now = clock()
    while now - begin < length_s:
        step()
        steps += 1
        now = clock()
        if now - looked >= LOOK_S:
            meter.look()
            looked = now
    spent = clock() - begin
    return meter.end(), spent, steps

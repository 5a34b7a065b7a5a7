"""The latency pass: a cold start, since a fresh process has only one; a rest for the device; what the scenario times; the stages."""

from __future__ import annotations

import time
from random import Random
from typing import Any

from edgebench.bench import cold, subject
from edgebench.bench.cold import Birth
from edgebench.bench.job import Answer, Job
from edgebench.record import Latency

DRAWN = 4096  # inputs, drawn with replacement, then again from the first; a whole number of queries, so a few more where one has many
STAGED = 50  # calls with a clock between their stages
SPENT = 0.8  # of the time a pass may take: then no more trials begin


def latency(job: Job, birth: Birth) -> Answer:
    """Every query of the spec's scenario, with the machine's state before and after."""
    pipe, phases = cold.start(job, birth)
    from edgebench.bench import heat, loop, scenarios, state  # after the cold start, which they are no part of

    spec = job.spec
    cooling, before = heat.cool(spec), state.now()
    inputs = subject.inputs(job, pipe)
    sizes = dict(zip(inputs, pipe.task.sizes(inputs), strict=True)) if pipe.task.unit == "tokens" else None
    order = drawn(inputs, spec.batch, spec.seed)
    left_ns = int(SPENT * 1e9 * spec.timeout_s) - (time.monotonic_ns() - birth.spawned_ns)
    warm, settled, found = scenarios.measure(scenarios.Given(pipe, spec, order, left_ns))
    staged = loop.stages(pipe.stages, order[: max(1, min(STAGED, len(found.places)))])
    tokens = [sizes[order[place % len(order)]] for place in found.places] if sizes else None
    timed = Latency(
        processes_ns=[found.queries_ns], warm_up_ns=[warm], settled=[settled], tokens=[tokens] if tokens else None, stages_ns=staged, clock=found.clock
    )
    return Answer(
        latency=timed, throughput=found.throughput, sustained=found.sustained, cooling=cooling, cold=phases, notes=found.notes, before=before,
        after=state.now(since=before), **subject.facts(pipe),
    )


def drawn(inputs: list[Any], batch: int, seed: int) -> list[Any]:
    """At least `DRAWN` of the inputs in an order that the seed gives, enough for whole queries of `batch`."""
    return Random(seed).choices(inputs, k=-(-DRAWN // batch) * batch)

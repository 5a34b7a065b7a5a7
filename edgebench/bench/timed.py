"""The latency and the cold pass. A latency pass begins as a cold start, because a fresh process has only one.

The phases of the cold start are stamped before anything else is read or warmed up, and cost the timed loop nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random
from statistics import median
from typing import TYPE_CHECKING

from edgebench.bench import host, loop, subject
from edgebench.bench.job import Answer, Job
from edgebench.record import Cold, Latency

if TYPE_CHECKING:
    from edgebench.pipeline import Pipeline

DRAWN = 4096  # inputs of the timed loop, drawn with replacement; then again from the first
STAGED = 50  # calls with a clock between their stages


@dataclass(frozen=True)
class Birth:
    """Of this process, by the system's monotonic clock: when its parent started it, and when its first line ran."""

    spawned_ns: int
    first_line_ns: int


def cold(job: Job, birth: Birth) -> Answer:
    """The phases from the process's start to the first answer."""
    pipe, phases = _start(job, birth)
    return Answer(cold=phases, **subject.facts(pipe))


def latency(job: Job, birth: Birth) -> Answer:
    """A cold start, then the warm-up, then the timed loop."""
    pipe, phases = _start(job, birth)
    spec, before = job.spec, host.now()
    inputs = subject.inputs(job, pipe)
    sizes = dict(zip(inputs, pipe.task.sizes(inputs), strict=True)) if inputs and isinstance(inputs[0], str) else None
    order = Random(spec.seed).choices(inputs, k=DRAWN)
    warm = loop.warm_up(pipe, order, cap_ns=int(spec.warm_up_cap_s * 1e9))
    samples = loop.steady(pipe, order, min_runs=spec.min_runs, min_time_ns=int(spec.min_time_s * 1e9), expected_ns=int(median(warm)))
    staged = loop.stages(pipe.stages, order[: max(1, min(STAGED, len(samples)))])
    tokens = [sizes[order[place % DRAWN]] for place in range(len(samples))] if sizes else None
    found = Latency(processes_ns=[samples], warm_up_ns=[warm], tokens=[tokens] if tokens else None, stages_ns=staged)
    return Answer(latency=found, cold=phases, before=before, after=host.now(), **subject.facts(pipe))


def _start(job: Job, birth: Birth) -> tuple[Pipeline, Cold]:
    """The pipeline after its first answer, and how long each step to it took."""
    subject.import_all(job.spec)
    imported = time.monotonic_ns()
    pipe = subject.load(job.spec)
    loaded = time.monotonic_ns()
    pipe(job.examples[0])
    answered = time.monotonic_ns()
    return pipe, Cold(
        process_start_ns=birth.first_line_ns - birth.spawned_ns, import_ns=imported - birth.first_line_ns, load_ns=loaded - imported,
        first_answer_ns=answered - loaded, total_ns=answered - birth.spawned_ns,
    )

"""A Job -> an Answer: the four passes, each over the pipeline an app would call.

A latency pass begins as a cold start, because a fresh process has only one: its phases are stamped before anything else
is read or warmed up, and cost the timed loop nothing. Memory and accuracy have processes of their own, since reading the
kernel's books and keeping predictions would change what the others see.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any

from edgebench.bench import host, loop, probes
from edgebench.bench.job import Answer, Job
from edgebench.errors import EngineError, UnsupportedError
from edgebench.record import Accuracy, Cold, Latency, Memory, Spec

if TYPE_CHECKING:
    from edgebench.pipeline import Pipeline

DRAWN = 4096  # inputs of the timed loop, drawn with replacement; then again from the first
RESIZED = 64  # different inputs made at a fixed length
STAGED = 50  # calls with a clock between their stages
MEMORY_RUNS = 50


def run(job: Job, *, spawned_ns: int, first_line_ns: int) -> Answer:
    """Do the job's pass in this process."""
    _import(job.spec)
    imported = time.monotonic_ns()
    if job.part == "memory":
        return _memory(job)
    pipe = _load(job.spec)
    loaded = time.monotonic_ns()
    if job.part == "accuracy":
        return _accuracy(job, pipe)
    pipe(job.examples[0])
    answered = time.monotonic_ns()
    cold = Cold(
        process_start_ns=first_line_ns - spawned_ns, import_ns=imported - first_line_ns, load_ns=loaded - imported,
        first_answer_ns=answered - loaded, total_ns=answered - spawned_ns,
    )
    return Answer(cold=cold, **_facts(pipe)) if job.part == "cold" else _latency(job, pipe, cold)


def _latency(job: Job, pipe: Pipeline, cold: Cold) -> Answer:
    spec, before = job.spec, host.now()
    inputs = _inputs(job, pipe)
    sizes = dict(zip(inputs, pipe.task.sizes(inputs), strict=True)) if inputs and isinstance(inputs[0], str) else None
    order = Random(spec.seed).choices(inputs, k=DRAWN)
    warm = loop.warm_up(pipe, order, cap_ns=int(spec.warm_up_cap_s * 1e9))
    samples = loop.steady(pipe, order, min_runs=spec.min_runs, min_time_ns=int(spec.min_time_s * 1e9), expected_ns=int(median(warm)))
    staged = loop.stages(pipe.stages, order[: max(1, min(STAGED, len(samples)))])
    tokens = [sizes[order[place % DRAWN]] for place in range(len(samples))] if sizes else None
    latency = Latency(processes_ns=[samples], warm_up_ns=[warm], tokens=[tokens] if tokens else None, stages_ns=staged)
    return Answer(latency=latency, cold=cold, before=before, after=host.now(), **_facts(pipe))


def _memory(job: Job) -> Answer:
    baseline = probes.resident_bytes()
    with _load(job.spec) as pipe:
        loaded = probes.resident_bytes()
        inputs = _inputs(job, pipe)
        pipe(inputs[0])
        first = probes.resident_bytes()
        for place in range(MEMORY_RUNS - 1):
            pipe(inputs[(place + 1) % len(inputs)])
        peak, method = probes.peak_bytes()
        memory = Memory(baseline_bytes=baseline, loaded_bytes=loaded, first_answer_bytes=first, peak_bytes=peak, runs=MEMORY_RUNS, method=method)
        return Answer(memory=memory, **_facts(pipe))


def _accuracy(job: Job, pipe: Pipeline) -> Answer:
    """Every example once, one by one: the call that is timed."""
    if job.expected is None:
        raise UnsupportedError("the accuracy pass was given no labels; give a labelled dataset")
    predictions = [pipe(example) for example in job.examples]
    probabilities = pipe.task.probabilities(predictions)
    broken = sum(not all(map(math.isfinite, row)) for row in probabilities)
    if broken:
        raise EngineError(f"{broken} of {len(probabilities)} answers are not finite numbers; the file or the engine's kernels are broken at this precision")
    metric = pipe.task.score(predictions, job.expected.labels)
    accuracy = Accuracy(
        metric=metric.name, value=metric.value, low=metric.low, high=metric.high, interval=metric.interval, n=metric.n,
        dataset=job.expected.dataset, dataset_sha256=job.expected.sha256, dataset_source=job.expected.source,
        predictions=pipe.task.labels(predictions), probabilities=probabilities,
    )
    return Answer(accuracy=accuracy, **_facts(pipe))


def _import(spec: Spec) -> None:
    """Import what the pipeline will need, so that importing and loading are told apart."""
    from edgebench import catalog, pipeline, plugins  # noqa: F401
    from edgebench.models import card as cards

    plugins.get("backends", spec.backend).version()
    plugins.get("tasks", cards.read(catalog.find("models", spec.model)).task)


def _load(spec: Spec) -> Pipeline:
    from edgebench.pipeline import load

    pipe = load(spec.model, backend=spec.backend, precision=spec.precision, threads=spec.threads, accelerator=spec.accelerator, allow_code=spec.allow_code)
    if pipe.variant.format != spec.format:
        raise UnsupportedError(f"backend {spec.backend!r} opened {pipe.variant.name}, not {spec.format}/{spec.precision}; list one of them in the card")
    return pipe


def _inputs(job: Job, pipe: Pipeline) -> list[Any]:
    if job.spec.length is None:
        return job.examples
    return pipe.task.resize(job.examples[:RESIZED], job.spec.length, job.spec.seed)


def _facts(pipe: Pipeline) -> dict[str, Any]:
    variant = pipe.variant
    return {
        "engine": asdict(pipe.facts),
        "artifact": {"format": variant.format, "file": variant.file, "sha256": variant.sha256, "size_bytes": variant.size_bytes},
    }

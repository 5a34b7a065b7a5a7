"""The memory pass: what a process of its own holds with the engine imported, the model loaded, after answers, and at most."""

from __future__ import annotations

from edgebench.bench import probes, subject
from edgebench.bench.job import Answer, Job
from edgebench.record import Memory

RUNS = 50


def measure(job: Job) -> Answer:
    """The kernel's own figures; nothing is subtracted."""
    subject.import_all(job.spec)
    baseline = probes.resident_bytes()
    with subject.load(job.spec) as pipe:
        loaded = probes.resident_bytes()
        inputs = subject.inputs(job, pipe)
        pipe(inputs[0])
        first = probes.resident_bytes()
        for place in range(RUNS - 1):
            pipe(inputs[(place + 1) % len(inputs)])
        peak, method = probes.peak_bytes()
        memory = Memory(baseline_bytes=baseline, loaded_bytes=loaded, first_answer_bytes=first, peak_bytes=peak, runs=RUNS, method=method)
        return Answer(memory=memory, **subject.facts(pipe))

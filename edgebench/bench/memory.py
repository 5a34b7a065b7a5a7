"""The memory pass: what a process of its own holds with the engine imported, the model loaded, after every answer, and at most."""

from __future__ import annotations

from edgebench.bench import probes, subject
from edgebench.bench.job import Answer, Job
from edgebench.record import Memory

RUNS = 150  # enough for a leak of a few kB a call to show above the noise of an allocator
INPUTS = RUNS // 3  # in rounds: an engine's arenas grow with every length that it has not seen, in the first round only; a leak goes on


def measure(job: Job) -> Answer:
    """The kernel's own figures; nothing is subtracted. Reading a proportional size walks every page: that takes time, but no memory."""
    subject.import_all(job.spec)
    baseline, pss = probes.resident_bytes(), {"baseline": probes.proportional_bytes()}
    with subject.load(job.spec) as pipe:
        loaded, pss["loaded"] = probes.resident_bytes(), probes.proportional_bytes()
        inputs = subject.inputs(job, pipe)[:INPUTS]
        series = [0] * RUNS
        for place in range(RUNS):
            pipe(inputs[place % len(inputs)])
            series[place] = probes.resident_bytes()
            if not place:
                pss["first_answer"] = probes.proportional_bytes()
        peak, method = probes.peak_bytes()
        pss["runs"] = probes.proportional_bytes()
        shares = {stage: size for stage, size in pss.items() if size is not None}
        memory = Memory(
            baseline_bytes=baseline, loaded_bytes=loaded, first_answer_bytes=series[0], peak_bytes=peak, runs=RUNS, method=method,
            series_bytes=series, pss_bytes=shares or None,
        )
        return Answer(memory=memory, notes=[] if shares else ["proportional memory: this kernel does not count it"], **subject.facts(pipe))

"""The cold pass: the phases from a process's start to its first answer. A latency pass begins with them too.

The phases are stamped before anything else is read or warmed up, and before anything is imported that an app would not
need: what measures comes later.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgebench.bench import subject
from edgebench.bench.job import Answer, Job
from edgebench.record import Cold

if TYPE_CHECKING:
    from edgebench.pipeline import Pipeline


@dataclass(frozen=True)
class Birth:
    """Of this process, by the system's monotonic clock: when its parent started it, and when its first line ran."""

    spawned_ns: int
    first_line_ns: int


def measure(job: Job, birth: Birth) -> Answer:
    """The phases, and nothing after them."""
    pipe, phases = start(job, birth)
    return Answer(cold=phases, **subject.facts(pipe))


def start(job: Job, birth: Birth) -> tuple[Pipeline, Cold]:
    """The pipeline after its first answer, and how long each step to it took."""
    subject.import_all(job.spec)
    imported = time.monotonic_ns()
    pipe = subject.load(job.spec)
    loaded = time.monotonic_ns()
    pipe(job.examples[0])
    answered = time.monotonic_ns()
    return pipe, Cold(
        process_start_ns=birth.first_line_ns - birth.spawned_ns, import_ns=imported - birth.first_line_ns, load_ns=loaded - imported,
        first_answer_ns=answered - loaded, total_ns=answered - birth.spawned_ns, file_cache=job.file_cache,
    )

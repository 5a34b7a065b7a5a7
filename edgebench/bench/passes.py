"""A Job -> an Answer: one pass over one cell, in this process.

Memory, energy and accuracy have processes of their own, since reading the kernel's books and keeping predictions would
change what a timed loop sees. A pass's module is imported when it is asked for: a cold start pays for nothing else.
"""

from __future__ import annotations

from edgebench.bench import cold
from edgebench.bench.cold import Birth
from edgebench.bench.job import Answer, Job
from edgebench.errors import UnsupportedError


def run(job: Job, *, spawned_ns: int, first_line_ns: int) -> Answer:
    """Do the job's pass in this process."""
    birth = Birth(spawned_ns, first_line_ns)
    match job.part:
        case "accuracy":
            from edgebench.bench import accuracy

            return accuracy.measure(job)
        case "cold":
            return cold.measure(job, birth)
        case "drop":
            from edgebench.bench import filecache

            return filecache.measure(job)
        case "energy":
            from edgebench.bench import energy

            return energy.measure(job)
        case "latency":
            from edgebench.bench import timed

            return timed.latency(job, birth)
        case "memory":
            from edgebench.bench import memory

            return memory.measure(job)
        case "roof":
            from edgebench.bench import roofline

            return roofline.measure(job)
        case "work":
            from edgebench.bench import work

            return work.measure(job)
        case part:
            raise UnsupportedError(f"this edgebench knows no pass {part!r}; update it")

"""python -m edgebench.bench.worker ANSWER SPAWNED_NS: a Job on stdin -> an Answer in the file ANSWER, put there in one step.

The process is fresh and runs one pass. Not stdout but a file of its own carries the answer: engines print. An exit
status says nothing: the answer is there whole, or the pass failed.
"""

import time

FIRST_LINE_NS = time.monotonic_ns()  # before any other import: the end of "process start"

import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import msgspec  # noqa: E402

from edgebench.bench.job import Answer, Job, failure  # noqa: E402
from edgebench.errors import EdgebenchError, OutOfMemoryError  # noqa: E402

CONFINED = "EDGEBENCH_CONFINED"  # set by who started this process: what it can reach, as JSON
GRACE_S = 10  # after its own limit a process whose parent died ends itself


def main() -> None:
    """Run the one job."""
    answer_path, spawned_ns = Path(sys.argv[1]), int(sys.argv[2])
    confined = os.environ.pop(CONFINED, "{}")
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    signal.alarm(int(job.spec.timeout_s) + GRACE_S)  # the default action ends even a native loop
    try:
        from edgebench.bench.passes import run

        answer = run(job, spawned_ns=spawned_ns, first_line_ns=FIRST_LINE_NS)
    except EdgebenchError as error:
        answer = Answer(failure=failure(error))
    except MemoryError:
        answer = Answer(failure=failure(OutOfMemoryError("a process found no memory; take a smaller model or free memory")))
    answer = msgspec.structs.replace(answer, confined=msgspec.json.decode(confined))
    part = answer_path.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(answer))  # not onto the disk: whoever waits for it reads it at once
    os.replace(part, answer_path)


if __name__ == "__main__":
    main()

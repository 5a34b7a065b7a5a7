"""The accuracy pass: every example once, one by one, through the call that is timed."""

from __future__ import annotations

import math

from edgebench.bench import subject
from edgebench.bench.job import Answer, Job
from edgebench.errors import EngineError, UnsupportedError
from edgebench.record import Accuracy


def measure(job: Job) -> Answer:
    """The score on the job's labels, with every answer; EngineError where an answer is no number."""
    if job.expected is None:
        raise UnsupportedError("the accuracy pass was given no labels; give a labelled dataset")
    with subject.load(job.spec) as pipe:
        predictions = [pipe(example) for example in job.examples]
        probabilities = pipe.task.probabilities(predictions)
        broken = sum(not all(map(math.isfinite, row)) for row in probabilities)
        if broken:
            raise EngineError(f"{broken} of {len(probabilities)} answers are not finite numbers; the file or the engine's kernels are broken at this precision")
        metric = pipe.task.score(predictions, job.expected.labels)
        accuracy = Accuracy(
            metric=metric.name, value=metric.value, low=metric.low, high=metric.high, interval=metric.interval, n=metric.n, more=metric.more,
            dataset=job.expected.dataset, dataset_sha256=job.expected.sha256, dataset_source=job.expected.source,
            predictions=pipe.task.labels(predictions), probabilities=probabilities, references=job.expected.labels,
        )
        return Answer(accuracy=accuracy, **subject.facts(pipe))

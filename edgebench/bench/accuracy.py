"""The accuracy pass: every example once, one by one, through the call that is timed."""

from __future__ import annotations

import math

from edgebench.bench import subject
from edgebench.bench.job import Answer, Job, Labels
from edgebench.errors import EngineError, UnsupportedError
from edgebench.record import Accuracy
from edgebench.tasks.base import Metric


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
        accuracy = scored(metric, pipe.task.labels(predictions), probabilities, job.expected)
        return Answer(accuracy=accuracy, **subject.facts(pipe))


def scored(metric: Metric, predictions: list[str], probabilities: list[list[float]], expected: Labels) -> Accuracy:
    """A score with the answers that it is of, and what they should have been."""
    return Accuracy(
        metric=metric.name, value=metric.value, low=metric.low, high=metric.high, interval=metric.interval, n=metric.n, more=metric.more,
        dataset=expected.dataset, dataset_sha256=expected.sha256, dataset_source=expected.source,
        predictions=predictions, probabilities=probabilities, references=expected.labels,
    )

"""The work pass: the operations and bytes that a cell's inputs ask of a machine, counted from its file at the shapes the task really feeds.

The task answers the inputs with a session that writes down the shapes of every run: several runs for one input, padding
and batches are counted as they happen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebench import catalog
from edgebench.bench import subject, timed
from edgebench.bench.job import Answer, Job
from edgebench.errors import UnsupportedError
from edgebench.models import onnx_graph, onnx_shapes, operations, tflite_graph
from edgebench.models.card import Card, Variant
from edgebench.models.operations import Count
from edgebench.record import Work

if TYPE_CHECKING:
    from edgebench.backends.base import Arrays, Session
    from edgebench.pipeline import Pipeline

Feeds = tuple[tuple[str, tuple[int, ...]], ...]  # an input's name and shape, in order
Counting = Callable[[Feeds], Count]


class Watched:
    """A session, and the shapes of everything it was asked to run."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.runs: list[Feeds] = []

    def run(self, feeds: Arrays) -> Arrays:
        self.runs.append(tuple((name, array.shape) for name, array in feeds.items()))
        return self._session.run(feeds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def measure(job: Job) -> Answer:
    """The mean over the inputs as they are timed, or a note on why nothing could be counted."""
    with subject.load(job.spec) as pipe:
        facts = subject.facts(pipe)
        inputs = timed.drawn(subject.inputs(job, pipe), job.spec.batch, job.spec.seed)
        runs = _batched(pipe, inputs[: job.spec.batch]) if job.spec.batch > 1 else _by_size(pipe, inputs)
        try:
            count, source, why = counting(catalog.find("models", job.spec.model), pipe.card, pipe.variant)
            work, notes = mean(runs, count, source)
        except UnsupportedError as error:
            return Answer(notes=[f"work: {error}"], **facts)
    return Answer(work=work, notes=[*([why] if why else []), *notes], **facts)


def counting(card_path: Path, card: Card, variant: Variant) -> tuple[Counting, str, str]:
    """What counts a run of this variant, the name of the file it counts from, and a note where that is another variant's.

    A TorchScript file is a program: its operations are those of the ONNX file of the same precision, else of the fp32 one.
    """
    counted = countable(card, variant)
    path = card_path.resolve().parent / counted.file
    note = "" if counted == variant else f"work: a {variant.format} file is not counted itself; counted was {counted.name} of the same model"
    if counted.format == "tflite":
        return lambda feeds: operations.count(tflite_graph.nodes(path, dict(feeds))), counted.file, note
    graph = onnx_graph.read(path)
    return lambda feeds: operations.count(onnx_shapes.nodes(graph, dict(feeds))), counted.file, note


def mean(runs: dict[Feeds, float], count: Counting, source: str) -> tuple[Work, list[str]]:
    """Of runs by their shapes, each with how often one input causes it."""
    ops = size = 0.0
    precisions: Counter[str] = Counter()
    left_out: set[str] = set()
    for feeds, times in runs.items():
        found = count(feeds)
        ops, size = ops + times * found.ops, size + times * found.bytes
        precisions[found.precision] += found.macs
        left_out |= set(found.uncounted)
    shapes = f"{len(runs)} shape{'s' if len(runs) != 1 else ''} of inputs"
    notes = [f"work: operators whose shapes follow from the data are left out: {', '.join(sorted(left_out))}"] if left_out else []
    return Work(ops=ops, bytes=size, precision=precisions.most_common(1)[0][0], counted=f"{source}, at {shapes}"), notes


def countable(card: Card, variant: Variant) -> Variant:
    """The variant whose file is counted in this one's place: itself, where its format can be; UnsupportedError where no file says what runs."""
    if any(one.entropy is not None or one.patience is not None for one in variant.points):
        raise UnsupportedError(f"how much of {card.name} runs is decided by each input, so that its file does not say it")
    if variant.format in ("onnx", "tflite"):
        return variant
    others = [one for one in card.variants if one.format == "onnx"]
    for precision in (variant.precision, "fp32"):
        for one in others:
            if one.precision == precision:
                return one
    raise UnsupportedError(f"{variant.name} cannot be counted, and card {card.name!r} has no ONNX file to count instead")


def _by_size(pipe: Pipeline, inputs: Sequence[Any]) -> dict[Feeds, float]:
    """How often each run happens for one input on average; one input of each size stands for all of that size."""
    distinct = list({id(one): one for one in inputs}.values())
    sizes = dict(zip(map(id, distinct), pipe.task.sizes(distinct), strict=True))
    often = Counter(sizes[id(one)] for one in inputs)
    runs: Counter[Feeds] = Counter()
    for size, example in {sizes[id(one)]: one for one in distinct}.items():
        for feeds in _runs(pipe, lambda watched, example=example: watched(example)):  # type: ignore[misc]
            runs[feeds] += often[size]
    return {feeds: times / len(inputs) for feeds, times in runs.items()}


def _batched(pipe: Pipeline, query: list[Any]) -> dict[Feeds, float]:
    """The runs of one query, shared among its inputs."""
    runs = Counter(_runs(pipe, lambda watched: watched.batch(query, workers=1)))
    return {feeds: times / len(query) for feeds, times in runs.items()}


def _runs(pipe: Pipeline, do: Callable[[Pipeline], Any]) -> list[Feeds]:
    watch: list[Watched] = []

    def watched(session: Session) -> Any:
        watch.append(Watched(session))
        return watch[0]

    do(pipe.watched(watched))
    return watch[0].runs

"""A card's name -> a Pipeline: the object an app calls, and the one object the harness times.

    with edgebench.load("tinybert-sst2") as pipe:
        pipe("a gripping film")                 # one typed prediction
        pipe.batch(["good", "bad", ...])        # many, grouped by length
        pipe.stages("a gripping film")          # the same call with a time for each stage
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Thread
from types import TracebackType
from typing import Any, Self

from edgebench import catalog, plugins
from edgebench.backends.base import Backend, Facts, Options, Session, usable_cpus
from edgebench.errors import MissingError, UnsupportedError, UsageError
from edgebench.models import card as cards
from edgebench.models.artifact import Artifact, artifact, files
from edgebench.models.card import Card, Variant
from edgebench.tasks.base import Task

DEFAULT_BACKENDS = ("onnxruntime", "tflite", "torchscript")
BATCH_TOKENS = 1024  # padded tokens in one run of `batch`: enough for the engine to be busy, little enough to stay in cache


@dataclass(frozen=True, slots=True)
class Staged:
    """One call's prediction and the ns each stage took, in order; they sum to the call."""

    prediction: Any
    stages_ns: dict[str, int]


class Pipeline:
    """An open session and the task around it. Safe from any thread; `close` waits for running calls."""

    def __init__(self, card: Card, variant: Variant, session: Session, task: Task) -> None:
        self.card, self.variant, self.task, self._session = card, variant, task, session
        inputs = session.inputs
        self._single = bool(inputs) and inputs[0].shape[:1] == (1,)

    def __call__(self, example: Any) -> Any:
        """The prediction for one example."""
        return self.task.answer((example,), self._session, _unheard)[0]

    def stages(self, example: Any) -> Staged:
        """The same call with a clock between its stages."""
        watch = _Stopwatch()
        prediction = self.task.answer((example,), self._session, watch.lap)[0]
        return Staged(prediction, watch.stages_ns)

    def watched(self, watch: Callable[[Session], Session]) -> Pipeline:
        """The same pipeline over what `watch` makes of its session, e.g. one that writes down what it is asked to run; close only one of them."""
        return Pipeline(self.card, self.variant, watch(self._session), self.task)

    def batch(self, examples: Sequence[Any], *, workers: int | None = None) -> list[Any]:
        """Predictions in the examples' order.

        Examples of like size run together, so that little is padded; the groups are spread over `workers` threads.
        """
        examples = list(examples)
        groups = _groups(self.task.sizes(examples) if examples else [], 1 if self._single else BATCH_TOKENS)
        workers = workers or self.workers
        found: list[Any] = [None] * len(examples)

        def run(rows: list[int]) -> None:
            for row, prediction in zip(rows, self.task.answer([examples[row] for row in rows], self._session, _unheard), strict=True):
                found[row] = prediction

        if workers == 1 or len(groups) < 2:
            for rows in groups:
                run(rows)
        else:
            from concurrent.futures import ThreadPoolExecutor  # 5 ms that a first answer need not wait for

            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(run, groups))
        return found

    @property
    def workers(self) -> int:
        """How many calls at once there is use for: the processors the session leaves free, 1 where the engine would only queue them."""
        return max(1, usable_cpus() // self._session.facts.threads) if self._session.parallel else 1

    @property
    def session(self) -> Session:
        """The open session, for what no task does: it goes on belonging to the pipeline."""
        return self._session

    @property
    def facts(self) -> Facts:
        """What the session really uses: library, version, threads, accelerator."""
        return self._session.facts

    def close(self) -> None:
        """Free the model; calling the pipeline afterwards raises EngineError."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def load(
    model: str, *, backend: str | None = None, precision: str | None = None, threads: int = 1, accelerator: str = "cpu",
    allow_code: bool = False, max_tokens: int | None = None,
) -> Pipeline:
    """Open a model by its card's name or a card file's path, its digests checked first; nothing is downloaded.

    Without `backend` the first installed of onnxruntime, tflite, torchscript that opens a variant is taken; without
    `precision` int8 or uint8 where there is one. `allow_code` consents to a format that is a program (TorchScript) from a card
    that edgebench does not bundle. `max_tokens` shortens what a text model reads.

    The file is hashed while its engine is imported, and the task made while the engine opens the file, never before its
    digest was right: on two cores a first answer comes a fifth sooner.
    """
    path = catalog.find("models", model)
    card = cards.read(path)
    verifying: dict[str, _Aside] = {}

    def verify(variant: Variant) -> None:
        verifying[variant.name] = _Aside(lambda: artifact(path, card, variant))

    engine, variant = choose(card, backend, precision, before_import=verify)
    if engine.runs_code and not allow_code and path.resolve().parent != catalog.shipped_folder("models").resolve():
        raise UnsupportedError(
            f"{variant.file} is a {variant.format} program and card {card.name!r} is not one that edgebench bundles; "
            "if you trust its source, say allow_code=True (--allow-code)"
        )
    if max_tokens is not None:
        card = _shortened(card, max_tokens)
    making = _Aside(lambda: plugins.get("tasks", card.task)(card, files(path, card)))
    found = verifying[variant.name].result()
    session = _open(engine, found, Options(threads=threads, accelerator=accelerator))
    try:
        return Pipeline(card, variant, session, making.result())
    except BaseException:  # a task of another package may raise anything
        session.close()
        raise


def _open(engine: Backend, found: Artifact, options: Options) -> Session:
    """The artifact's one graph, or all of them joined."""
    sessions = [engine.open(found.path, options)]
    if not found.parts:
        return sessions[0]
    from edgebench.backends.joined import Joined

    try:
        sessions += [engine.open(path, options) for path in found.parts.values()]
    except BaseException:
        for one in sessions:
            one.close()
        raise
    return Joined(sessions[0], dict(zip(found.parts, sessions[1:], strict=True)))


def choose(
    card: Card, backend: str | None, precision: str | None, *, before_import: Callable[[Variant], None] = lambda variant: None
) -> tuple[Backend, Variant]:
    """The engine and the variant that `load` would take. `before_import` is told each candidate before its engine is looked for."""
    reasons: list[str] = []
    for name in (backend,) if backend else DEFAULT_BACKENDS:
        engine: Backend = plugins.get("backends", name)
        fits = [one for one in card.variants if one.format in engine.formats and precision in (None, one.precision)]
        if not fits:
            reasons.append(f"{name} opens {', '.join(engine.formats)}{f' and {precision} was asked for' if precision else ''}")
            continue
        variant = min(fits, key=lambda one: (one.precision not in ("int8", "uint8"), one.name != card.reference))
        before_import(variant)
        try:
            engine.version()
        except MissingError as error:
            if backend:
                raise
            reasons.append(str(error))
            continue
        return engine, variant
    raise UsageError(f"no variant of {card.name!r} fits: {'; '.join(reasons)}; it has {', '.join(v.name for v in card.variants)}")


class _Stopwatch:
    """Stages as a task's laps end them: `stages_ns` is each one's time, in the order in which they first ended."""

    def __init__(self) -> None:
        self.stages_ns: dict[str, int] = {}
        self._last = time.perf_counter_ns()

    def lap(self, name: str) -> None:
        now = time.perf_counter_ns()
        self.stages_ns[name] = self.stages_ns.get(name, 0) + now - self._last
        self._last = now


def _unheard(name: str) -> None:
    """The lap of a call that nobody times."""


class _Aside(Thread):
    """Work that goes on beside the caller's; `result` waits for it, and gives what it returned or raises what it raised."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._found: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._found = self._work()
        except BaseException as error:
            self._error = error

    def result(self) -> Any:
        self.join()
        if self._error is not None:
            raise self._error
        return self._found


def _shortened(card: Card, max_tokens: int) -> Card:
    import msgspec

    return msgspec.structs.replace(card, preprocess={**card.preprocess, "max_tokens": max_tokens})


def _groups(sizes: list[int], budget: int) -> list[list[int]]:
    """Rows in runs of like size, each of at most `budget` padded tokens (at least one row), the largest first."""
    groups: list[list[int]] = []
    for row in sorted(range(len(sizes)), key=lambda one: -sizes[one]):
        widest = sizes[groups[-1][0]] if groups else 0
        if groups and (len(groups[-1]) + 1) * widest <= budget:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups

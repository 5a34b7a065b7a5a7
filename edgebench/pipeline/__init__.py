"""A card's name -> a `Pipeline` (`edgebench.pipeline.pipe`), or of a model of several speeds a `DynamicPipeline`.

    with edgebench.load("tinybert-sst2") as pipe:
        pipe("a gripping film")                 # one typed prediction
        pipe.batch(["good", "bad", ...])        # many, grouped by length
        pipe.stages("a gripping film")          # the same call with a time for each stage
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Thread
from typing import Any

from edgebench import catalog, plugins
from edgebench.backends.base import Backend, Options, Session
from edgebench.errors import CardError, MissingError, UnsupportedError, UsageError
from edgebench.models import card as cards
from edgebench.models.artifact import Artifact, artifact, files, is_bundled
from edgebench.models.card import Card, Point, Variant
from edgebench.pipeline import deployment
from edgebench.pipeline.pipe import Pipeline, Staged
from edgebench.tasks.base import Task

__all__ = ["DEFAULT_BACKENDS", "Pipeline", "Staged", "choose", "engines", "load"]

DEFAULT_BACKENDS = ("onnxruntime", "tflite", "torchscript")


def load(
    model: str, *, backend: str | None = None, precision: str | None = None, threads: int = 1, accelerator: str = "cpu",
    allow_code: bool = False, max_tokens: int | None = None, point: str | None = None, target_latency: str | None = None,
    settings: Mapping[str, Any] | None = None, require: str = "any",
) -> Pipeline:
    """Open a model by its card's name or a card file's path, its digests checked first; nothing is downloaded.

    Without `backend` the first installed of onnxruntime, tflite, torchscript that opens a variant is taken; without
    `precision` int8 or uint8 where there is one. `allow_code` consents to a format that is a program (TorchScript, ExecuTorch) from a card
    that edgebench does not bundle. `max_tokens` shortens what a text model reads. `settings` are the engine's own
    (`knobs` of its Backend); with `require` "full" a graph of which the accelerator does not take every node is an error. A
    deployment file, as `edgebench tune` writes it, says all of these itself.

    Of a model of several speeds a `DynamicPipeline` (`edgebench.pipeline.dynamic`) comes back, with `target_latency` ("5 ms") one that chooses
    the speed of each call by itself; `point`, or "elastic-sst2@0.5x0.5" as the model, opens one speed alone.

    The file is hashed while its engine is imported, and the task made while the engine opens the file, never before its
    digest was right: on two cores a first answer comes a fifth sooner.
    """
    path = catalog.find("models", model)
    if (told := deployment.read(path)) is not None:
        named = str(path.parent / told.deploys) if catalog.split(told.deploys)[0].endswith(".toml") else told.deploys
        return load(
            named, backend=told.backend, precision=told.precision, threads=told.threads, accelerator=told.accelerator, settings=told.settings,
            require=require, allow_code=allow_code, max_tokens=max_tokens, point=point, target_latency=target_latency,
        )
    card = cards.read(path)
    point = point or catalog.split(model)[1]
    verifying: dict[str, _Aside] = {}

    def verify(variant: Variant) -> None:
        verifying[variant.name] = _Aside(lambda: artifact(path, card, variant))

    engine, variant = choose(card, backend, precision, before_import=verify)
    if engine.runs_code and not allow_code and not is_bundled(path):
        raise UnsupportedError(
            f"{variant.file} is a {variant.format} program and card {card.name!r} is not one that edgebench bundles; "
            "if you trust its source, say allow_code=True (--allow-code)"
        )
    if max_tokens is not None:
        card = _shortened(card, max_tokens)
    making = _Aside(lambda: plugins.get("tasks", card.task)(card, files(path, card)))
    target_ns = _target(target_latency, variant, point)
    found = verifying[variant.name].result()
    if not is_bundled(path):
        _check_words(card, found, making.result())
    opened = _Opener(engine, found, Options(threads=threads, accelerator=accelerator, require=require, settings=settings or {}))
    if point is None and len(variant.points) > 1:
        return _dynamic(card, variant, opened, making.result(), target_ns)
    one = variant.point(point) if point else next(iter(variant.points), None)
    session = opened(one)
    try:
        return Pipeline(card, variant.at(one) if one else variant, session, making.result())
    except BaseException:  # a task of another package may raise anything
        session.close()
        raise


def _target(asked: str | None, variant: Variant, point: str | None) -> int | None:
    """The ns in `asked`, of a variant that has speeds to choose from."""
    if asked is None:
        return None
    if point is not None or len(variant.points) < 2:
        why = f"{point!r} was asked for alone" if point else f"{variant.file} has one speed"
        raise UsageError(f"a target latency needs several speeds to choose from, and {why}; load a model with operating points, or leave it out")
    from edgebench.units import duration_ns

    try:
        return duration_ns(asked)
    except (TypeError, ValueError) as error:
        raise UsageError(f"target_latency: {error}") from error


def _dynamic(card: Card, variant: Variant, opened: _Opener, task: Task, target_ns: int | None) -> Pipeline:
    from edgebench.pipeline.dynamic import DynamicPipeline

    pipe = DynamicPipeline(card, variant, opened, task)
    try:
        if target_ns is not None:
            pipe.hold(target_ns)
    except BaseException:
        pipe.close()
        raise
    return pipe


def _check_words(card: Card, found: Artifact, task: Task) -> None:
    """CardError for a tokenizer whose numbers lie behind the end of the model's table: some engines read on there."""
    highest = getattr(task, "highest_id", None)
    if highest is None:
        return
    from edgebench.models import embedding

    rows = embedding.rows(found.path, found.variant.format)
    if rows is not None and highest >= rows:
        raise CardError(
            f"the tokenizer of {card.name!r} gives numbers up to {highest}, and {found.path.name} has {rows} words, 0 to {rows - 1}; "
            "list the tokenizer that the model was trained with"
        )


class _Opener:
    """Opens an artifact at its operating points: each one's own graph, or the same segments under each one's rule of when to leave."""

    def __init__(self, engine: Backend, found: Artifact, options: Options) -> None:
        self._engine, self._found, self._options = engine, found, options
        self._graphs: list[Session] = []

    def __call__(self, point: Point | None) -> Session:
        if not self._found.parts:
            return self._engine.open(self._found.points[point.name] if point else self._found.path, self._options)
        self._graphs = self._graphs or self._every()
        if point is not None:
            from edgebench.backends.exits import Exits, Rule

            return Exits(self._graphs, Rule(point.entropy, point.patience))
        from edgebench.backends.joined import Joined

        return Joined(self._graphs[0], dict(zip(self._found.parts, self._graphs[1:], strict=True)))

    def _every(self) -> list[Session]:
        """All of the artifact's graphs, the first first, or none of them."""
        opened: list[Session] = []
        try:
            for path in (self._found.path, *self._found.parts.values()):
                opened.append(self._engine.open(path, self._options))
        except BaseException:
            for one in opened:
                one.close()
            raise
        return opened


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


def engines(card: Card) -> Iterator[tuple[str, Backend | UnsupportedError]]:
    """The engines to try when none is named: those of `DEFAULT_BACKENDS`, then any other that is installed and that the card has a file for.

    One of another package that fails to load comes with its error.
    """
    formats = {one.format for one in card.variants}
    others = [name for name in plugins.names("backends") if name not in DEFAULT_BACKENDS]
    for name in (*DEFAULT_BACKENDS, *others):
        try:
            engine: Backend = plugins.get("backends", name)
        except UnsupportedError as error:
            yield name, error
            continue
        if name in DEFAULT_BACKENDS or (formats & set(engine.formats) and _installed(name, engine)):
            yield name, engine


def _installed(name: str, engine: Backend) -> bool:
    """Whether an engine's library is there; another package's is, or is a row that says why not."""
    if name not in plugins.BUILT_IN["backends"]:
        return True
    try:
        engine.version()
    except MissingError:
        return False
    return True


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

"""A .tflite file -> a session of LiteRT (ai-edge-litert), or of tflite-runtime 2.14 where that is all there is.

A file may hold one graph, or several signatures: the same inputs at other sequence lengths, sharing one set of weights.
`run` picks the signature whose shapes are those of the feeds. Tensors of a signature are allocated when it is first run, but
XNNPACK packs a copy of the weights for every signature at once: three lengths of 34 MB of weights took 120 MB more than the
open file, one length 52 MB (ai-edge-litert 2.3, x86-64).

Accelerator "cpu" leaves it to the engine, which gives XNNPACK what that takes; "xnnpack" asks for it by name, and "builtin" for LiteRT's own kernels
alone, to see what XNNPACK is worth. Which nodes stay behind the engine does not say, so `require` "full" is refused.

The engine writes one line ("Created TensorFlow Lite XNNPACK delegate for CPU.") to the process's stderr when it first
allocates. It offers no switch for that, and taking stderr away from other threads to hide it would be worse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from edgebench.backends.base import Facts, Options, TensorSpec, check_feeds, check_options, check_settings
from edgebench.backends.door import closed
from edgebench.errors import EngineError, InputError, MissingError, UnsupportedError, engine_errors

if TYPE_CHECKING:
    from edgebench.backends.base import Arrays

# module -> the distributions that bring it, the better engine first: LiteRT is several times faster on the same file
RUNTIMES = {
    "ai_edge_litert": ("ai-edge-litert", "ai-edge-litert-nightly"),
    "tflite_runtime": ("tflite-runtime", "tflite-runtime-nightly"),
}
ACCELERATORS = ("cpu", "xnnpack", "builtin")


class TFLite:
    """The engine for TFLite files; `BACKEND` is the one instance."""

    name = "tflite"
    formats = ("tflite",)
    runs_code = False
    extra = "tflite"

    def version(self) -> str:
        return _runtime()[2]

    def open(self, path: Path, options: Options) -> TFLiteSession:
        interpreter_class, library, number = _runtime()
        check_options(self.name, options, ACCELERATORS)
        check_settings(self.name, options, {})
        resolver = _resolver(interpreter_class, options)
        with engine_errors(library, f"opening {path}"):
            interpreter = interpreter_class(model_path=str(path), num_threads=options.threads, **resolver)
            # Hands the graph to XNNPACK, which packs its weights now. tflite-runtime 2.14 never does so if only signatures
            # are run, and is then two to four times slower. It must come before any signature is asked for.
            interpreter.allocate_tensors()
            graphs = _graphs(interpreter)
        delegated = _delegated(interpreter)
        if options.accelerator == "xnnpack" and not delegated:
            raise UnsupportedError(f"XNNPACK took no part of {path.name}; ask for 'cpu' or 'builtin'")
        facts = Facts(library, number, options.threads, options.accelerator, {"signatures": len(graphs)} | delegated)
        return TFLiteSession(interpreter, graphs, path, facts)


@dataclass(frozen=True)
class Graph:
    """One signature, or the only graph of a file without signatures."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    call: Callable[[Arrays], Arrays]

    def takes(self, shapes: list[tuple[int, ...]]) -> bool:
        return all(
            len(shape) == len(spec.shape) and all(size in (have, None) for have, size in zip(shape, spec.shape, strict=True))
            for shape, spec in zip(shapes, self.inputs, strict=True)
        )

    @property
    def length(self) -> int | None:
        """Size of axis 1 of the first input that has one."""
        return next((spec.shape[1] for spec in self.inputs if len(spec.shape) > 1), None)


class TFLiteSession:
    """An open TFLite file. One call at a time: a second thread waits for the first."""

    parallel = False

    def __init__(self, interpreter: Any, graphs: list[Graph], path: Path, facts: Facts) -> None:
        self.inputs = _merged(path, [graph.inputs for graph in graphs])
        self.outputs = _merged(path, [graph.outputs for graph in graphs])
        self.lengths = _lengths(graphs)
        self.facts = facts
        self._interpreter = interpreter
        self._graphs = graphs
        self._shapes = [[spec.shape for spec in graph.inputs] for graph in graphs]
        self._file = path.name
        self._library = facts.library
        self._lock = Lock()

    def run(self, feeds: Arrays) -> Arrays:
        with self._lock:
            if self._interpreter is None:
                raise EngineError(closed(self._file))
            check_feeds(self.inputs, feeds)
            graph = self._pick(feeds)
            with engine_errors(self._library, f"running {self._file}"):
                return graph.call(feeds)

    def close(self) -> None:
        with self._lock:
            self._interpreter = None
            self._graphs = []

    def _pick(self, feeds: Arrays) -> Graph:
        shapes = [feeds[spec.name].shape for spec in self.inputs]
        if shapes in self._shapes:
            return self._graphs[self._shapes.index(shapes)]
        for graph in self._graphs:  # a graph that leaves a size open
            if graph.takes(shapes):
                return graph
        there = "; ".join(", ".join(f"{spec.name} {spec.shape}" for spec in graph.inputs) for graph in self._graphs)
        raise InputError(f"inputs have shapes {', '.join(map(str, shapes))}, and {self._file} takes {there}; pad to one of them, one example at a time")


def _runtime() -> tuple[Any, str, str]:
    """The interpreter class, the distribution it came from, and its version."""
    reasons = []
    for module, distributions in RUNTIMES.items():
        try:
            interpreter = import_module(f"{module}.interpreter").Interpreter
        except (ImportError, AttributeError) as error:  # AttributeError: tflite-runtime 2.14 under numpy 2
            reasons.append(str(error))
            continue
        for name in distributions:
            try:
                return interpreter, name, version(name)
            except PackageNotFoundError:
                continue
        return interpreter, distributions[0], "unknown"
    raise MissingError(f"backend 'tflite' needs ai-edge-litert, which cannot be imported ({'; '.join(reasons)}); install edgebench[tflite]")


def _resolver(interpreter_class: Any, options: Options) -> dict[str, Any]:
    """How the interpreter is told to leave XNNPACK out; UnsupportedError where it cannot be, or where nobody could say what stayed."""
    if options.accelerator == "xnnpack" and options.require == "full":
        raise UnsupportedError("LiteRT does not say which nodes XNNPACK left, so that 'full' cannot be promised; allow it with require 'any'")
    if options.accelerator != "builtin":
        return {}
    kinds = getattr(import_module(interpreter_class.__module__), "OpResolverType", None)
    if kinds is None:
        raise UnsupportedError("this engine has no kernels without XNNPACK to choose; ask for 'cpu'")
    return {"experimental_op_resolver_type": kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES}


def _graphs(interpreter: Any) -> list[Graph]:
    """Every signature, or the plain tensors when the file has none; shortest first."""
    found = [_signature(interpreter.get_signature_runner(name)) for name in interpreter.get_signature_list()]
    return sorted(found or [_plain(interpreter)], key=lambda graph: graph.length or 0)


def _signature(runner: Any) -> Graph:
    inputs = tuple(_spec(name, one) for name, one in sorted(runner.get_input_details().items()))
    outputs = tuple(_spec(name, one) for name, one in sorted(runner.get_output_details().items()))
    return Graph(inputs, outputs, lambda feeds: dict(runner(**feeds)))


def _plain(interpreter: Any) -> Graph:
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    last: list[tuple[int, ...]] = []

    def call(feeds: Arrays) -> Arrays:
        nonlocal last
        shapes = [feeds[one["name"]].shape for one in inputs]
        if shapes != last:
            last = []  # stays so if the next lines fail half-way
            for one, shape in zip(inputs, shapes, strict=True):
                interpreter.resize_tensor_input(one["index"], shape)
            interpreter.allocate_tensors()
            last = shapes
        for one in inputs:
            interpreter.set_tensor(one["index"], feeds[one["name"]])
        interpreter.invoke()
        return {one["name"]: interpreter.get_tensor(one["index"]) for one in outputs}

    return Graph(tuple(_spec(one["name"], one) for one in inputs), tuple(_spec(one["name"], one) for one in outputs), call)


def _spec(name: str, details: Any) -> TensorSpec:
    shape = details["shape_signature"] if len(details["shape_signature"]) else details["shape"]
    return TensorSpec(name, details["dtype"].__name__, tuple(int(size) if size >= 0 else None for size in shape))


def _merged(path: Path, many: list[tuple[TensorSpec, ...]]) -> tuple[TensorSpec, ...]:
    """One description of all signatures: None where their sizes differ."""
    first, *others = many
    for other in others:
        if [(one.name, one.dtype, len(one.shape)) for one in other] != [(one.name, one.dtype, len(one.shape)) for one in first]:
            raise UnsupportedError(f"{path.name} has signatures with different tensors; expected the same ones at other lengths; export one file for each")
    return tuple(
        TensorSpec(spec.name, spec.dtype, tuple(sizes[0] if len(set(sizes)) == 1 else None for sizes in zip(*(one.shape for one in same), strict=True)))
        for spec, same in zip(first, zip(*many, strict=True), strict=True)
    )


def _lengths(graphs: list[Graph]) -> tuple[int, ...]:
    """The lengths of several signatures, or of a single graph that takes rows of whole numbers (ids); () for any other."""
    if len(graphs) == 1 and not all(len(spec.shape) == 2 and spec.dtype.startswith("int") for spec in graphs[0].inputs):
        return ()
    lengths = {graph.length for graph in graphs}
    return tuple(sorted(length for length in lengths if length is not None)) if None not in lengths else ()


def _delegated(interpreter: Any) -> dict[str, bool]:
    """Whether XNNPACK took a part of the first graph; nothing where the engine cannot say (no public call tells it)."""
    operations = getattr(interpreter, "_get_ops_details", None)
    if operations is None:
        return {}
    return {"xnnpack": True} if any("DELEGATE" in str(one["op_name"]).upper() for one in operations()) else {}


BACKEND = TFLite()

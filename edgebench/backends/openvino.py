"""An .onnx file -> a session of OpenVINO, on one of the devices it has here.

An accelerator is an OpenVINO device in lower case: "cpu", "gpu", "gpu.1", "npu". A graph is compiled for one device as a whole: what the
device cannot run is refused when it is opened, so that nothing falls back in silence. On a processor that has them OpenVINO would
compute in bfloat16 or float16 by itself; a session computes in float32 unless its setting `precision` says otherwise.

Inputs whose sizes do not fit each other it answers, with an empty array or a wrong one (2026.4): what the file says of sizes is therefore
checked before each run. An id beyond the end of the table of words it answers too, which is checked when a card is loaded.

A graph with DynamicQuantizeLinear and MatMulInteger, as dynamic int8 of ONNX is, opens and answers right, and gains nothing: OpenVINO
turns the weights back into float32 at every call and multiplies in float32 (docs/engines.md has what that costs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edgebench.backends.base import Facts, Node, Options, TensorSpec, check_feeds, check_options, check_settings
from edgebench.backends.door import closed
from edgebench.errors import EngineError, InputError, MissingError, engine_errors
from edgebench.models import onnx_graph

if TYPE_CHECKING:
    from edgebench.backends.base import Arrays

KNOBS: dict[str, tuple[Any, ...]] = {"pinning": (True, False), "hyper_threading": (True, False), "denormals_as_zero": (False, True)}
SETTINGS: dict[str, tuple[Any, ...]] = {**KNOBS, "precision": ("f32", "bf16", "f16", "engine")}  # changes answers: for a user to ask for, not for `tune` to try
PROPERTIES = {"pinning": "ENABLE_CPU_PINNING", "hyper_threading": "ENABLE_HYPER_THREADING", "denormals_as_zero": "CPU_DENORMALS_OPTIMIZATION"}


class OpenVino:
    """The engine; `BACKEND` is the one instance."""

    name = "openvino"
    formats = ("onnx",)
    runs_code = False
    extra = "openvino"
    knobs = KNOBS

    def version(self) -> str:
        """As pip knows it; the library itself, which takes a fifth of a second to import, is not asked."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            if find_spec("openvino") is not None:
                return version("openvino")
        except PackageNotFoundError:
            pass
        raise MissingError("backend 'openvino' needs openvino, which is not installed; install edgebench[openvino]")

    def open(self, path: Path, options: Options) -> OpenVinoSession:
        compiled = self._compiled(path, options)
        return OpenVinoSession(compiled, path, _facts(compiled, self.version(), options))

    def nodes(self, path: Path, options: Options, feeds: Sequence[Arrays]) -> list[Node]:
        """By OpenVINO's own counters. What it folded into another operator, or found before the first run, is none of its nodes."""
        request = self._compiled(path, options, count=True).create_infer_request()
        found: dict[str, Node] = {}
        with engine_errors(self.name, f"running {path.name}"):
            for one in feeds:
                request.infer(one, share_inputs=True)
                for told in request.get_profiling_info():
                    if told.status == told.Status.EXECUTED:
                        before = found[told.node_name].ns if told.node_name in found else 0.0
                        ns = before + 1e9 * told.real_time.total_seconds() / len(feeds)
                        found[told.node_name] = Node(told.node_name, told.node_type, options.accelerator, ns)
        return list(found.values())

    def _compiled(self, path: Path, options: Options, *, count: bool = False) -> Any:
        core = _library().Core()
        check_options(self.name, options, [one.lower() for one in core.available_devices])
        check_settings(self.name, options, SETTINGS)
        wanted = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "PERF_COUNT": count}
        if options.accelerator == "cpu":
            wanted["INFERENCE_NUM_THREADS"] = options.threads
        if (precision := options.settings.get("precision", "f32")) != "engine":
            wanted["INFERENCE_PRECISION_HINT"] = precision
        wanted |= {PROPERTIES[name]: value for name, value in options.settings.items() if name in PROPERTIES}
        with engine_errors(self.name, f"opening {path}"):
            return core.compile_model(core.read_model(path), options.accelerator.upper(), wanted)


class OpenVinoSession:
    """An open graph. It has one stream, which one call uses as a whole: a second thread waits for the first."""

    lengths: tuple[int, ...] = ()
    parallel = False

    def __init__(self, compiled: Any, path: Path, facts: Facts) -> None:
        self.inputs = tuple(_spec(one) for one in compiled.inputs)
        self.outputs = tuple(_spec(one) for one in compiled.outputs)
        self.facts = facts
        self._sizes = {name: sizes for name, (_, sizes) in onnx_graph.read(path).inputs.items()}
        self._names = [one.name for one in self.outputs]
        self._request = compiled.create_infer_request()
        self._file = path.name
        self._lock = Lock()

    def run(self, feeds: Arrays) -> Arrays:
        with self._lock:
            if self._request is None:
                raise EngineError(closed(self._file))
            check_feeds(self.inputs, feeds)
            _check_sizes(self._sizes, feeds)
            with engine_errors("openvino", f"running {self._file}"):
                found = self._request.infer(feeds, share_inputs=True)  # what cannot be shared, OpenVINO copies; results are copies
                return dict(zip(self._names, found.to_tuple(), strict=True))

    def close(self) -> None:
        with self._lock:
            self._request = None


def _library() -> ModuleType:
    try:
        import openvino
    except ImportError as error:
        raise MissingError(f"backend 'openvino' needs openvino, which cannot be imported ({error}); install edgebench[openvino]") from error
    library: ModuleType = openvino
    return library


def _spec(port: Any) -> TensorSpec:
    sizes = tuple(None if one.is_dynamic else one.get_length() for one in port.partial_shape)
    return TensorSpec(port.any_name, port.element_type.to_dtype().name, sizes)


def _check_sizes(wanted: Mapping[str, tuple[int | str, ...]], feeds: Arrays) -> None:
    """InputError unless each size is the one that the file names, and each symbol of the file has one size."""
    symbols: dict[str, int] = {}
    for name, array in feeds.items():
        for size, here in zip(wanted.get(name, ()), array.shape, strict=False):
            expected = symbols.setdefault(size, here) if isinstance(size, str) and size else size or here
            if here != expected:
                what = f" ({size})" if isinstance(size, str) else ""
                raise InputError(f"input {name!r} has shape {array.shape}; expected {expected}{what} where it has {here}; give inputs that fit each other")


def _facts(compiled: Any, version: str, asked: Options) -> Facts:
    """What the compiled graph says of itself: it may have been given less than was asked for."""
    told = {name: compiled.get_property(name) for name in compiled.get_property("SUPPORTED_PROPERTIES")}
    details = {
        "precision": told["INFERENCE_PRECISION_HINT"].get_type_name(), "streams": told.get("NUM_STREAMS"), "pinning": told.get("ENABLE_CPU_PINNING"),
        **({"settings": dict(asked.settings)} if asked.settings else {}),
    }  # fmt: skip
    devices = "+".join(one.lower() for one in told["EXECUTION_DEVICES"])
    return Facts("openvino", version, int(told.get("INFERENCE_NUM_THREADS", asked.threads)), devices, details)


BACKEND = OpenVino()

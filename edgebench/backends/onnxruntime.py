"""An .onnx file -> a session of ONNX Runtime, the engine that comes with edgebench.

An accelerator is an execution provider's name in lower case without its ending: "cuda" is CUDAExecutionProvider. Every
session has the CPU provider behind it, so nodes an accelerator does not take still run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING, Any

from edgebench.backends.base import Facts, Node, Options, TensorSpec, check_feeds, check_options, check_settings
from edgebench.backends.door import Door
from edgebench.errors import EngineError, MissingError, UnsupportedError, engine_errors

if TYPE_CHECKING:
    from edgebench.backends.base import Arrays

ENDING = "ExecutionProvider"
CPU = "CPUExecutionProvider"
MOST_NAMED = 20  # nodes in a record
REMOTE = ("AzureExecutionProvider",)  # calls a web service: nothing on this device

KNOBS: dict[str, tuple[Any, ...]] = {  # "spinning": whether idle threads wait busily; "prepacking": whether weights are copied into the kernels' own order
    "graph_optimisation": ("all", "layout", "extended", "basic", "none"), "spinning": (True, False), "arena": (True, False), "memory_pattern": (True, False),
    "prepacking": (True, False), "denormals_as_zero": (False, True), "dynamic_block": (0, 4),
}
LEVELS = {
    "all": "ORT_ENABLE_ALL", "layout": "ORT_ENABLE_LAYOUT", "extended": "ORT_ENABLE_EXTENDED", "basic": "ORT_ENABLE_BASIC", "none": "ORT_DISABLE_ALL",
}

# tensor(...) as the engine spells it, where that is not numpy's name
DTYPES = {"float": "float32", "double": "float64", "string": "object"}


class OnnxRuntime:
    """The engine for ONNX files; `BACKEND` is the one instance."""

    name = "onnxruntime"
    formats = ("onnx",)
    runs_code = False
    extra = ""
    knobs = KNOBS

    def version(self) -> str:
        return str(_library().__version__)

    def open(self, path: Path, options: Options) -> OnnxSession:
        return OnnxSession(self._session(path, options), path, options)

    def nodes(self, path: Path, options: Options, feeds: Sequence[Arrays]) -> list[Node]:
        """By ONNX Runtime's own profiler, which itself takes a little of each operator's time."""
        with TemporaryDirectory(prefix="edgebench-") as folder:
            session = self._session(path, options, profile=f"{folder}/profile")
            with engine_errors(self.name, f"running {path.name}"):
                for one in feeds:
                    session.run(None, one)
            events = json.loads(Path(session.end_profiling()).read_text())
        return _nodes(events, len(feeds))

    def _session(self, path: Path, options: Options, *, profile: str = "") -> Any:
        library = _library()
        providers = {_short(one): one for one in library.get_available_providers() if one not in REMOTE}
        check_options(self.name, options, providers)
        check_settings(self.name, options, self.knobs)
        wanted = [providers[options.accelerator]]
        settings = library.SessionOptions()
        settings.intra_op_num_threads = options.threads
        settings.inter_op_num_threads = 1
        settings.log_severity_level = 4  # what goes wrong is raised; the engine's log would say it twice, on stderr
        _set(library, settings, options.settings)
        if options.accelerator != "cpu":
            settings.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
            settings.add_session_config_entry("session.disable_cpu_ep_fallback", str(int(options.require == "full" and not _tells(library))))
        if profile:
            settings.enable_profiling, settings.profile_file_prefix = True, profile
        behind = [] if options.require == "full" else [CPU]  # which the engine adds by itself, and refuses to be given where nothing may fall back to it
        with engine_errors(self.name, f"opening {path}"):
            session = library.InferenceSession(str(path), settings, providers=list(dict.fromkeys([*wanted, *behind])))
        used = session.get_providers()
        if used[0] != wanted[0]:
            got = ", ".join(map(_short, used))
            raise UnsupportedError(f"accelerator {options.accelerator!r} did not start; {path.name} got {got}; install its driver or use 'cpu'")
        if options.accelerator != "cpu" and options.require == "full" and (stayed := _stayed(session)):
            named = f"{', '.join(stayed[:5])}{', ...' if len(stayed) > 5 else ''}"
            there = sum((_placed(session) or {}).values())
            took = f"{options.accelerator} takes {there - len(stayed)} of the {there} nodes of {path.name}"
            raise UnsupportedError(f"{took}; {named} would stay on cpu; allow it with require 'any'")
        return session


class OnnxSession:
    """An open ONNX file. `run` may be called from several threads at once, and gains by it."""

    lengths: tuple[int, ...] = ()
    parallel = True

    def __init__(self, session: Any, path: Path, options: Options) -> None:
        self.inputs = tuple(_spec(one) for one in session.get_inputs())
        self.outputs = tuple(_spec(one) for one in session.get_outputs())
        self.facts = _facts(session, options)
        self._names = [one.name for one in self.outputs]
        self._session = session
        self._doing = f"running {path.name}"
        self._door = Door(path.name)

    def run(self, feeds: Arrays) -> Arrays:
        with self._door:
            check_feeds(self.inputs, feeds)
            with engine_errors("onnxruntime", self._doing):
                return dict(zip(self._names, self._session.run(self._names, feeds), strict=True))

    def close(self) -> None:
        self._door.close()
        self._session = None


def _library() -> ModuleType:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingError(f"backend 'onnxruntime' needs onnxruntime, which cannot be imported ({error}); install edgebench") from error
    library: ModuleType = onnxruntime
    return library


def _placed(session: Any) -> dict[str, int] | None:
    """How many nodes each accelerator was given; None where this version of the engine does not tell."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return None
    counts: Counter[str] = Counter()
    for part in session.get_provider_graph_assignment_info():
        counts[_short(part.ep_name)] += len(part.get_nodes())
    return dict(counts)


def _tells(library: ModuleType) -> bool:
    """Whether this version says which node an accelerator was given; one that does not can only refuse, and name none."""
    return hasattr(library.InferenceSession, "get_provider_graph_assignment_info")


def _stayed(session: Any) -> list[str]:
    """The nodes that no accelerator took, as "operator name"; none where this version does not tell."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return []
    parts = [part for part in session.get_provider_graph_assignment_info() if part.ep_name == CPU]
    return [f"{node.op_type} {node.name}".strip() for part in parts for node in part.get_nodes()]


def _nodes(events: list[dict[str, Any]], runs: int) -> list[Node]:
    """The profiler's events of single nodes, in µs, by name."""
    found: dict[str, Node] = {}
    for event in events:
        if event.get("cat") != "Node" or not event["name"].endswith("_kernel_time"):
            continue
        name, told = event["name"].removesuffix("_kernel_time"), event["args"]
        before = found[name].ns if name in found else 0.0
        found[name] = Node(name, told["op_name"], _short(told["provider"]), before + 1e3 * event["dur"] / runs)
    return list(found.values())


def _set(library: ModuleType, session: Any, asked: Mapping[str, Any]) -> None:
    """Turn the knobs that were asked for; the others stay as the engine has them."""
    entries = {
        "spinning": "session.intra_op.allow_spinning", "denormals_as_zero": "session.set_denormal_as_zero", "dynamic_block": "session.dynamic_block_base",
    }
    for name, value in asked.items():
        if name == "graph_optimisation":
            session.graph_optimization_level = getattr(library.GraphOptimizationLevel, LEVELS[value])
        elif name == "arena":
            session.enable_cpu_mem_arena = value
        elif name == "memory_pattern":
            session.enable_mem_pattern = value
        elif name == "prepacking":
            session.add_session_config_entry("session.disable_prepacking", str(int(not value)))
        else:
            session.add_session_config_entry(entries[name], str(int(value)))


def _short(provider: str) -> str:
    return provider.removesuffix(ENDING).lower()


def _spec(node: Any) -> TensorSpec:
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    if not node.type.startswith("tensor("):
        raise EngineError(f"{node.name!r} is a {node.type}; expected tensors only; export the model without sequences and maps")
    return TensorSpec(node.name, DTYPES.get(kind, kind), tuple(size if isinstance(size, int) else None for size in node.shape))


def _facts(session: Any, asked: Options) -> Facts:
    library = _library()
    settings = session.get_session_options()
    used = session.get_providers()
    return Facts(
        library=str(library.package_name),  # onnxruntime, onnxruntime-gpu, ...: they install the same module
        version=str(library.__version__),
        threads=int(settings.intra_op_num_threads),
        accelerator=_short(used[0]),
        details={
            "providers": list(used), "inter_op_threads": int(settings.inter_op_num_threads), "graph_optimisation": settings.graph_optimization_level.name,
            **({"settings": dict(asked.settings)} if asked.settings else {}), 
            **({"nodes": _placed(session), "stayed": _stayed(session)[:MOST_NAMED]} if asked.accelerator != "cpu" else {}),
        },
    )


BACKEND = OnnxRuntime()

"""A .pte file -> a session of ExecuTorch, PyTorch's engine for phones and microcontrollers.

What runs a part of the graph is chosen when a file is made, not when it is opened: a file of `edgebench export` has given XNNPACK what that
takes, and the rest runs in ExecuTorch's own kernels. So accelerator "cpu" runs a file as it is, another name is refused unless the file was
made for it, and with `require` "full" so is a file of which a part stayed behind. A record says how many nodes each has (`nodes`, `stayed`).

A file is a program, a list of instructions that the engine checks little before it follows them: of 150 files with a byte or a few altered among the first
6,000, 23 ended the process (1.5.1; 4 of 150 altered anywhere). So it is opened by consent only, as TorchScript is.

Files are read where they lie (mmap). A text may have any length up to the bound it was exported with, a batch its one size: what is longer,
empty, or does not fit beside the others is refused before each run, since the engine would name no input. Threads are one pool for the
process: a second session with another number of them is refused while the first is open. One call at a time.

The wheel's runtime is a library of PyTorch's tensors, so PyTorch must be there; `executorch.runtime`, which imports the whole exporter and
took 5 to 11 seconds for it (1.5.1), is passed by. The engine writes what it does with its threads, and why it refuses, to stderr; no
switch stops it, and taking stderr away from other threads would be worse.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from edgebench.backends.base import Facts, Node, Options, TensorSpec, check_feeds, check_options, check_settings
from edgebench.backends.door import closed
from edgebench.errors import EngineError, InputError, MissingError, UnsupportedError, engine_errors

if TYPE_CHECKING:
    from edgebench.backends.base import Arrays

DESCRIPTION = "edgebench"  # a constant method of the file that returns what its tensors are called: a .pte file has no place for names
METHOD = "forward"
KERNEL = "native_call_"  # before a kernel's name in a trace
ENDING = "Backend"  # a delegate's name here is "xnnpack", the engine's is "XnnpackBackend"


class ExecuTorch:
    """The engine for ExecuTorch files; `BACKEND` is the one instance."""

    name = "executorch"
    formats = ("executorch",)
    runs_code = True
    extra = "executorch"
    process_wide = True  # its threads are a setting of the process: two sessions cannot differ in them

    def __init__(self) -> None:
        self._open: WeakSet[ExecuTorchSession] = WeakSet()
        self._lock = Lock()

    def version(self) -> str:
        """As pip knows it; the library itself, which takes seconds to import with PyTorch, is not asked."""
        from importlib.metadata import PackageNotFoundError, version

        try:
            if find_spec("executorch") is not None:
                return version("executorch")
        except PackageNotFoundError:
            pass
        raise MissingError("backend 'executorch' needs executorch, which is not installed; install edgebench[executorch]")

    def open(self, path: Path, options: Options) -> ExecuTorchSession:
        return self._opened(path, options)

    def nodes(self, path: Path, options: Options, feeds: Sequence[Arrays]) -> list[Node]:
        """By ExecuTorch's own event tracer, XNNPACK's operators by XNNPACK's (in whole us), the mean over `feeds` after one run that is not counted.

        Reading what it wrote imports the whole exporter. A delegate's time beyond its operators' is its "(entering)": copies and new sizes.
        """
        with closing(self._opened(path, options, trace=True)) as session:
            for one in (*feeds[:1], *feeds):
                session.run(one)
            with TemporaryDirectory(prefix="edgebench-") as folder, engine_errors(self.name, f"reading what {path.name} took"):
                session.write_trace(Path(folder) / "trace")
                runs = _traced(Path(folder) / "trace")
        return _nodes(runs[-len(feeds):], options.accelerator if options.accelerator != "cpu" else "xnnpack")

    def _opened(self, path: Path, options: Options, *, trace: bool = False) -> ExecuTorchSession:
        library = _library()
        check_options(self.name, options, ["cpu", *(_delegates(library) if options.accelerator != "cpu" else ())])
        check_settings(self.name, options, {})
        with self._lock:  # the pool is changed while nobody can open a session that would use it
            self._set_threads(library, options.threads)
            with engine_errors(self.name, f"opening {path}"):
                module = library._load_for_executorch(str(path), enable_etdump=trace)
                tensors = _described(path, module)
                bounds = module.method_meta(METHOD)
                facts = _facts(path, tensors, self.version(), library._threadpool_get_thread_count(), options)
                session = ExecuTorchSession(module, path, tensors, [bounds.input_tensor_meta(at).sizes() for at in range(bounds.num_inputs())], facts)
            self._open.add(session)
        return session

    def _set_threads(self, library: ModuleType, threads: int) -> None:
        """Changing the pool frees the one there is, which a run of another session may be using at this moment."""
        have = library._threadpool_get_thread_count()
        if have == threads:
            return
        if busy := [one for one in self._open if one.is_open]:
            raise UnsupportedError(
                f"threads is {threads}, and ExecuTorch has one pool of {have} for the process, which an open session uses ({busy[0].file}); "
                f"close it first, or ask for {have}"
            )
        library._unsafe_reset_threadpool(threads)


class ExecuTorchSession:
    """An open program. Its memory is planned for one call at a time: a second thread waits for the first."""

    lengths: tuple[int, ...] = ()
    parallel = False

    def __init__(self, module: Any, path: Path, tensors: Mapping[str, Any], bounds: Sequence[Sequence[int]], facts: Facts) -> None:
        self.inputs = _specs(tensors["inputs"])
        self.outputs = _specs(tensors["outputs"])
        self.facts = facts
        self.file = path.name
        self._sizes = [tuple(zip(one["shape"], most, strict=True)) for one, most in zip(tensors["inputs"], bounds, strict=True)]
        self._names = [one.name for one in self.outputs]
        self._module = module
        self._lock = Lock()

    @property
    def is_open(self) -> bool:
        return self._module is not None

    def run(self, feeds: Arrays) -> Arrays:
        with self._lock:
            if self._module is None:
                raise EngineError(closed(self.file))
            check_feeds(self.inputs, feeds)
            given = [feeds[one.name] for one in self.inputs]
            self._check_sizes(given)
            with engine_errors("executorch", f"running {self.file}"):
                results = self._module.run_method(METHOD, [_tensor(one) for one in given])  # copies, the caller's own
                return {name: one.numpy() for name, one in zip(self._names, results, strict=True)}

    def close(self) -> None:
        with self._lock:
            self._module = None

    def write_trace(self, path: Path) -> None:
        """What a session that was opened to be traced wrote down of its runs."""
        with self._lock:
            self._module.write_etdump_result_to_file(str(path))

    def _check_sizes(self, given: Sequence[Any]) -> None:
        """InputError unless each fixed size is the file's, each open one between 1 and its bound, and each name of one has one size."""
        named: dict[str, int] = {}
        for spec, array, sizes in zip(self.inputs, given, self._sizes, strict=True):
            for here, (size, most) in zip(array.shape, sizes, strict=True):
                expected = most if isinstance(size, int) else named.setdefault(size, here)
                if here == expected and 1 <= here <= most:
                    continue
                wanted = f"{expected}" if here != expected else f"1 to {most}"
                what = f" ({size})" if isinstance(size, str) else ""
                raise InputError(
                    f"input {spec.name!r} has shape {array.shape}; expected {wanted}{what} where it has {here}; give what {self.file} was made for, "
                    "or export it for more"
                )


def _library() -> ModuleType:
    try:
        import torch  # noqa: F401  # whose libraries the runtime is linked to
        from executorch.extension.pybindings import _C
    except ImportError as error:
        raise MissingError(f"backend 'executorch' needs executorch, which cannot be imported ({error}); install edgebench[executorch]") from error
    library: ModuleType = _C
    return library


def _delegates(library: ModuleType) -> list[str]:
    """Those that can run here; asking OpenVINO's makes it say on stderr that its library is not there."""
    return [one.removesuffix(ENDING).lower() for one in library._get_registered_backend_names() if library._is_available(one)]


def _described(path: Path, module: Any) -> dict[str, Any]:
    """What the file says of its tensors; EngineError says what it should have been."""
    wanted = f'a constant method {DESCRIPTION!r} that returns {{"inputs": [{{"name", "dtype", "shape"}}], "outputs": [...]}}; export it with edgebench'
    if DESCRIPTION not in module.method_names():
        raise EngineError(f"{path.name} does not name its tensors; expected {wanted}")
    try:
        tensors: dict[str, Any] = json.loads(module.run_method(DESCRIPTION, [])[0])
        described = [len(_specs(tensors[key])) for key in ("inputs", "outputs")]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise EngineError(f"{path.name} names its tensors wrongly ({type(error).__name__}: {error}); expected {wanted}") from error
    there = module.method_meta(METHOD)
    if described != [there.num_inputs(), there.num_outputs()]:
        raise EngineError(f"{path.name} names {described[0]} inputs and {described[1]} outputs, and has {there.num_inputs()} and {there.num_outputs()}")
    return tensors


def _specs(tensors: Sequence[Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
    """An open size has a name in the file."""
    return tuple(TensorSpec(one["name"], one["dtype"], tuple(size if isinstance(size, int) else None for size in one["shape"])) for one in tensors)


def _traced(path: Path) -> list[list[Any]]:
    """The events of each run, in order."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that comes along deprecates parts of itself
        from executorch.devtools.etdump.serialize import deserialize_from_etdump_flatcc

        runs = deserialize_from_etdump_flatcc(path.read_bytes()).run_data
    return [[one.profile_event for one in run.events if one.profile_event] for run in runs if run.name == "Execute"]


def _nodes(runs: Sequence[Sequence[Any]], delegate: str) -> list[Node]:
    """An instruction of the program is a kernel's call, whose name the event inside it has, or a delegate's, with its operators' events inside it."""
    found: dict[str, Node] = {}

    def add(name: str, operator: str, where: str, ns: float) -> None:
        found[name] = Node(name, operator, where, (found[name].ns if name in found else 0.0) + ns / len(runs))

    for events in runs:
        inside: dict[int, list[Any]] = {}
        for one in events:
            at, ns = one.instruction_id, one.end_time - one.start_time
            if one.name == "OPERATOR_CALL":
                kernel = next((part.name.removeprefix(KERNEL) for part in inside.get(at, ())), "(sizes)")
                add(f"{at} {kernel}", kernel, "cpu", ns)
            elif one.name == "DELEGATE_CALL":
                parts = [(part.delegate_debug_id_str, part.end_time - part.start_time) for part in inside.get(at, ())]
                for said, took in parts:
                    add(f"{at} {said}", said.partition(" #")[0], delegate, took)
                add(f"{at} (entering)", "(entering)", delegate, max(0, ns - sum(took for _, took in parts)))
            elif at >= 0 and (one.delegate_debug_id_str or (one.name or "").startswith(KERNEL)):
                inside.setdefault(at, []).append(one)
    return list(found.values())


def _facts(path: Path, tensors: Mapping[str, Any], version: str, threads: int, asked: Options) -> Facts:
    """Which nodes run on what, as was settled when the file was made; UnsupportedError where that is not what was asked for."""
    nodes, stayed = dict(tensors.get("nodes", {})), list(tensors.get("stayed", []))
    name = asked.accelerator
    if name != "cpu" and not nodes.get(name):
        made = ", ".join(one for one in nodes if one != "cpu") or "no accelerator"
        raise UnsupportedError(f"{path.name} was made for {made}, not for {name}; ask for 'cpu', or for what it was made for")
    if asked.require == "full" and name != "cpu" and stayed:
        there = sum(nodes.values())
        took = f"{name} takes {nodes[name]} of the {there} nodes of {path.name}"
        raise UnsupportedError(f"{took}; {', '.join(stayed)} would stay on cpu; allow it with require 'any'")
    return Facts("executorch", version, threads, name, {"nodes": nodes, **({"stayed": stayed} if stayed else {})})


def _tensor(array: Any) -> Any:
    """The array's own memory, or a copy where torch cannot share it (read-only, or strides that run backwards)."""
    import torch

    return torch.from_numpy(array if array.flags.writeable and array.flags.c_contiguous else array.copy())


BACKEND = ExecuTorch()

"""The contract of an engine: a Backend opens a model file, the Session it returns runs named numpy arrays.

A backend imports its library inside `open` and `version`, never at module level, and knows nothing of tasks.
`edgebench.backends.conformance` is this contract as tests, for built-in and outside backends alike.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from edgebench.errors import InputError, UnsupportedError, UsageError, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class TensorSpec:
    """One named input or output. `dtype` is numpy's name; a None in `shape` is a size the graph leaves open."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class Options:
    """How a session should run. `threads` is within one call; `accelerator` is an engine's own name for one, and `require` how much of
    the graph must run on it: "any" or "full", where a node that falls back to the processor is an error. `settings` are some of
    the engine's own knobs (`knobs` of its Backend), the others stay as the engine has them."""

    threads: int = 1
    accelerator: str = "cpu"
    require: str = "any"
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """What a session really uses, as the engine tells it, not as it was asked."""

    library: str  # distribution name, e.g. "ai-edge-litert"
    version: str
    threads: int
    accelerator: str
    details: Mapping[str, Any] = field(default_factory=dict)


class Session(Protocol):
    """An open model. `run` returns when the results are readable, in arrays the caller may keep.

    `lengths` lists the sequence lengths the file was made for, ascending (empty: any length up to the card's limit);
    callers pad to one of them. `parallel` says whether `run` from several threads at once is faster than one after the
    other; it is always *safe*, serialised where the engine is not thread-safe. `run` after `close` raises EngineError,
    and `close` during a run waits for it.
    """

    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...
    @property
    def outputs(self) -> tuple[TensorSpec, ...]: ...
    @property
    def lengths(self) -> tuple[int, ...]: ...
    @property
    def parallel(self) -> bool: ...
    @property
    def facts(self) -> Facts: ...
    def run(self, feeds: Arrays) -> Arrays: ...
    def close(self) -> None: ...


class Backend(Protocol):
    """An engine. `formats` are the card formats it opens; `runs_code` marks formats that are programs, which are opened
    only with the user's consent. `extra` is the pip extra that installs it.

    An engine with settings worth trying has `knobs` as well: the values of each, the engine's own choice first. One that can say
    what each operator took has `nodes(path, options, feeds)`, the list of a graph's Nodes, their times the mean over the feeds.
    """

    name: str
    formats: tuple[str, ...]
    runs_code: bool
    extra: str

    def version(self) -> str:
        """The library's version; MissingError with the install command when it is not there."""
        ...

    def open(self, path: Path, options: Options) -> Session:
        """Open the file; UnsupportedError for options it cannot honour, EngineError for a file it refuses."""
        ...


def check_feeds(inputs: tuple[TensorSpec, ...], feeds: Arrays) -> None:
    """InputError unless `feeds` has exactly the inputs, with their dtypes and ranks.

    Sizes are left to the engine: a fixed size may differ between signatures of one file.
    Runs before every call, so dtypes are compared as they are (80 ns); `dtype.name` builds its text anew (1.9 us).
    """
    for spec in inputs:
        array = feeds.get(spec.name)
        if array is None:
            raise InputError(f"input {spec.name!r} is missing; the model takes {', '.join(one.name for one in inputs)}")
        if array.dtype != spec.dtype or array.ndim != len(spec.shape):
            wanted = f"{spec.dtype} of {len(spec.shape)} dimensions {spec.shape}"
            raise InputError(f"input {spec.name!r} is {array.dtype.name} of shape {array.shape}; the model takes {wanted}")
    if len(feeds) > len(inputs):
        extra = sorted(set(feeds) - {spec.name for spec in inputs})
        raise InputError(f"input {extra[0]!r} is unknown; the model takes {', '.join(one.name for one in inputs)}")


def check_options(backend: str, options: Options, accelerators: Iterable[str] = ("cpu",)) -> None:
    """UsageError for a number of threads below 1, UnsupportedError for an accelerator that is not among those there are."""
    if options.require not in ("any", "full"):
        raise UsageError(f"require is {options.require!r}; expected 'any' or 'full'")
    if options.threads < 1:
        raise UsageError(f"threads is {options.threads}; expected 1 or more; leave it out for 1")
    known = sorted(accelerators)
    if options.accelerator not in known:
        near = did_you_mean(options.accelerator, known)
        raise UnsupportedError(f"backend {backend!r} has no accelerator {options.accelerator!r} here; it has {', '.join(known)}.{near}")


@dataclass(frozen=True)
class Node:
    """One operator of a graph as the engine ran it: where, and the ns it took in one run."""

    name: str
    operator: str
    accelerator: str
    ns: float


def check_settings(backend: str, options: Options, knobs: Mapping[str, tuple[Any, ...]]) -> None:
    """UnsupportedError for a setting that is none of the engine's knobs, or a value that is none of its."""
    for name, value in options.settings.items():
        if name not in knobs:
            raise UnsupportedError(f"backend {backend!r} has no setting {name!r}; it has {', '.join(knobs) or 'none'}.{did_you_mean(name, knobs)}")
        if value not in knobs[name]:
            raise UnsupportedError(f"setting {name} is {value!r}; expected one of {', '.join(map(repr, knobs[name]))}")


def usable_cpus() -> int:
    """The processors this process may run on (affinity and cpuset respected), at least 1."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1

"""A .fake file -> a session that plays a script: what it takes and returns, how long it says that takes, where it fails.

It never sleeps: it moves a clock of its own, which a benchmark loop can be handed instead of the real one, so a loop is
tested with exact numbers in no time. A script, in TOML:

    load_ns = 5_000_000
    run_ns = [1_000_000, 1_200_000]               # one for each run, from the start again when they are used up
    inputs = [{ name = "input_ids", dtype = "int64", shape = [-1, -1] }]      # -1: any size
    outputs = [{ name = "logits", table = [[0.2, 0.8], [0.9, 0.1]] }]
    failures = [{ run = 3, how = "raise" }]       # "raise", "crash" or "hang"; run 1 is the first, 0 is opening

An example's key is the sum of its first input. An output with a table is the table's row number `key modulo rows`; one
without is the key itself, as (N, 1). Zeros, which padding is made of, change nothing.
"""

from __future__ import annotations

import os
import signal
import time
from itertools import cycle
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Literal

import msgspec

from edgebench import __version__, toml
from edgebench.backends.base import Facts, Options, TensorSpec, check_feeds, check_options
from edgebench.backends.door import closed
from edgebench.errors import CardError, EngineError

if TYPE_CHECKING:
    from edgebench.backends.base import Arrays


class Input(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input; -1 in `shape` is any size."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One output: rows of equal width to choose from, or nothing for the key itself."""

    name: str
    table: tuple[tuple[float, ...], ...] = ()
    dtype: str = "float32"


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What goes wrong at which run: an EngineError, the death of the process by `signal`, or an hour of silence."""

    run: int
    how: Literal["raise", "crash", "hang"]
    signal: str = "SIGKILL"


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole .fake file. Times are nanoseconds on the fake clock."""

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    load_ns: int = 0
    run_ns: tuple[int, ...] = (0,)
    lengths: tuple[int, ...] = ()
    parallel: bool = False
    failures: tuple[Failure, ...] = ()


class Clock:
    """Nanoseconds that pass only when `advance` says so; called, it tells the time like `time.perf_counter_ns`."""

    def __init__(self) -> None:
        self._now_ns = 0

    def __call__(self) -> int:
        return self._now_ns

    def advance(self, ns: int) -> None:
        self._now_ns += ns


class Fake:
    """The engine of scripts. `BACKEND` is the one the name gives; a test may make its own, with a clock at zero."""

    name = "fake"
    formats = ("fake",)
    runs_code = False
    extra = ""

    def __init__(self) -> None:
        self.clock = Clock()

    def version(self) -> str:
        return __version__

    def open(self, path: Path, options: Options) -> FakeSession:
        check_options(self.name, options)
        try:
            script = toml.read(path, Script)
        except CardError as error:
            raise EngineError(f"fake failed while opening: {error}") from error
        if not script.inputs or not script.outputs or not script.run_ns:
            raise EngineError(f"fake failed while opening {path}: inputs, outputs or run_ns is empty; give at least one of each")
        self.clock.advance(script.load_ns)
        session = FakeSession(script, path, options, self.clock)
        session.fail(0)
        return session


class FakeSession:
    """A script being played. `clock` is the backend's."""

    def __init__(self, script: Script, path: Path, options: Options, clock: Clock) -> None:
        self.inputs = tuple(TensorSpec(one.name, one.dtype, tuple(None if size < 0 else size for size in one.shape)) for one in script.inputs)
        self.outputs = tuple(TensorSpec(one.name, one.dtype, (None, len(one.table[0]) if one.table else 1)) for one in script.outputs)
        self.lengths = script.lengths
        self.parallel = script.parallel
        self.facts = Facts("edgebench", __version__, options.threads, options.accelerator, {"script": path.name})
        self.clock = clock
        self._script = script
        self._file = path.name
        self._times_ns = cycle(script.run_ns)
        self._runs = 0
        self._lock = Lock()
        self._closed = False

    def run(self, feeds: Arrays) -> Arrays:
        with self._lock:
            if self._closed:
                raise EngineError(closed(self._file))
            check_feeds(self.inputs, feeds)
            self._runs += 1
            self.fail(self._runs)
            self.clock.advance(next(self._times_ns))
            return self._results(feeds)

    def close(self) -> None:
        with self._lock:
            self._closed = True

    def fail(self, run: int) -> None:
        """Go wrong if the script says so for this run."""
        for failure in self._script.failures:
            if failure.run != run:
                continue
            if failure.how == "crash":
                os.kill(os.getpid(), signal.Signals[failure.signal])
            if failure.how == "hang":
                time.sleep(3600)
            raise EngineError(f"fake failed in run {run} of {self._file}: its script says so; take the failure out of the script")

    def _results(self, feeds: Arrays) -> Arrays:
        import numpy as np

        first = feeds[self.inputs[0].name]
        keys = first.reshape(len(first), -1).sum(axis=1)
        results = {}
        for one in self._script.outputs:
            rows = np.asarray(one.table, one.dtype)[keys.astype(np.int64) % len(one.table)] if one.table else keys.reshape(-1, 1)
            results[one.name] = rows.astype(one.dtype)
        return results


BACKEND = Fake()

"""An .npz file with `weight` (I, O) and `bias` (O,), float32 -> a session that computes x @ weight + bias."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from edgebench.backends.base import Facts, Options, TensorSpec, check_feeds, check_options
from edgebench.errors import EngineError, engine_errors


class NumpyLinear:
    """The engine; `BACKEND` is the one instance, and what the entry point names."""

    name = "numpy-linear"
    formats = ("npz",)
    runs_code = False
    extra = ""

    def version(self) -> str:
        return np.__version__

    def open(self, path: Path, options: Options) -> LinearSession:
        check_options(self.name, options)
        with engine_errors(self.name, f"opening {path}"), path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            weight, bias = arrays["weight"], arrays["bias"]
        return LinearSession(path, weight, bias)


class LinearSession:
    """An open model. numpy decides about threads by itself; a lock makes `close` wait for a run."""

    lengths: tuple[int, ...] = ()
    parallel = False

    def __init__(self, path: Path, weight: Any, bias: Any) -> None:
        self.inputs = (TensorSpec("x", "float32", (None, len(weight))),)
        self.outputs = (TensorSpec("y", "float32", (None, len(bias))),)
        self.facts = Facts("numpy", np.__version__, 1, "cpu")
        self._file = path.name
        self._weight, self._bias = weight, bias
        self._lock = Lock()
        self._open = True

    def run(self, feeds: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            if not self._open:
                raise EngineError(f"the session of {self._file} is closed; open the file again")
            check_feeds(self.inputs, feeds)
            with engine_errors("numpy", f"running {self._file}"):
                return {"y": feeds["x"] @ self._weight + self._bias}

    def close(self) -> None:
        with self._lock:
            self._open = False


BACKEND = NumpyLinear()

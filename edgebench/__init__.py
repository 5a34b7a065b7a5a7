"""Run compressed language and vision models on small devices, and measure what each one costs and loses there.

    import edgebench
    with edgebench.load("tinybert-sst2") as pipe:
        print(pipe("a gripping film").label)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgebench.errors import EdgebenchError

if TYPE_CHECKING:
    from edgebench.pipeline import Pipeline, load
    from edgebench.record import Record

__version__ = "0.1.0"
__all__ = ["EdgebenchError", "Pipeline", "Record", "__version__", "load"]

_LAZY = {"load": "edgebench.pipeline", "Pipeline": "edgebench.pipeline", "Record": "edgebench.record"}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for, so that `import edgebench` loads no engine and no numpy."""
    if name not in _LAZY:
        raise AttributeError(f"module 'edgebench' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)

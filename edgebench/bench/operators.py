"""A model's variant and inputs -> which operators take the time, on what they ran, and how far the whole is from the machine's roof.

The engine's own profiler says it, so this is for seeing where time goes; how long a call takes is measured without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgebench import catalog, plugins
from edgebench.backends.base import Node, Options
from edgebench.errors import UnsupportedError
from edgebench.models.artifact import beside
from edgebench.pipeline import load

if TYPE_CHECKING:
    from edgebench.backends.base import Arrays, Session

RUNS = 20  # of the inputs, after as many that are not counted by the engine's warm-up


@dataclass(frozen=True)
class Operator:
    """All nodes of one operator on one accelerator: how many there are, and the ns they take in a run."""

    name: str
    accelerator: str
    nodes: int
    ns: float


class Kept:
    """A session that remembers the feeds it is given."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.feeds: list[Arrays] = []

    def run(self, feeds: Arrays) -> Arrays:
        self.feeds.append(feeds)
        return self._session.run(feeds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)


def operators(
    model: str, examples: Sequence[Any], *, backend: str, precision: str | None, options: Options, length: int | None, seed: int, allow_code: bool = False
) -> list[Operator]:
    """The slowest first. UnsupportedError where the engine cannot say it, or a model is more than one graph."""
    engine = plugins.get("backends", backend)
    if not hasattr(engine, "nodes"):
        raise UnsupportedError(f"{backend} does not say what each operator takes; onnxruntime does")
    with load(model, backend=backend, precision=precision, threads=options.threads, allow_code=allow_code) as pipe:
        if pipe.variant.parts:
            raise UnsupportedError(f"{pipe.card.name} is {1 + len(pipe.variant.parts)} graphs; one graph can be looked into")
        inputs = pipe.task.resize(list(examples), length, seed) if length else list(examples)
        kept: list[Kept] = []
        with_feeds = pipe.watched(lambda session: kept.append(Kept(session)) or kept[-1])  # type: ignore[func-returns-value]
        for example in inputs[:RUNS]:
            with_feeds(example)
        path = beside(catalog.find("models", model), pipe.variant)
    return summed(engine.nodes(path, options, kept[0].feeds))


def summed(nodes: Sequence[Node]) -> list[Operator]:
    """Nodes by operator and accelerator, the slowest first."""
    found: dict[tuple[str, str], Operator] = {}
    for one in nodes:
        key = (one.operator, one.accelerator)
        before = found.get(key, Operator(*key, 0, 0.0))
        found[key] = Operator(*key, before.nodes + 1, before.ns + one.ns)
    return sorted(found.values(), key=lambda one: -one.ns)


def shares(found: Sequence[Operator]) -> dict[str, tuple[float, float]]:
    """Each accelerator's share of the nodes and of the time."""
    nodes, ns = sum(one.nodes for one in found) or 1, sum(one.ns for one in found) or 1.0
    return {
        name: (sum(one.nodes for one in found if one.accelerator == name) / nodes, sum(one.ns for one in found if one.accelerator == name) / ns)
        for name in dict.fromkeys(one.accelerator for one in found)
    }

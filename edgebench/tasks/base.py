"""The contract of a task: examples and an open session -> typed predictions; predictions and references -> a score.

A task knows cards, arrays and what a session is, never an engine. One file each; nothing else in the tree learns a task's name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from edgebench.errors import EngineError

if TYPE_CHECKING:
    from edgebench.backends.base import Session
    from edgebench.models.card import Card

Lap = Callable[[str], None]


def not_finite() -> EngineError:
    """For an answer that is no number, which a softmax or a maximum would make a label of."""
    return EngineError("the model's answer is not finite numbers, so it says nothing; the file or the engine's kernels are broken at this precision")


@dataclass(frozen=True)
class Metric:
    """A score and its 95 % interval over `n` examples; `interval` names the method. `more` are scores told beside it."""

    name: str
    value: float
    low: float
    high: float
    interval: str
    n: int
    more: dict[str, float] = field(default_factory=dict)


class Task(Protocol):
    """Made from a card and the verified files it names; immutable, safe from any thread.

    Predictions are frozen dataclasses; `str` of one is what a person reads of it, on one line. `unit` is what `sizes` counts,
    e.g. "tokens". A task of pictures also has `draw(example, prediction)`, the picture with what was found in it. One that
    needs a pip extra names it in `extra`: its models are measured when they are asked for.
    """

    unit: str

    def __init__(self, card: Card, files: dict[str, Path]) -> None: ...

    def sizes(self, examples: Sequence[Any]) -> list[int]:
        """How long each example is in `unit`s: what batching groups by, and what the record says of the inputs."""
        ...

    def answer(self, examples: Sequence[Any], session: Session, lap: Lap) -> list[Any]:
        """One prediction per example, in order, in one run of the session or in as many as it takes.

        `lap(name)` ends a stage: the time since the one before, or since the beginning, is that stage's. A name may come again,
        its times are added. Every call gives the same names in the same order, the last right before it returns, so that the
        stages sum to the call. InputError for an example that cannot be encoded.
        """
        ...

    def labels(self, predictions: Sequence[Any]) -> list[str]:
        """Each prediction as one comparable text."""
        ...

    def probabilities(self, predictions: Sequence[Any]) -> list[list[float]]:
        """Each prediction's numbers, for parity."""
        ...

    def score(self, predictions: Sequence[Any], references: Sequence[Any]) -> Metric:
        """The field's metric for this task."""
        ...

    def resize(self, examples: Sequence[Any], length: int, seed: int) -> list[Any]:
        """Real examples joined and cut so that each encodes to exactly `length`; InputError where the task has no lengths."""
        ...

    def read(self, stream: BinaryIO) -> list[Any]:
        """The examples that a file or standard input holds: a line each, or all of it as one picture."""
        ...

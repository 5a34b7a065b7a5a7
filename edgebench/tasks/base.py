"""The contract of a task: examples -> named arrays, arrays -> typed predictions, predictions and references -> a score.

A task knows cards and arrays, never an engine. One file each; nothing else in the tree learns a task's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from edgebench.backends.base import Arrays, TensorSpec
    from edgebench.models.card import Card


@dataclass(frozen=True)
class Metric:
    """A score and its 95 % interval over `n` examples; `interval` names the method."""

    name: str
    value: float
    low: float
    high: float
    interval: str
    n: int


class Task(Protocol):
    """Made from a card and the verified files it names; immutable, safe from any thread.

    `stages` names the two steps around the engine's run, e.g. ("tokenise", "decode").
    """

    stages: tuple[str, str]

    def __init__(self, card: Card, files: dict[str, Path]) -> None: ...

    def sizes(self, examples: Sequence[Any]) -> list[int]:
        """How long each example is (tokens, pixels): what batching groups by, and what the record says of the inputs."""
        ...

    def encode(self, examples: Sequence[Any], inputs: Sequence[TensorSpec], lengths: Sequence[int]) -> tuple[Arrays, Any]:
        """Feeds for `inputs`, padded to the smallest of `lengths` that fits (empty: to the longest example), and what
        `decode` needs to know of these examples. InputError for an example that cannot be encoded."""
        ...

    def decode(self, outputs: Arrays, encoded: Any) -> list[Any]:
        """One typed prediction per example, in order."""
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
        """Real examples joined and cut so that each encodes to exactly `length`."""
        ...

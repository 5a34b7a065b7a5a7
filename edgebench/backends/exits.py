"""A net cut into segments, with an exit after each, as one Session: an input that is sure of its answer leaves, and the rest is not run.

When to leave: the entropy of the answer falls below a threshold (DeeBERT, arXiv 2004.12993), or so many exits in turn gave the
same answer (PABEE, arXiv 2006.04152). A first segment maps the net's inputs to `logits` and `hidden_after`, each further one takes that as `hidden`,
with the `attention_mask`, to the same; the last gives `logits` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgebench.backends.base import Arrays, Facts, Session, TensorSpec


@dataclass(frozen=True)
class Rule:
    """Leave where the answer's entropy is below `entropy` (nats), or after `patience` exits that agree with the one before; with neither, never."""

    entropy: float | None = None
    patience: int | None = None


class Exits:
    """A Session over the segments' sessions, which it owns. `left` counts the inputs that left at each exit, the last being the net's end."""

    def __init__(self, segments: list[Session], rule: Rule) -> None:
        self.rule = rule
        self.left = [0] * len(segments)
        self._segments = segments

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return self._segments[0].inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return tuple(one for one in self._segments[0].outputs if one.name == "logits")

    @property
    def lengths(self) -> tuple[int, ...]:
        return self._segments[0].lengths

    @property
    def parallel(self) -> bool:
        return all(one.parallel for one in self._segments)

    @property
    def facts(self) -> Facts:
        return self._segments[0].facts

    def run(self, feeds: Arrays) -> Arrays:
        """(B, C) `logits`, each row from the exit at which it left; rows that left are not run any further."""
        found = self._segments[0].run(feeds)
        logits = found["logits"]
        answers = logits.copy()
        rows, agreed, mask = np.arange(len(logits)), np.zeros(len(logits), np.int64), feeds["attention_mask"]
        for at, segment in enumerate(self._segments[1:]):
            stays = ~self._sure(logits, agreed)
            self.left[at] += len(rows) - int(stays.sum())
            if not stays.any():
                return {"logits": answers}
            hidden, before = found["hidden_after"], logits
            if not stays.all():
                rows, agreed, mask, hidden, before = rows[stays], agreed[stays], mask[stays], hidden[stays], before[stays]
            found = segment.run({"hidden": hidden, "attention_mask": mask})
            logits = found["logits"]
            answers[rows] = logits
            agreed = np.where(logits.argmax(1) == before.argmax(1), agreed + 1, 0)
        self.left[-1] += len(rows)
        return {"logits": answers}

    def close(self) -> None:
        for one in self._segments:
            one.close()

    def _sure(self, logits: NDArray[Any], agreed: NDArray[Any]) -> NDArray[Any]:
        if self.rule.entropy is not None:
            return entropy(logits) < self.rule.entropy
        if self.rule.patience is not None:
            return agreed >= self.rule.patience
        return np.zeros(len(logits), bool)


def entropy(logits: NDArray[Any]) -> NDArray[Any]:
    """Of the softmax of (B, C) logits, in nats; the row's largest is taken off first, for exp of a large logit is infinite."""
    shifted = logits - logits.max(1, keepdims=True)
    powers = np.exp(shifted)
    total = powers.sum(1)
    result: NDArray[Any] = np.log(total) - (powers * shifted).sum(1) / total
    return result

"""Text classification: sentences -> `Classification`s, for BERT-like models with WordPiece or other `tokenizers` files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, isfinite
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from edgebench.errors import CardError, InputError
from edgebench.models.card import Card
from edgebench.tasks.base import Lap, Metric, not_finite
from edgebench.tasks.metrics import accuracy
from edgebench.tasks.text import encodings, highest_id, joined, most_tokens, opened, text_lines

if TYPE_CHECKING:
    from edgebench.backends.base import Arrays, Session, TensorSpec


@dataclass(frozen=True, slots=True)
class Classification:
    """The likeliest label, its probability, and every label's in the card's order.

    `truncated` says that the text was longer than the model reads, and its end was not seen.
    """

    label: str
    score: float
    scores: dict[str, float]
    truncated: bool = False

    def __str__(self) -> str:
        return f"{self.label}  {self.score:.3f}{'  (cut: longer than the model reads)' if self.truncated else ''}"


@dataclass(frozen=True, slots=True)
class _Encoded:
    truncated: list[bool]


class TextClassification:
    """See `edgebench.tasks.base.Task`. Reads `files.tokenizer` and `preprocess.max_tokens` of the card."""

    unit = "tokens"

    def __init__(self, card: Card, files: dict[str, Path]) -> None:
        self._names = card.labels
        self._max_tokens = most_tokens(card)
        self._tokenizer = opened(card, files, "tokenizer")
        self._tokenizer.enable_truncation(self._max_tokens)

    @property
    def highest_id(self) -> int:
        """The largest number that the model may be fed as a word."""
        return highest_id(self._tokenizer)

    def sizes(self, examples: Sequence[str]) -> list[int]:
        return [len(one.ids) for one in encodings(self._tokenizer, examples)]

    def answer(self, examples: Sequence[str], session: Session, lap: Lap) -> list[Classification]:
        feeds, encoded = self.encode(examples, session.inputs, session.lengths)
        lap("tokenise")
        outputs = session.run(feeds)
        lap("run")
        found = self.decode(outputs, encoded)
        lap("decode")
        return found

    def encode(self, examples: Sequence[str], inputs: Sequence[TensorSpec], lengths: Sequence[int]) -> tuple[Arrays, _Encoded]:
        """int arrays of shape (examples, length): ids, mask and, where the graph asks for it, token types.

        Padded to the smallest of `lengths` that fits; empty: to the longest example.
        """
        rows_of_ids = encodings(self._tokenizer, examples)
        longest = max(len(one.ids) for one in rows_of_ids)
        width = next((length for length in lengths if length >= longest), None) if lengths else longest
        if width is None:  # the file was made for shorter texts than the card says
            width = lengths[-1]
        feeds: Arrays = {}
        for spec in inputs:
            rows = [_row(one, spec.name)[:width] for one in rows_of_ids]
            if len(rows) == 1 and len(rows[0]) == width:
                feeds[spec.name] = np.array(rows, dtype=spec.dtype)
            else:
                feeds[spec.name] = array = np.zeros((len(rows), width), dtype=spec.dtype)
                for place, row in zip(array, rows, strict=True):
                    place[: len(row)] = row
        return feeds, _Encoded([bool(one.overflowing) or len(one.ids) > width for one in rows_of_ids])

    def decode(self, outputs: Arrays, encoded: _Encoded) -> list[Classification]:
        """Softmax over (examples, labels) logits."""
        logits = next(iter(outputs.values())) if len(outputs) == 1 else outputs["logits"]
        if logits.shape[1] != len(self._names):
            raise CardError(f"the model gives {logits.shape[1]} scores, the card names {len(self._names)} labels: {', '.join(self._names)}; correct the card")
        return [self._classification(_softmax(row), cut) for row, cut in zip(logits.tolist(), encoded.truncated, strict=True)]

    def labels(self, predictions: Sequence[Classification]) -> list[str]:
        return [one.label for one in predictions]

    def probabilities(self, predictions: Sequence[Classification]) -> list[list[float]]:
        return [list(one.scores.values()) for one in predictions]

    def score(self, predictions: Sequence[Classification], references: Sequence[str]) -> Metric:
        return accuracy(self.labels(predictions), list(references))

    def resize(self, examples: Sequence[str], length: int, seed: int) -> list[str]:
        """As many texts as there are examples, each several real sentences joined and cut at `length` tokens."""
        if length > self._max_tokens:
            raise InputError(f"length {length} is more than the {self._max_tokens} tokens this model reads; ask for at most {self._max_tokens}")
        random, pool = Random(seed), list(examples)
        return [joined(self._tokenizer, first, pool, length, random) for first in examples]

    def read(self, stream: BinaryIO) -> list[str]:
        return text_lines(stream)

    def _classification(self, row: list[float], truncated: bool) -> Classification:
        best = max(row)
        return Classification(self._names[row.index(best)], best, dict(zip(self._names, row, strict=True)), truncated)


def _row(encoding: Any, name: str) -> list[int]:
    if name == "input_ids":
        return encoding.ids  # type: ignore[no-any-return]
    if name == "attention_mask":
        return encoding.attention_mask  # type: ignore[no-any-return]
    if name == "token_type_ids":
        return encoding.type_ids  # type: ignore[no-any-return]
    raise CardError(f"the model has an input {name!r}; text classification knows input_ids, attention_mask and token_type_ids")


def _softmax(logits: list[float]) -> list[float]:
    """In plain Python: for a row of a few labels numpy's calls cost ten times as much."""
    most = max(logits)
    powers = [exp(one - most) for one in logits]
    total = sum(powers)
    if not isfinite(total):
        raise not_finite()
    return [one / total for one in powers]

"""Token classification: sentences -> the `Entity`s in them, for BERT-like models that give each token a BIO tag.

Offsets are characters of the given text, ends excluded, so `text[one.start : one.end]` is the entity. A word's tag is that of its first
piece. A text longer than the model reads is read in windows that overlap, each word in the one that shows most around it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from edgebench.errors import CardError, InputError
from edgebench.models import spans
from edgebench.models.card import Card
from edgebench.tasks.base import Lap, Metric, not_finite
from edgebench.tasks.f1 import entity_f1
from edgebench.tasks.text import encodings, highest_id, joined, most_tokens, opened, text_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgebench.backends.base import Arrays, Session, TensorSpec

RUN_TOKENS = 1024  # padded tokens of one run: a text of many windows takes several
OVERLAP = 0.25  # the share of a window that the next one shows again
JOINER = "\u200d"  # between the parts of one emoji


@dataclass(frozen=True, slots=True)
class Entity:
    """Characters start..end (end excluded) of the given text, what they are, and how sure the model is: the mean over words."""

    start: int
    end: int
    label: str
    score: float
    text: str


@dataclass(frozen=True, slots=True)
class Tagging:
    """The entities of one text in order, and the probability of each word's tag, whether in an entity or not."""

    entities: tuple[Entity, ...]
    word_scores: tuple[float, ...]

    def __str__(self) -> str:
        return "; ".join(f"{one.label} {one.text!r} {one.start}:{one.end} {one.score:.3f}" for one in self.entities) or "nothing found"


@dataclass(frozen=True, slots=True)
class _Words:
    """One text's tokens: `ids` between `before` and `after`, and for each word its first token and its characters."""

    text: str
    before: list[int]
    ids: list[int]
    after: list[int]
    firsts: list[int]
    places: list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Window:
    """Tokens start..end of example `row`; it decides about those from `first` to before `last`."""

    row: int
    start: int
    end: int
    first: int
    last: int


class TokenClassification:
    """See `edgebench.tasks.base.Task`. Reads `files.tokenizer` and `preprocess.max_tokens` of the card; its labels are BIO tags."""

    extra = "metrics"  # the pip extra that brings seqeval, which scores
    unit = "tokens"

    def __init__(self, card: Card, files: dict[str, Path]) -> None:
        wrong = [name for name in card.labels if name != spans.OUTSIDE and name[:2] not in ("B-", "I-")]
        if wrong or len(card.labels) < 2:
            raise CardError(f"card {card.name!r} has label {wrong[0] if wrong else None!r}; token classification takes O, B-KIND and I-KIND")
        self._tags = card.labels
        self._max_tokens = most_tokens(card)
        self._tokenizer = opened(card, files, "tokenizer")

    @property
    def highest_id(self) -> int:
        """The largest number that the model may be fed as a word."""
        return highest_id(self._tokenizer)

    def sizes(self, examples: Sequence[str]) -> list[int]:
        return [len(one.ids) for one in encodings(self._tokenizer, examples)]

    def answer(self, examples: Sequence[str], session: Session, lap: Lap) -> list[Tagging]:
        texts = [_words(text, one) for text, one in zip(examples, encodings(self._tokenizer, examples, offsets=True), strict=True)]
        longest = min([self._max_tokens, *session.lengths[-1:]])
        windows = [window for row, one in enumerate(texts) for window in _windows(row, one, longest)]
        runs = _runs(windows, 1 if session.inputs[0].shape[:1] == (1,) else RUN_TOKENS)
        feeds = [_feeds([_ids(texts[one.row], one) for one in run], session.inputs, session.lengths) for run in runs]
        lap("tokenise")
        outputs = [session.run(one) for one in feeds]
        lap("run")
        found = self._decoded(texts, runs, outputs)
        lap("decode")
        return found

    def labels(self, predictions: Sequence[Tagging]) -> list[str]:
        return [spans.write(_spans(one)) for one in predictions]

    def probabilities(self, predictions: Sequence[Tagging]) -> list[list[float]]:
        return [list(one.word_scores) for one in predictions]

    def score(self, predictions: Sequence[Tagging], references: Sequence[str]) -> Metric:
        """Entity F1; a reference is what `edgebench.models.spans` writes."""
        return entity_f1([_spans(one) for one in predictions], [spans.read(one) for one in references])

    def resize(self, examples: Sequence[str], length: int, seed: int) -> list[str]:
        """As many texts as there are examples, each several real sentences joined and cut at `length` tokens."""
        random, pool = Random(seed), list(examples)
        return [joined(self._tokenizer, first, pool, length, random) for first in examples]

    def read(self, stream: BinaryIO) -> list[str]:
        return text_lines(stream)

    def _decoded(self, texts: list[_Words], runs: list[list[_Window]], outputs: list[Arrays]) -> list[Tagging]:
        logits: list[NDArray[Any]] = [np.zeros((len(one.ids), len(self._tags)), np.float32) for one in texts]
        for run, arrays in zip(runs, outputs, strict=True):
            rows = next(iter(arrays.values())) if len(arrays) == 1 else arrays["logits"]
            if rows.shape[2] != len(self._tags):
                raise CardError(f"the model gives {rows.shape[2]} scores a token, the card names {len(self._tags)} labels; correct the card")
            for window, row in zip(run, rows, strict=True):
                at = len(texts[window.row].before) + window.first - window.start
                logits[window.row][window.first : window.last] = row[at : at + window.last - window.first]
        return [self._tagging(one, rows[one.firsts]) for one, rows in zip(texts, logits, strict=True)]

    def _tagging(self, words: _Words, logits: NDArray[Any]) -> Tagging:
        powers = np.exp(logits - logits.max(axis=1, keepdims=True)) if len(logits) else logits
        best = logits.argmax(axis=1)
        scores = (powers[range(len(best)), best] / powers.sum(axis=1)).tolist()
        if not isfinite(sum(scores)):
            raise not_finite()
        entities = []
        for first, last, label in spans.runs([self._tags[one] for one in best.tolist()]):
            start, end = words.places[first][0], words.places[last][1]
            entities.append(Entity(start, end, label, sum(scores[first : last + 1]) / (last + 1 - first), words.text[start:end]))
        return Tagging(tuple(entities), tuple(scores))


def _spans(tagging: Tagging) -> list[spans.Span]:
    return [spans.Span(one.start, one.end, one.label) for one in tagging.entities]


def _words(text: str, encoding: Any) -> _Words:
    special, numbers, offsets = encoding.special_tokens_mask, encoding.word_ids, encoding.offsets
    start = next((at for at, one in enumerate(special) if not one), 0)
    end = next((at + 1 for at in range(len(special) - 1, -1, -1) if not special[at]), start)
    firsts = [at for at in range(start, end) if at == start or numbers[at] != numbers[at - 1]]
    places = [(offsets[first][0], _with_marks(text, offsets[behind - 1][1])) for first, behind in pairwise([*firsts, end])]
    ids = encoding.ids
    return _Words(text, ids[:start], ids[start:end], ids[end:], [at - start for at in firsts], places)


def _with_marks(text: str, end: int) -> int:
    """`end` after the combining marks there: what strips accents leaves them out of its offsets."""
    while end < len(text) and (unicodedata.category(text[end])[0] == "M" or text[end] == JOINER):
        end += 1
    return end


def _windows(row: int, words: _Words, longest: int) -> list[_Window]:
    """One window, or as many as it takes: each decides up to the middle of what it shares with its neighbours."""
    count, room = len(words.ids), longest - len(words.before) - len(words.after)
    if room < 1:
        raise InputError(f"max_tokens is {longest}, which leaves no token of the text; give more")
    if count <= room:
        return [_Window(row, 0, count, 0, count)]
    overlap = int(room * OVERLAP)
    starts = [*range(0, count - room, room - overlap), count - room]
    middles = [(after + start + room) // 2 for start, after in pairwise(starts)]
    return [_Window(row, start, start + room, first, last) for start, (first, last) in zip(starts, pairwise([0, *middles, count]), strict=True)]


def _runs(windows: list[_Window], budget: int) -> list[list[_Window]]:
    """Windows in their order, in runs of at most `budget` padded tokens, at least one a run."""
    runs: list[list[_Window]] = []
    widest = 0
    for one in windows:
        widest = max(widest, one.end - one.start)
        if runs and (len(runs[-1]) + 1) * widest <= budget:
            runs[-1].append(one)
        else:
            runs.append([one])
            widest = one.end - one.start
    return runs


def _ids(words: _Words, window: _Window) -> list[int]:
    return words.before + words.ids[window.start : window.end] + words.after


def _feeds(rows: list[list[int]], inputs: Sequence[TensorSpec], lengths: Sequence[int]) -> Arrays:
    """int arrays of shape (rows, length), padded to the smallest of `lengths` that fits; empty: to the longest row."""
    longest = max(map(len, rows))
    width = next((length for length in lengths if length >= longest), longest)
    ids, mask = np.zeros((2, len(rows), width), np.int64)
    for place, real, row in zip(ids, mask, rows, strict=True):
        place[: len(row)] = row
        real[: len(row)] = 1
    known = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    for spec in inputs:
        if spec.name not in known:
            raise CardError(f"the model has an input {spec.name!r}; token classification knows {', '.join(known)}")
    return {spec.name: known[spec.name].astype(spec.dtype, copy=False) for spec in inputs}

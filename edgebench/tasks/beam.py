"""Greedy and beam search over a decoder's logits, in numpy, for a batch of sentences that end at different times.

    search = Beams(limits=[40, 60], beams=4, start=59_513, end=0)
    while len(kept := search.advance(logits_of(search.tokens))): ...     # rows of the last step that go on, in their new order
    search.found                                                         # one Found for each sentence

Hypotheses are ended and compared as transformers' `generate` does with length_penalty 1 and early_stopping False, so a translation
is the one that it gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from edgebench.tasks.base import not_finite

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Found:
    """`tokens` without the end, the mean log-probability of the `count` chosen, and whether the limit cut them off."""

    tokens: list[int]
    score: float
    count: int
    cut: bool


@dataclass(slots=True)
class _Sentence:
    limit: int
    live: list[tuple[float, list[int]]] = field(default_factory=lambda: [(0.0, [])])  # sum of log-probabilities, tokens
    ended: list[Found] = field(default_factory=list)  # at most as many as there are beams, the best first


class Beams:
    """`rows` are the sentences' numbers that the decoder's first rows belong to, `tokens` (rows, 1) what it is to be given next."""

    def __init__(self, limits: Sequence[int], *, beams: int, start: int, end: int) -> None:
        self._beams, self._start, self._end = beams, start, end
        self._sentences = [_Sentence(limit) for limit in limits]
        self.rows = list(range(len(limits)))  # one each: all hypotheses are the same before the first token
        self.tokens: NDArray[np.int64] = np.full((len(limits), 1), start, np.int64)

    @property
    def found(self) -> list[Found]:
        return [one.ended[0] for one in self._sentences]

    def advance(self, logits: NDArray[Any]) -> NDArray[np.int64]:
        """Take (rows, V) logits for what follows; the rows that go on, one for each of the next `tokens`. None: all has ended."""
        logits[:, self._start] = -np.inf
        most = logits.max(axis=1, keepdims=True)
        norm = most[:, 0] + np.log(np.exp(logits - most).sum(axis=1))
        if not np.isfinite(norm).all():
            raise not_finite()
        kept: list[int] = []
        rows: list[int] = []
        tokens: list[int] = []
        at = 0
        while at < len(self.rows):
            number = self.rows[at]
            sentence = self._sentences[number]
            width = len(sentence.live)
            following = self._followed(sentence, logits[at : at + width], norm[at : at + width])
            for source, token in following:
                kept.append(at + source)
                rows.append(number)
                tokens.append(token)
            at += width
        self.rows, self.tokens = rows, np.array(tokens, np.int64).reshape(-1, 1)
        return np.array(kept, np.int64)

    def _followed(self, sentence: _Sentence, logits: NDArray[Any], norm: NDArray[Any]) -> list[tuple[int, int]]:
        """Take one sentence a token further; the hypothesis and the token of each that goes on."""
        candidates = self._best(sentence, logits, norm)
        length = len(sentence.live[0][1]) + 1
        going: list[tuple[float, int, int]] = []
        for place, (total, source, token) in enumerate(candidates):
            if token == self._end:
                if place < self._beams:
                    self._end_with(sentence, Found(sentence.live[source][1], total / length, length, False))
            elif len(going) < self._beams:
                going.append((total, source, token))
        full = len(sentence.ended) >= self._beams
        if full and (not going or going[0][0] / length <= sentence.ended[-1].score):
            return []
        if length >= sentence.limit:
            for total, source, token in going:
                self._end_with(sentence, Found([*sentence.live[source][1], token], total / length, length, True))
            return []
        sentence.live = [(total, [*sentence.live[source][1], token]) for total, source, token in going]
        return [(source, token) for _, source, token in going]

    def _best(self, sentence: _Sentence, logits: NDArray[Any], norm: NDArray[Any]) -> list[tuple[float, int, int]]:
        """The likeliest continuations, twice as many as beams so that enough go on whatever ends: total, hypothesis, token."""
        if self._beams == 1:
            token = int(logits[0].argmax())
            return [(sentence.live[0][0] + float(logits[0, token] - norm[0]), 0, token)]
        count = min(2 * self._beams, logits.shape[1] - 1)
        totals = logits + (np.array([total for total, _ in sentence.live], logits.dtype) - norm)[:, None]
        flat = totals.ravel()
        best = np.argpartition(flat, -count)[-count:]
        best = best[np.argsort(-flat[best], kind="stable")]
        return [(float(flat[one]), *divmod(int(one), logits.shape[1])) for one in best]

    def _end_with(self, sentence: _Sentence, one: Found) -> None:
        sentence.ended = sorted([*sentence.ended, one], key=lambda other: -other.score)[: self._beams]

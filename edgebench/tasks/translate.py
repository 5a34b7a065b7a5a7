"""Translation: sentences -> `Translation`s, by an encoder run once and a decoder run for each token.

The session is the encoder's; its part "step" is the decoder for one more token, given what it remembers of the earlier ones.

    encoder   input_ids (B, S), attention_mask (B, S)                           -> cross (B, ...)
    step      input_ids (B, 1), attention_mask (B, S), cross, past (B, ..., T, width)  -> logits (B, V), present (B, ..., T + 1, width)

One beam is greedy search; with more, hypotheses are kept and compared as transformers does (score: mean log-probability).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from edgebench.errors import CardError
from edgebench.models.card import Card
from edgebench.tasks.base import Lap, Metric
from edgebench.tasks.beam import Beams
from edgebench.tasks.bleu import bleu, chrf
from edgebench.tasks.text import encodings, highest_id, joined, opened, text_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgebench.backends.base import Arrays, Session


@dataclass(frozen=True, slots=True)
class Translation:
    """`score` is the geometric mean of its tokens' probabilities, `tokens` how many there are, their end included.

    `truncated` says that the text was longer than the model reads, or its translation than it was to write.
    """

    text: str
    score: float
    tokens: int
    truncated: bool = False

    def __str__(self) -> str:
        return f"{self.text}{'  (cut: longer than the model reads or writes)' if self.truncated else ''}"


@dataclass(frozen=True, slots=True)
class _Source:
    """Texts as the encoder takes them; `blank` are those with nothing to translate, `truncated` those whose end was cut off."""

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    blank: list[bool]
    truncated: list[bool]


class Translate:
    """See `edgebench.tasks.base.Task`. Reads `files.source` and `files.target`, and of `preprocess`: `start` and `end` (token
    numbers), `max_tokens`, `beams`, and the most tokens of a translation, `max_ratio` times its source's and `max_more`."""

    extra = "metrics"  # the pip extra that brings sacrebleu, which scores
    unit = "tokens"

    def __init__(self, card: Card, files: dict[str, Path]) -> None:
        settings = card.preprocess
        missing = [name for name in ("start", "end") if name not in settings]
        if missing:
            raise CardError(f"card {card.name!r} has no preprocess.{missing[0]}; translation needs the numbers of the tokens that start and end one")
        self._start, self._end = int(settings["start"]), int(settings["end"])
        self._max_tokens, self._beams = int(settings.get("max_tokens", 512)), int(settings.get("beams", 1))
        self._max_ratio, self._max_more = float(settings.get("max_ratio", 2.0)), int(settings.get("max_more", 10))
        if self._max_tokens < 2 or self._beams < 1:
            raise CardError(f"card {card.name!r} has max_tokens {self._max_tokens} and beams {self._beams}; expected at least 2 and 1")
        self._source, self._target = opened(card, files, "source"), opened(card, files, "target")
        self._source.enable_truncation(self._max_tokens)

    @property
    def highest_id(self) -> int:
        """The largest number that the model may be fed as a word."""
        return highest_id(self._source)

    def sizes(self, examples: Sequence[str]) -> list[int]:
        return [len(one.ids) for one in encodings(self._source, examples)]

    def answer(self, examples: Sequence[str], session: Session, lap: Lap) -> list[Translation]:
        step = _step(session)
        source = self._encoded(examples)
        lap("tokenise")
        mask = source.mask
        cross = session.run({"input_ids": source.ids, "attention_mask": mask})["cross"]
        lap("encoder")
        lengths = [int(self._max_ratio * int(one) + self._max_more) for one in mask.sum(axis=1)]
        search = Beams(lengths, beams=self._beams, start=self._start, end=self._end)
        past: NDArray[Any] = np.zeros(_empty(step, len(search.rows)), np.float32)
        cross, mask = cross[search.rows], mask[search.rows]
        while True:
            outputs: Arrays = step.run({"input_ids": search.tokens, "attention_mask": mask, "cross": cross, "past": past})
            lap("decoder")
            kept = search.advance(outputs["logits"])
            if not len(kept):
                lap("search")
                break
            past = outputs["present"]
            if len(kept) < len(past) or (kept != range(len(kept))).any():  # otherwise all go on in their places
                past, cross, mask = past[kept], cross[kept], mask[kept]
            lap("search")
        texts = self._target.decode_batch([one.tokens for one in search.found])
        found = [
            Translation("", 1.0, 0) if blank else Translation(text.strip(), exp(one.score), one.count, cut or one.cut)
            for text, one, blank, cut in zip(texts, search.found, source.blank, source.truncated, strict=True)
        ]
        lap("detokenise")
        return found

    def labels(self, predictions: Sequence[Translation]) -> list[str]:
        return [one.text for one in predictions]

    def probabilities(self, predictions: Sequence[Translation]) -> list[list[float]]:
        return [[one.score] for one in predictions]

    def score(self, predictions: Sequence[Translation], references: Sequence[str]) -> Metric:
        """Corpus BLEU, as a share of 1; chrF beside it."""
        texts = self.labels(predictions)
        score, (other, value) = bleu(texts, references), chrf(texts, references)
        return Metric(score.name, score.value, score.low, score.high, score.interval, score.n, {other: value})

    def resize(self, examples: Sequence[str], length: int, seed: int) -> list[str]:
        """As many texts as there are examples, each several real sentences joined and cut at `length` tokens."""
        random, pool = Random(seed), list(examples)
        return [joined(self._source, first, pool, length, random) for first in examples]

    def read(self, stream: BinaryIO) -> list[str]:
        return text_lines(stream)

    def _encoded(self, examples: Sequence[str]) -> _Source:
        rows = encodings(self._source, examples)
        ids, mask = np.zeros((2, len(rows), max(len(one.ids) for one in rows)), np.int64)
        for place, real, one in zip(ids, mask, rows, strict=True):
            place[: len(one.ids)] = one.ids
            real[: len(one.ids)] = 1
        return _Source(ids, mask, [len(one.ids) < 2 for one in rows], [bool(one.overflowing) for one in rows])


def _step(session: Session) -> Session:
    step: Session | None = getattr(session, "parts", {}).get("step")
    if step is None:
        raise CardError("translation needs a variant with the part 'step', the decoder for one token; name its file in [variants.parts.step]")
    return step


def _empty(step: Session, rows: int) -> tuple[int, ...]:
    """The shape of what the decoder remembers before the first token: nothing where the graph leaves the size open."""
    (past,) = (one for one in step.inputs if one.name == "past")
    return (rows, *(size or 0 for size in past.shape[1:]))

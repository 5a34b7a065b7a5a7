"""Image classification: pictures -> `ImageClass`es, for nets that give one score for each label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from edgebench.errors import CardError, InputError
from edgebench.models.card import Card
from edgebench.tasks import image
from edgebench.tasks.base import Lap, Metric, not_finite
from edgebench.tasks.metrics import share

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgebench.backends.base import Arrays, Session

TOP = 5


@dataclass(frozen=True, slots=True)
class ImageClass:
    """The likeliest label and its probability; `top` are the five likeliest with theirs, `scores` is everyone's in the card's order."""

    label: str
    score: float
    top: tuple[tuple[str, float], ...]
    scores: NDArray[np.float32] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.label}  {self.score:.3f}"


class ImageClassification:
    """See `edgebench.tasks.base.Task`. `preprocess` as in `edgebench.tasks.image`, and `scores`: "logits" (default), which a
    softmax makes probabilities of, or "probabilities"; in a uint8 output 256 is 1."""

    unit = "pixels"
    extra = image.EXTRA

    def __init__(self, card: Card, files: dict[str, Path]) -> None:
        self._names = card.labels
        self._how = image.preprocess(card, "scores")
        self._kind = card.preprocess.get("scores", "logits")
        if self._kind not in ("logits", "probabilities"):
            raise CardError(f"card {card.name!r}: preprocess.scores is {self._kind!r}; expected 'logits' or 'probabilities'")

    def sizes(self, examples: Sequence[Any]) -> list[int]:
        """All alike: what the net takes."""
        return [self._how.height * self._how.width] * len(examples)

    def answer(self, examples: Sequence[Any], session: Session, lap: Lap) -> list[ImageClass]:
        feeds, _ = image.encode(examples, self._how, session.inputs, lap)
        outputs = session.run(feeds)
        lap("run")
        found = self.decode(outputs)
        lap("decode answer")
        return found

    def decode(self, outputs: Arrays) -> list[ImageClass]:
        """(examples, labels) scores -> the likeliest of each row."""
        scores = next(iter(outputs.values()))
        scores = scores.reshape(len(scores), -1)
        if scores.shape[1] != len(self._names):
            raise CardError(f"the model gives {scores.shape[1]} scores, the card names {len(self._names)} labels; correct the card")
        likely = self._probabilities(scores)
        if not np.isfinite(likely.sum()):
            raise not_finite()
        return [self._best(row) for row in likely]

    def labels(self, predictions: Sequence[ImageClass]) -> list[str]:
        return [one.label for one in predictions]

    def probabilities(self, predictions: Sequence[ImageClass]) -> list[list[float]]:
        """In steps of 1e-5: a thousand of them for each picture, most of them 0, are the bulk of a record."""
        return [np.round(one.scores.astype(np.float64), 5).tolist() for one in predictions]

    def score(self, predictions: Sequence[ImageClass], references: Sequence[str]) -> Metric:
        """Top-1, the share of pictures whose label is the likeliest; beside it top-5, the share where it is among five."""
        n = len(references)
        first = sum(one.label == wanted for one, wanted in zip(predictions, references, strict=True))
        among = sum(wanted in [label for label, _ in one.top] for one, wanted in zip(predictions, references, strict=True))
        metric = share("top-1", first, n)
        return Metric(metric.name, metric.value, metric.low, metric.high, metric.interval, n, {"top-5": among / n})

    def resize(self, examples: Sequence[Any], length: int, seed: int) -> list[Any]:
        raise InputError(image.NO_LENGTH)

    def read(self, stream: BinaryIO) -> list[bytes]:
        return image.read(stream)

    def draw(self, example: Any, prediction: ImageClass) -> Any:
        """The picture with its label in a corner."""
        return image.captioned(image.decode(example), [(2, 2, str(prediction))])

    def _probabilities(self, scores: NDArray[Any]) -> NDArray[np.float32]:
        if scores.dtype == np.uint8:
            return scores.astype(np.float32) / np.float32(256)
        if self._kind == "probabilities":
            return scores.astype(np.float32, copy=False)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        likely: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32, copy=False)
        return likely

    def _best(self, row: NDArray[np.float32]) -> ImageClass:
        order = np.argsort(-row, kind="stable")[:TOP].tolist()
        top = tuple((self._names[place], float(row[place])) for place in order)
        return ImageClass(*top[0], top, row)

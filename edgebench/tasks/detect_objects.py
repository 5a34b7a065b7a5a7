"""Object detection: pictures -> `Detections`, boxes in the picture's own pixels, for SSD-like nets.

A file answers in one of two ways. With the best boxes kept in the graph: four outputs, boxes, label numbers, scores and how
many there are, as TFLite's own detection operation gives them. Or with every box: "boxes" (1, N, 4) and "scores" (1, N, labels),
of which the best are kept here. Boxes are top, left, bottom, right in parts of what the net saw.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from edgebench.errors import CardError, InputError
from edgebench.models.card import Card
from edgebench.tasks import image
from edgebench.tasks.base import Lap, Metric, not_finite
from edgebench.tasks.coco import mean_average_precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgebench.backends.base import Arrays, Session
    from edgebench.tasks.image import Placed

KEYS = ("most", "overlap", "sure")


@dataclass(frozen=True, slots=True)
class Box:
    """`x` and `y` are the left upper corner; all four in pixels of the picture, from its left upper corner."""

    x: float
    y: float
    width: float
    height: float
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Detections:
    """Every box that was kept, the surest first, and the picture's size. `sure` is the score from which on a box is believed."""

    boxes: tuple[Box, ...]
    width: int
    height: int
    sure: float

    @property
    def believed(self) -> tuple[Box, ...]:
        return tuple(one for one in self.boxes if one.score >= self.sure)

    def __str__(self) -> str:
        return ", ".join(f"{one.label} {one.score:.2f} at {one.x:.0f},{one.y:.0f} {one.width:.0f}x{one.height:.0f}" for one in self.believed) or "nothing"


class ObjectDetection:
    """See `edgebench.tasks.base.Task`. `preprocess` as in `edgebench.tasks.image`, and how the best boxes are kept: at most `most`
    (10), none that overlaps a surer one by more than `overlap` (IoU, 0.6); `sure` (0.5) is the score from which on one is believed.

    The card's labels are the net's; one in brackets, "(unused)", is never found.
    """

    unit = "pixels"
    extra = image.EXTRA

    def __init__(self, card: Card, files: dict[str, Path]) -> None:
        self._names = card.labels
        self._how = image.preprocess(card, *KEYS)
        given = card.preprocess
        self._most, self._overlap, self._sure = int(given.get("most", 10)), float(given.get("overlap", 0.6)), float(given.get("sure", 0.5))
        if self._most < 1 or not 0 < self._overlap <= 1 or not 0 <= self._sure <= 1:
            said = f"most is {self._most}, overlap {self._overlap:g} and sure {self._sure:g}"
            raise CardError(f"card {card.name!r}: preprocess.{said}; expected 1 or more, above 0 and at most 1, and 0 to 1")

    def sizes(self, examples: Sequence[Any]) -> list[int]:
        """All alike: what the net takes."""
        return [self._how.height * self._how.width] * len(examples)

    def answer(self, examples: Sequence[Any], session: Session, lap: Lap) -> list[Detections]:
        feeds, placed = image.encode(examples, self._how, session.inputs, lap)
        outputs = session.run(feeds)
        lap("run")
        kept = [self.keep(outputs, row) for row in range(len(examples))]
        lap("keep boxes")
        found = [self.decode(*one, place) for one, place in zip(kept, placed, strict=True)]
        lap("decode answer")
        return found

    def keep(self, outputs: Arrays, row: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """(n, 4) boxes in parts of what the net saw, (n,) label numbers and (n,) scores, the surest first."""
        if len(outputs) == 4:
            boxes, classes, scores, count = (one[row] for one in outputs.values())
            if not all(np.isfinite(one).all() for one in (boxes, classes, scores, count)):
                raise not_finite()
            n = int(np.ravel(count)[0])
            return boxes[:n], classes[:n].astype(np.int64), scores[:n]
        if set(outputs) != {"boxes", "scores"}:
            raise CardError(f"the model gives {', '.join(outputs)}; expected 'boxes' and 'scores', or boxes, label numbers, scores and their count")
        boxes, scores = outputs["boxes"][row], outputs["scores"][row]
        if scores.shape[1] != len(self._names):
            raise CardError(f"the model gives {scores.shape[1]} scores for a box, the card names {len(self._names)} labels; correct the card")
        best = scores.max(axis=1)
        if not np.isfinite(best).all() or not np.isfinite(boxes).all():
            raise not_finite()
        order = suppress(boxes, best, self._overlap, self._most)
        return boxes[order], scores[order].argmax(axis=1), best[order]

    def decode(self, boxes: NDArray[Any], classes: NDArray[Any], scores: NDArray[Any], placed: Placed) -> Detections:
        """Each box where it is in the picture, cut at the picture's edges; one of no size, or of an unused label, is dropped."""
        seen = self._how
        corners = boxes.astype(np.float64) * [seen.height, seen.width, seen.height, seen.width]
        corners = (corners - [placed.top, placed.left] * 2) / ([placed.scale_y, placed.scale_x] * 2)
        corners = corners.clip(0, [placed.height, placed.width] * 2)
        found = []
        for (top, left, bottom, right), label, score in zip(corners.tolist(), classes.tolist(), scores.tolist(), strict=True):
            if not 0 <= label < len(self._names):
                raise CardError(f"the model gives label number {label}, the card names {len(self._names)} labels; correct the card")
            if right > left and bottom > top and not self._names[label].startswith("("):
                found.append(Box(left, top, right - left, bottom - top, self._names[label], score))
        return Detections(tuple(found), placed.width, placed.height, self._sure)

    def labels(self, predictions: Sequence[Detections]) -> list[str]:
        """What is believed to be there, sorted, as often as it is."""
        return [", ".join(sorted(box.label for box in one.believed)) for one in predictions]

    def probabilities(self, predictions: Sequence[Detections]) -> list[list[float]]:
        """Of each label the surest box's score."""
        places = {name: place for place, name in enumerate(self._names)}
        rows = [[0.0] * len(self._names) for _ in predictions]
        for row, one in zip(rows, predictions, strict=True):
            for box in one.boxes:
                row[places[box.label]] = max(row[places[box.label]], round(box.score, 6))
        return rows

    def score(self, predictions: Sequence[Detections], references: Sequence[str]) -> Metric:
        """COCO mAP over every box that was kept. A reference is JSON of [label, centre x, centre y, width, height] in parts of
        the picture, as `edgebench.models.pictures` writes it."""
        found = [[(box.label, box.score, box.x, box.y, box.width, box.height) for box in one.boxes] for one in predictions]
        there = [
            [(label, (x - w / 2) * one.width, (y - h / 2) * one.height, w * one.width, h * one.height) for label, x, y, w, h in json.loads(wanted)]
            for one, wanted in zip(predictions, references, strict=True)
        ]
        return mean_average_precision(found, there)

    def resize(self, examples: Sequence[Any], length: int, seed: int) -> list[Any]:
        raise InputError(image.NO_LENGTH)

    def read(self, stream: BinaryIO) -> list[bytes]:
        return image.read(stream)

    def draw(self, example: Any, prediction: Detections) -> Any:
        """The picture with the boxes that are believed, and their labels."""
        boxes = [(box.x, box.y, box.x + box.width, box.y + box.height, self._names.index(box.label)) for box in prediction.believed]
        captions = [(box.x + 2, box.y + 2, f"{box.label} {box.score:.2f}") for box in prediction.believed]
        return image.captioned(image.outlined(image.decode(example), boxes), captions)


def suppress(boxes: NDArray[Any], scores: NDArray[Any], overlap: float, most: int) -> list[int]:
    """The places of at most `most` boxes, the surest first, none of which overlaps a surer one by an IoU above `overlap`.

    Greedy non-maximum suppression over all labels together, as TFLite's fast mode does it: one box is one thing.
    """
    top, left, bottom, right = boxes.T
    areas = (bottom - top) * (right - left)
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order) and len(kept) < most:
        best, order = order[0], order[1:]
        kept.append(int(best))
        height = np.minimum(bottom[best], bottom[order]) - np.maximum(top[best], top[order])
        width = np.minimum(right[best], right[order]) - np.maximum(left[best], left[order])
        both = height.clip(0) * width.clip(0)
        order = order[both <= overlap * (areas[best] + areas[order] - both)]
    return kept

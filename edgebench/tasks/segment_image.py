"""Segmentation: pictures -> `Segmentation`s, a label for every pixel of the picture at its own size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from edgebench.errors import CardError, InputError
from edgebench.models.card import Card
from edgebench.tasks import image
from edgebench.tasks.base import Lap, Metric, not_finite
from edgebench.tasks.metrics import bootstrap

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from edgebench.backends.base import Arrays, Session
    from edgebench.tasks.image import Placed

SEEN = 0.01  # a label on less of a picture is not told of
RESAMPLES = 1_000
SEED = 20261125
UNJUDGED = 255


@dataclass(frozen=True, slots=True)
class Segmentation:
    """`mask` is (height, width) uint8, each pixel's place in the card's labels; `shares` is the part of the picture that each label
    has, largest first, without those that have none."""

    shares: dict[str, float]
    mask: NDArray[np.uint8] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return ", ".join(f"{label} {share:.1%}" for label, share in self.shares.items() if share >= SEEN)


class ImageSegmentation:
    """See `edgebench.tasks.base.Task`. `preprocess` as in `edgebench.tasks.image`, without "crop". The net gives a score for each label and
    pixel, (1, H, W, labels) or (1, labels, H, W), or each pixel's label, (1, H, W); the card's first label is the background."""

    unit = "pixels"
    extra = image.EXTRA

    def __init__(self, card: Card, files: dict[str, Path]) -> None:
        self._names = card.labels
        self._how = image.preprocess(card)
        if self._how.resize == "crop":
            raise CardError(f"card {card.name!r}: preprocess.resize is 'crop'; pixels cut off would have no label: expected stretch or letterbox")

    def sizes(self, examples: Sequence[Any]) -> list[int]:
        """All alike: what the net takes."""
        return [self._how.height * self._how.width] * len(examples)

    def answer(self, examples: Sequence[Any], session: Session, lap: Lap) -> list[Segmentation]:
        feeds, placed = image.encode(examples, self._how, session.inputs, lap)
        outputs = session.run(feeds)
        lap("run")
        maps = self.choose(outputs)
        lap("choose labels")
        masks = [self.enlarge(one, place) for one, place in zip(maps, placed, strict=True)]
        lap("resize mask")
        found = [self._described(one) for one in masks]
        lap("decode answer")
        return found

    def choose(self, outputs: Arrays) -> NDArray[np.uint8]:
        """(examples, H, W): the likeliest label of each of the net's pixels."""
        scores = next(iter(outputs.values()))
        if scores.ndim == 3:
            labels: NDArray[np.uint8] = scores.astype(np.uint8)
            return labels
        axis = next((place for place in (3, 1) if scores.ndim == 4 and scores.shape[place] == len(self._names)), None)
        if axis is None:
            raise CardError(f"the model gives shape {scores.shape}, the card names {len(self._names)} labels; correct the card")
        if not np.isfinite(scores.max()):  # of a number and none, the maximum is none
            raise not_finite()
        if axis == 1:
            return np.stack([_likeliest(one) for one in scores])
        likeliest: NDArray[np.uint8] = scores.argmax(axis=3).astype(np.uint8)
        return likeliest

    def enlarge(self, labels: NDArray[np.uint8], placed: Placed) -> NDArray[np.uint8]:
        """(height, width) of the picture: each pixel's label is that of the net's pixel in which its middle lies.

        The net's map may be smaller than its input, evenly.
        """
        down, across = labels.shape
        rows = (np.arange(placed.height) + 0.5) * placed.scale_y + placed.top
        columns = (np.arange(placed.width) + 0.5) * placed.scale_x + placed.left
        rows = (rows * (down / self._how.height)).astype(np.int64).clip(0, down - 1)
        columns = (columns * (across / self._how.width)).astype(np.int64).clip(0, across - 1)
        enlarged: NDArray[np.uint8] = labels[rows][:, columns]
        return enlarged

    def labels(self, predictions: Sequence[Segmentation]) -> list[str]:
        """What covers at least a hundredth of the picture, sorted."""
        return [", ".join(sorted(label for label, share in one.shares.items() if share >= SEEN)) for one in predictions]

    def probabilities(self, predictions: Sequence[Segmentation]) -> list[list[float]]:
        """The share of pixels that each label has."""
        return [[round(one.shares.get(name, 0.0), 6) for name in self._names] for one in predictions]

    def score(self, predictions: Sequence[Segmentation], references: Sequence[str]) -> Metric:
        """mIoU over all pictures together, pixel accuracy beside it. A reference is JSON that names a mask's file and what its
        values mean, as `edgebench.models.pictures` writes it."""
        pairs = zip(predictions, references, strict=True)
        counts = np.stack([confusion(there(wanted, len(self._names)), found.mask, len(self._names)).ravel() for found, wanted in pairs])
        low, high = bootstrap(counts, mean_iou, resamples=RESAMPLES, seed=SEED)
        how = f"bootstrap 95 % over pictures, {RESAMPLES} resamples, seed {SEED}"
        total = counts.sum(0)
        return Metric("mIoU", mean_iou(total), low, high, how, len(references), {"pixel accuracy": pixel_accuracy(total)})

    def resize(self, examples: Sequence[Any], length: int, seed: int) -> list[Any]:
        raise InputError(image.NO_LENGTH)

    def read(self, stream: BinaryIO) -> list[bytes]:
        return image.read(stream)

    def draw(self, example: Any, prediction: Segmentation) -> Any:
        """The picture with each label but the first laid over it in a colour of its own, named where it is."""
        picture, mask = np.asarray(image.decode(example)).copy(), prediction.mask
        captions = []
        for place in range(1, len(self._names)):
            where = mask == place
            if where.mean() >= SEEN:
                picture[where] = picture[where] // 2 + np.array(image.colour(place), np.uint8) // 2
                y, x = (float(np.median(one)) for one in where.nonzero())
                captions.append((x, y, self._names[place]))
        return image.captioned(image.decode(picture), captions)

    def _described(self, mask: NDArray[np.uint8]) -> Segmentation:
        counts = np.bincount(mask.ravel(), minlength=len(self._names))
        if len(counts) > len(self._names):
            raise CardError(f"the model gives label number {len(counts) - 1}, the card names {len(self._names)} labels; correct the card")
        order = np.argsort(-counts, kind="stable").tolist()
        return Segmentation({self._names[place]: float(counts[place] / mask.size) for place in order if counts[place]}, mask)


def _likeliest(scores: NDArray[Any]) -> NDArray[np.uint8]:
    """argmax over the first axis, label by label: numpy's own took 8 ms for 21 x 257 x 257, this 4."""
    best, labels = scores[0].copy(), np.zeros(scores.shape[1:], np.uint8)
    for place in range(1, len(scores)):
        np.copyto(labels, place, where=scores[place] > best)
        np.maximum(best, scores[place], out=best)
    return labels


def there(reference: str, labels: int) -> NDArray[np.uint8]:
    """(height, width): what each pixel should be, `UNJUDGED` where that is not judged."""
    about = json.loads(reference)
    table = np.full(256, about["other"], np.uint8)
    for value, label in about["values"].items():
        table[int(value)] = label
    table[about["ignored"]] = UNJUDGED
    mask = image.label_map(about["mask"])
    return table[mask]


def confusion(there: NDArray[np.uint8], found: NDArray[np.uint8], labels: int) -> NDArray[np.int64]:
    """(labels, labels): how many judged pixels are the row's label and were found to be the column's."""
    if there.shape != found.shape:
        raise InputError(f"the mask is {there.shape[1]} x {there.shape[0]} pixels, its picture {found.shape[1]} x {found.shape[0]}; they must be alike")
    judged = there != UNJUDGED
    pairs = there[judged].astype(np.int64) * labels + found[judged]
    return np.bincount(pairs, minlength=labels * labels).reshape(labels, labels)


def mean_iou(counts: NDArray[Any]) -> float:
    """The mean over labels of both / (there + found - both), pixels of all pictures counted together; labels that are neither
    there nor found have none (M. Everingham et al., "The Pascal Visual Object Classes Challenge", IJCV 2015, section 4.2)."""
    size = round(len(np.ravel(counts)) ** 0.5)
    table = np.reshape(counts, (size, size))
    both, either = np.diag(table), table.sum(0) + table.sum(1) - np.diag(table)
    return float((both[either > 0] / either[either > 0]).mean()) if either.any() else 1.0


def pixel_accuracy(counts: NDArray[Any]) -> float:
    """The share of judged pixels whose label is right."""
    size = round(len(np.ravel(counts)) ** 0.5)
    table = np.reshape(counts, (size, size))
    return float(np.trace(table) / table.sum()) if table.sum() else 1.0

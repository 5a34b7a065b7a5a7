"""Boxes found and boxes there are -> COCO's mean average precision, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgebench.errors import MissingError
from edgebench.tasks.base import Metric

RESAMPLES = 200
SEED = 20261125
MOST = 100  # boxes of one picture that are judged, the surest: COCO's own number

Found = tuple[str, float, float, float, float, float]  # label, score, left, top, width, height
There = tuple[str, float, float, float, float]  # label, left, top, width, height


def mean_average_precision(predictions: Sequence[Sequence[Found]], references: Sequence[Sequence[There]]) -> Metric:
    """COCO mAP: the mean over labels that occur, and over overlaps (IoU) of 0.50 to 0.95 in steps of 0.05, of the average
    precision at 101 recalls (T.-Y. Lin et al., arXiv 1405.0312; cocodataset.org/#detection-eval). mAP50, at 0.50 alone, beside it.

    The interval is a percentile bootstrap over whole pictures: boxes of one picture are not independent.
    """
    if len(predictions) != len(references):
        raise ValueError(f"there are {len(predictions)} predictions and {len(references)} references; give one for one")
    coco, evaluation = _library()
    labels = sorted({one[0] for there in references for one in there})
    if not labels:
        raise ValueError("no picture holds a box, so there is nothing to be right or wrong about; give pictures with boxes")
    numbers = {label: place for place, label in enumerate(labels, start=1)}
    pictures = [{"id": place} for place in range(1, len(references) + 1)]
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints how it fares
        truth, found = coco(), coco()
        for one, boxes in ((truth, _annotations(references, numbers)), (found, _annotations([_surest(rows) for rows in predictions], numbers))):
            one.dataset = {"images": pictures, "categories": [{"id": number, "name": label} for label, number in numbers.items()], "annotations": boxes}
            one.createIndex()
        judge = evaluation(truth, found, "bbox")
        judge.params.areaRng, judge.params.areaRngLbl, judge.params.maxDets = [[0, 1e10]], ["all"], [MOST]
        judge.evaluate()
        value, half = _mean(judge)
        low, high = _interval(judge, len(pictures))
    how = f"bootstrap 95 % over pictures, {RESAMPLES} resamples, seed {SEED}"
    return Metric("COCO mAP", value, low, high, how, len(references), {"mAP50": half})


def _annotations(rows: Sequence[Sequence[Any]], numbers: dict[str, int]) -> list[dict[str, Any]]:
    """Of both kinds of rows; boxes of labels that no picture holds can be neither right nor judged, as COCO has it."""
    found: list[dict[str, Any]] = []
    for picture, boxes in enumerate(rows, start=1):
        for label, *numbers_of in boxes:
            if label in numbers:
                *score, left, top, width, height = numbers_of
                about = {"id": len(found) + 1, "image_id": picture, "category_id": numbers[label], "bbox": [left, top, width, height]}
                found.append({**about, "area": width * height, "iscrowd": 0, **({"score": score[0]} if score else {})})
    return found


def _surest(boxes: Sequence[Found]) -> list[Found]:
    return sorted(boxes, key=lambda one: -one[1])[:MOST]


def _mean(judge: Any) -> tuple[float, float]:
    """Mean average precision over all overlaps, and at 0.50; labels without a box in these pictures (-1) do not count."""
    judge.accumulate()
    precision = judge.eval["precision"][..., 0, 0]  # (overlaps, recalls, labels)
    judged = precision[:, :, (precision > -1).all(axis=(0, 1))]
    if not judged.size:
        return 0.0, 0.0
    return float(judged.mean()), float(judged[0].mean())


def _interval(judge: Any, pictures: int) -> tuple[float, float]:
    """What was matched in each picture is kept; pictures are drawn again, and only the averaging is done anew."""
    random = np.random.default_rng(SEED)
    table = np.empty((len(judge.params.catIds), pictures), object)
    table[:] = np.array([*judge.evalImgs, None], object)[:-1].reshape(table.shape)
    drawn = []
    for _ in range(RESAMPLES):
        judge.evalImgs = table[:, random.integers(pictures, size=pictures)].ravel().tolist()
        drawn.append(_mean(judge)[0])
    low, high = np.percentile(drawn, [2.5, 97.5]).tolist()
    return low, high


def _library() -> tuple[Any, Any]:
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise MissingError(f"mean average precision is scored by pycocotools, which cannot be imported ({error}); install edgebench[metrics]") from error
    return COCO, COCOeval

"""A label for every pixel of the picture at its own size; mIoU and pixel accuracy by their formulas."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import edgebench
from edgebench.errors import CardError, InputError
from edgebench.pipeline import Pipeline
from edgebench.tasks.image import Placed
from edgebench.tasks.segment_image import ImageSegmentation, Segmentation, confusion, mean_iou, pixel_accuracy, there

pillow = pytest.importorskip("PIL.Image", reason="pictures need Pillow; install edgebench[vision]")
onnx = pytest.importorskip("onnx", reason="the test model is written with onnx; install edgebench[test]")

LABELS = ("red", "green", "blue")


@pytest.fixture
def pipe(picture_model: Callable[..., Path]) -> Iterator[Pipeline]:
    """A net whose scores for a pixel are its three colours."""
    same = onnx.helper.make_node("Identity", ["picture"], ["scores"])
    with edgebench.load(str(picture_model("segmentation", [same], {"scores": [1, 3, 4, 4]}, LABELS, height=4, width=4, filter="nearest"))) as found:
        yield found


def task(labels: tuple[str, ...] = LABELS, **preprocess: Any) -> ImageSegmentation:
    card = SimpleNamespace(name="tiny", labels=labels, preprocess={"height": 4, "width": 4, **preprocess})
    return ImageSegmentation(card, {})  # type: ignore[arg-type]


def coloured(mask: Any) -> np.ndarray:  # type: ignore[type-arg]
    return np.eye(3, dtype=np.uint8)[np.array(mask)] * 255


def test_the_golden_answer_has_the_pictures_own_size(pipe: Pipeline) -> None:
    wanted = np.repeat(np.repeat([[0, 1], [2, 2]], 6, 0), 10, 1)
    found = pipe(coloured(wanted))
    assert found.mask.shape == (12, 20)
    assert found.mask.tolist() == wanted.tolist()
    assert found.shares == {"blue": 0.5, "red": 0.25, "green": 0.25}
    assert str(found) == "blue 50.0%, red 25.0%, green 25.0%"
    assert list(pipe.stages(coloured(wanted)).stages_ns) == ["decode", "resize", "normalise", "run", "choose labels", "resize mask", "decode answer"]


def test_drawing_tints_every_label_but_the_first(pipe: Pipeline) -> None:
    picture = coloured(np.repeat(np.repeat([[0, 1], [0, 0]], 60, 0), 60, 1))
    drawn = np.asarray(pipe.task.draw(picture, pipe(picture)))  # type: ignore[attr-defined]
    assert drawn[100, 20].tolist() == picture[100, 20].tolist()
    assert drawn[5, 115].tolist() != picture[5, 115].tolist()


def test_scores_may_come_last_first_or_be_labels_already() -> None:
    scores = np.random.default_rng(0).random((1, 5, 7, 3)).astype(np.float32)
    wanted = scores.argmax(-1)
    for outputs in (scores, scores.transpose(0, 3, 1, 2), wanted):
        assert task().choose({"x": outputs}).tolist() == wanted.tolist()
    with pytest.raises(CardError, match=r"shape \(1, 5, 7, 3\), the card names 2 labels"):
        task(("a", "b")).choose({"x": scores})


def test_a_map_smaller_than_the_input_is_enlarged_evenly() -> None:
    found = task().enlarge(np.array([[0, 1], [2, 0]], np.uint8), Placed(8, 8, 0, 0, 0.5, 0.5))
    assert found.tolist() == np.repeat(np.repeat([[0, 1], [2, 0]], 4, 0), 4, 1).tolist()


def test_the_margin_of_a_letterbox_is_left_out() -> None:
    found = task(resize="letterbox").enlarge(np.array([[1] * 4, [0] * 4, [2] * 4, [1] * 4], np.uint8), Placed(8, 4, 0, 1, 0.5, 0.5))
    assert found.tolist() == [[0] * 8] * 2 + [[2] * 8] * 2


def test_miou_and_pixel_accuracy_by_hand() -> None:
    counts = confusion(np.array([[0, 0, 1], [1, 255, 0]], np.uint8), np.array([[0, 1, 1], [1, 0, 2]], np.uint8), 4)
    assert counts.tolist() == [[1, 1, 1, 0], [0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    assert mean_iou(counts.ravel()) == pytest.approx((1 / 3 + 2 / 3 + 0 / 1) / 3)  # the fourth is neither there nor found
    assert pixel_accuracy(counts.ravel()) == pytest.approx(3 / 5)  # 255 is not judged


def test_a_reference_names_a_mask_and_what_its_values_mean(tmp_path: Path) -> None:
    pillow.fromarray(np.array([[0, 17], [40, 200]], np.uint8)).save(tmp_path / "mask.png")
    reference = json.dumps({"mask": str(tmp_path / "mask.png"), "values": {"17": 2}, "other": 0, "ignored": [200]})
    assert there(reference, 3).tolist() == [[0, 2], [0, 255]]
    right = Segmentation({}, np.array([[0, 2], [0, 1]], np.uint8))
    metric = task().score([right], [reference])
    assert (metric.name, metric.value, metric.n, metric.more) == ("mIoU", 1.0, 1, {"pixel accuracy": 1.0})


def test_a_mask_that_is_damaged_or_of_another_size_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"mask .*mask\.png cannot be read"):
        there(json.dumps({"mask": str(tmp_path / "mask.png"), "values": {}, "other": 0, "ignored": []}), 3)
    with pytest.raises(InputError, match="the mask is 2 x 1 pixels, its picture 1 x 2"):
        confusion(np.zeros((1, 2), np.uint8), np.zeros((2, 1), np.uint8), 3)


def test_cutting_the_edges_off_is_the_cards_fault() -> None:
    with pytest.raises(CardError, match="pixels cut off would have no label"):
        task(resize="crop")


def test_labels_and_shares_are_what_is_compared() -> None:
    found = Segmentation({"red": 0.9945, "blue": 0.0055}, np.zeros((1, 1), np.uint8))
    assert task().labels([found]) == ["red"]
    assert task().probabilities([found]) == [[0.9945, 0.0, 0.0055]]

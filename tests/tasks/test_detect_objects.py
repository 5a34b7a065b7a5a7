"""Boxes in the picture's own pixels, whichever way the file answers, and the best ones kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import edgebench
from edgebench.errors import CardError
from edgebench.pipeline import Pipeline
from edgebench.tasks.detect_objects import Box, Detections, ObjectDetection, suppress
from edgebench.tasks.image import Placed

pillow = pytest.importorskip("PIL.Image", reason="pictures need Pillow; install edgebench[vision]")
onnx = pytest.importorskip("onnx", reason="the test model is written with onnx; install edgebench[test]")

LABELS = ("cat", "(unused)", "dog")
BOXES = np.array([[[0.25, 0.5, 0.75, 1.0], [0.25, 0.5, 0.75, 0.98], [0.0, 0.0, 0.25, 0.25], [0.5, 0.0, 1.2, 0.25]]], np.float32)
SCORES = np.array([[[0.9, 0.0, 0.1], [0.2, 0.0, 0.8], [0.0, 0.7, 0.1], [0.1, 0.0, 0.3]]], np.float32)


def task(labels: tuple[str, ...] = LABELS, **preprocess: Any) -> ObjectDetection:
    card = SimpleNamespace(name="tiny", labels=labels, preprocess={"height": 4, "width": 8, **preprocess})
    return ObjectDetection(card, {})  # type: ignore[arg-type]


@pytest.fixture
def pipe(picture_model: Callable[..., Path]) -> Iterator[Pipeline]:
    """A net that finds the same four boxes in every picture: the picture's sum times 0 is added."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    nodes = [
        helper.make_node("ReduceSum", ["picture"], ["sum"], keepdims=0), helper.make_node("Mul", ["sum", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "b"], ["boxes"]), helper.make_node("Add", ["nothing", "s"], ["scores"]),
    ]
    constants = [numpy_helper.from_array(array, name) for name, array in (("zero", np.zeros((), np.float32)), ("b", BOXES), ("s", SCORES))]
    path = picture_model("object-detection", nodes, {"boxes": [1, 4, 4], "scores": [1, 4, 3]}, LABELS, constants, height=4, width=8)
    with edgebench.load(str(path)) as found:
        yield found


def test_the_golden_answer_in_the_pictures_own_pixels(pipe: Pipeline) -> None:
    found = pipe(np.zeros((100, 200, 3), np.uint8))
    assert (found.width, found.height) == (200, 100)
    assert found.boxes == (Box(100, 25, 100, 50, "cat", pytest.approx(0.9)), Box(0, 50, 50, 50, "dog", pytest.approx(0.3)))  # one hides a second, one is unused
    assert found.believed == found.boxes[:1]
    assert str(found) == "cat 0.90 at 100,25 100x50"
    assert list(pipe.stages(np.zeros((9, 9, 3), np.uint8)).stages_ns) == ["decode", "resize", "normalise", "run", "keep boxes", "decode answer"]


def test_drawing_marks_the_edge_of_a_box_and_leaves_the_rest(pipe: Pipeline) -> None:
    picture = np.full((100, 200, 3), 9, np.uint8)
    drawn = np.asarray(pipe.task.draw(picture, pipe(picture)))  # type: ignore[attr-defined]
    assert drawn.shape == picture.shape
    assert drawn[74, 150].tolist() != [9, 9, 9]
    assert drawn[90, 50].tolist() == [9, 9, 9]


def test_boxes_kept_in_the_graph_are_taken_as_they_are() -> None:
    outputs = {"a": BOXES[:, [0, 3]], "b": np.array([[0.0, 2.0]], np.float32), "c": np.array([[0.9, 0.3]], np.float32), "d": np.array([1.0], np.float32)}
    boxes, classes, scores = task().keep(outputs, 0)
    assert (boxes.tolist(), classes.tolist(), scores.tolist()) == ([BOXES[0, 0].tolist()], [0], [pytest.approx(0.9)])


def test_a_letterboxed_net_s_boxes_are_moved_back_and_cut_at_the_edge() -> None:
    placed = Placed(width=40, height=40, left=2, top=0, scale_x=0.1, scale_y=0.1)  # a square in the middle of 8 x 4
    found = task(resize="letterbox").decode(np.array([[0.0, 0.125, 0.5, 0.5]]), np.array([0]), np.array([0.9]), placed)
    assert found.boxes == (Box(0, 0, 20, 20, "cat", 0.9),)


def test_suppression_keeps_the_surest_of_those_that_overlap() -> None:
    boxes = np.array([[0, 0, 1, 1], [0, 0, 1, 0.9], [0, 0, 1, 0.5], [2, 2, 3, 3]], float)
    assert suppress(boxes, np.array([0.5, 0.9, 0.8, 0.1]), 0.6, 10) == [1, 2, 3]  # IoU with the surest: 0.9, 0.56, 0
    assert suppress(boxes, np.array([0.5, 0.9, 0.8, 0.1]), 0.5, 10) == [1, 3]
    assert suppress(boxes, np.array([0.5, 0.9, 0.8, 0.1]), 0.6, 2) == [1, 2]
    assert suppress(np.zeros((0, 4)), np.zeros(0), 0.6, 10) == []


def test_labels_and_probabilities_say_what_is_there() -> None:
    boxes = (Box(0, 0, 1, 1, "dog", 0.9), Box(0, 0, 1, 1, "cat", 0.8), Box(0, 0, 1, 1, "dog", 0.7), Box(0, 0, 1, 1, "cat", 0.4))
    assert task().labels([Detections(boxes, 10, 10, 0.5), Detections((), 10, 10, 0.5)]) == ["cat, dog, dog", ""]
    assert task().probabilities([Detections(boxes, 10, 10, 0.5)]) == [[0.8, 0.0, 0.9]]


def test_the_score_reads_references_in_parts_of_the_picture() -> None:
    pytest.importorskip("pycocotools", reason="mAP is scored by pycocotools; install edgebench[metrics]")
    found = Detections((Box(100, 25, 100, 50, "cat", 0.9),), 200, 100, 0.5)
    assert task().score([found], [json.dumps([["cat", 0.75, 0.5, 0.5, 0.5]])]).value == pytest.approx(1.0)


def test_outputs_or_labels_that_do_not_fit_are_the_cards_fault() -> None:
    with pytest.raises(CardError, match="the model gives x; expected 'boxes' and 'scores'"):
        task().keep({"x": BOXES}, 0)
    with pytest.raises(CardError, match="3 scores for a box, the card names 1 labels"):
        task(("cat",)).keep({"boxes": BOXES, "scores": SCORES}, 0)
    with pytest.raises(CardError, match="label number 7, the card names 3"):
        task().decode(BOXES[0, :1], np.array([7]), np.array([0.9]), Placed(1, 1, 0, 0, 1, 1))
    with pytest.raises(CardError, match="overlap 2"):
        task(overlap=2.0)

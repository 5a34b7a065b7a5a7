"""mAP is pycocotools' own: known small cases, and the whole of COCOeval on random boxes."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest

pytest.importorskip("pycocotools", reason="mAP is scored by pycocotools; install edgebench[metrics]")

from edgebench.tasks.coco import mean_average_precision


def test_boxes_that_are_right_score_1_and_none_score_0() -> None:
    there = [[("cat", 0.0, 0.0, 10.0, 10.0)], [("dog", 5.0, 5.0, 20.0, 10.0)]]
    right = mean_average_precision([[("cat", 0.9, 0, 0, 10, 10)], [("dog", 0.2, 5, 5, 20, 10)]], there)
    assert (right.name, right.n) == ("COCO mAP", 2)
    assert [right.value, right.low, right.high, right.more["mAP50"]] == pytest.approx([1.0] * 4)
    assert mean_average_precision([[], []], there).value == 0.0


def test_a_box_that_overlaps_by_0_7_is_right_at_five_of_ten_thresholds() -> None:
    found = mean_average_precision([[("cat", 0.9, 0, 0, 10, 7.2)]], [[("cat", 0, 0, 10, 10)]])
    assert found.value == pytest.approx(0.5)  # 0.50, 0.55, 0.60, 0.65, 0.70
    assert found.more["mAP50"] == pytest.approx(1.0)


def test_a_box_of_another_label_costs_nothing_and_helps_nothing() -> None:
    there = [[("cat", 0, 0, 10, 10)]]
    assert mean_average_precision([[("tree", 0.99, 0, 0, 10, 10), ("cat", 0.5, 0, 0, 10, 10)]], there).value == pytest.approx(1.0)
    assert mean_average_precision([[("tree", 0.99, 0, 0, 10, 10)]], there).value == 0.0


def test_a_false_box_that_is_surer_halves_the_precision() -> None:
    found = mean_average_precision([[("cat", 0.9, 50, 50, 10, 10), ("cat", 0.5, 0, 0, 10, 10)]], [[("cat", 0, 0, 10, 10)]])
    assert found.value == pytest.approx(0.5)


def test_without_any_box_there_is_nothing_to_score() -> None:
    with pytest.raises(ValueError, match="no picture holds a box"):
        mean_average_precision([[]], [[]])


def test_random_boxes_score_what_cocoeval_says_and_lie_within_their_interval() -> None:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    random = np.random.default_rng(3)
    there = [[("ab"[random.integers(2)], *random.uniform(0, 50, 2), *random.uniform(40, 120, 2)) for _ in range(3)] for _ in range(12)]
    found = [[(label, float(random.random()), x + random.normal(0, 6), y, w, h) for label, x, y, w, h in row] for row in there]
    metric = mean_average_precision(found, there)
    truth, results = COCO(), COCO()
    for one, rows in ((truth, there), (results, found)):
        boxes = [(at, row) for at, some in enumerate(rows, 1) for row in some]
        one.dataset = {
            "images": [{"id": at} for at in range(1, 13)], "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
            "annotations": [
                {"id": n, "image_id": at, "category_id": 1 + (row[0] == "b"), "bbox": list(row[-4:]), "area": row[-1] * row[-2], "iscrowd": 0, "score": row[1]}
                for n, (at, row) in enumerate(boxes, 1)
            ],
        }
        with contextlib.redirect_stdout(io.StringIO()):
            one.createIndex()
    with contextlib.redirect_stdout(io.StringIO()):
        judge = COCOeval(truth, results, "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    assert metric.value == pytest.approx(judge.stats[0])
    assert metric.more["mAP50"] == pytest.approx(judge.stats[1])
    assert metric.low < metric.value < metric.high

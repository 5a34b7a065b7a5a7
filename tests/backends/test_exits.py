"""An input leaves where its answer is sure, and what comes after is not run for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgebench.backends.base import Facts, TensorSpec
from edgebench.backends.exits import Exits, Rule, entropy

MASK = np.ones((3, 2), np.int64)
ANSWERS = (  # logits of three rows at three exits
    [[9.0, 0.0], [0.125, 0.0], [0.125, 0.0]],
    [[0.0, 9.0], [0.0, 9.0], [0.125, 0.0]],
    [[5.0, 0.0], [5.0, 0.0], [0.0, 5.0]],
)


class Segment:
    """Answers the logits of the rows it is given, which carry their own numbers as states; remembers who came."""

    inputs = (TensorSpec("input_ids", "int64", (None, None)), TensorSpec("attention_mask", "int64", (None, None)))
    outputs = (TensorSpec("logits", "float32", (None, 2)), TensorSpec("hidden_after", "float32", (None, None, 1)))
    lengths: tuple[int, ...] = ()
    parallel = True
    facts = Facts("fake", "1", 1, "cpu")

    def __init__(self, logits: list[list[float]]) -> None:
        self.logits, self.came, self.closed = np.array(logits, np.float32), [], False

    def run(self, feeds: dict[str, Any]) -> dict[str, Any]:
        rows = feeds["hidden"][:, 0, 0].astype(int) if "hidden" in feeds else np.arange(len(feeds["attention_mask"]))
        assert len(feeds["attention_mask"]) == len(rows)
        self.came.append(rows.tolist())
        return {"logits": self.logits[rows], "hidden_after": rows[:, None, None].astype(np.float32)}

    def close(self) -> None:
        self.closed = True


def run(rule: Rule) -> tuple[Exits, list[Segment], np.ndarray[Any, Any]]:
    segments = [Segment(one) for one in ANSWERS]
    exits = Exits(segments, rule)
    return exits, segments, exits.run({"input_ids": MASK, "attention_mask": MASK})["logits"]


def test_each_row_leaves_at_its_first_sure_exit() -> None:
    exits, segments, logits = run(Rule(entropy=0.1))
    assert [one.came for one in segments] == [[[0, 1, 2]], [[1, 2]], [[2]]]
    assert logits.tolist() == [ANSWERS[0][0], ANSWERS[1][1], ANSWERS[2][2]]
    assert exits.left == [1, 1, 1]


def test_when_all_have_left_nothing_more_is_run() -> None:
    exits, segments, logits = run(Rule(entropy=1.0))
    assert [one.came for one in segments] == [[[0, 1, 2]], [], []]
    assert logits.tolist() == np.float32(ANSWERS[0]).tolist()
    assert exits.left == [3, 0, 0]


def test_without_a_rule_every_row_goes_to_the_end() -> None:
    exits, _, logits = run(Rule())
    assert logits.tolist() == ANSWERS[2]
    assert exits.left == [0, 0, 3]


def test_a_threshold_below_every_entropy_equals_the_whole_net() -> None:
    assert run(Rule(entropy=-1.0))[2].tolist() == ANSWERS[2]


def test_patience_waits_for_as_many_equal_answers() -> None:
    _, segments, logits = run(Rule(patience=1))
    assert segments[2].came == [[0, 1]]  # only row 2 gave the same answer twice
    assert logits.tolist() == [ANSWERS[2][0], ANSWERS[2][1], ANSWERS[1][2]]


def test_closing_closes_every_segment() -> None:
    exits, segments, _ = run(Rule())
    exits.close()
    assert all(one.closed for one in segments)


@pytest.mark.parametrize(("logits", "nats"), [([0.0, 0.0], np.log(2)), ([1e4, 0.0], 0.0), ([-1e4, 1e4], 0.0), ([np.log(3.0), 0.0], 0.5623351)])
def test_entropy_is_in_nats_and_bears_large_logits(logits: list[float], nats: float) -> None:
    assert entropy(np.array([logits]))[0] == pytest.approx(nats, abs=1e-6)

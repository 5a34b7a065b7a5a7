"""Tokens in, probabilities out, and texts of an exact length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgebench.backends.base import TensorSpec
from edgebench.errors import CardError, InputError
from edgebench.models import card as cards
from edgebench.tasks.classify_text import TextClassification

INPUTS = (TensorSpec("input_ids", "int64", (None, None)), TensorSpec("attention_mask", "int32", (None, None)))


@pytest.fixture
def task(bag_of_words: Path) -> TextClassification:
    return TextClassification(cards.read(bag_of_words), {"tokenizer": bag_of_words.parent / "bag" / "tokenizer.json"})


def test_encode_pads_to_the_longest_and_keeps_each_inputs_dtype(task: TextClassification) -> None:
    feeds, _ = task.encode(["good", "a bad films"], INPUTS, ())
    assert feeds["input_ids"].tolist() == [[2, 4, 3, 0, 0, 0], [2, 10, 6, 8, 9, 3]]
    assert feeds["attention_mask"].tolist() == [[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1]]
    assert [array.dtype.name for array in feeds.values()] == ["int64", "int32"]


def test_encode_pads_to_the_smallest_length_the_file_was_made_for(task: TextClassification) -> None:
    assert task.encode(["good"], INPUTS, (4, 8))[0]["input_ids"].shape == (1, 4)
    assert task.encode(["good good good"], INPUTS, (4, 8))[0]["input_ids"].shape == (1, 8)


def test_a_text_longer_than_every_length_is_cut_and_says_so(task: TextClassification) -> None:
    feeds, encoded = task.encode(["good " * 12], INPUTS, (4, 8))
    assert feeds["input_ids"].shape == (1, 8)
    assert task.decode({"logits": np.zeros((1, 2), np.float32)}, encoded)[0].truncated


def test_decode_is_a_softmax_that_does_not_overflow(task: TextClassification) -> None:
    _, encoded = task.encode(["good"], INPUTS, ())
    found = task.decode({"logits": np.array([[1000.0, 999.0]], np.float32)}, encoded)[0]
    assert found.label == "negative"
    assert found.scores["positive"] == pytest.approx(0.2689414, abs=1e-6)


@pytest.mark.parametrize("length", [4, 9, 16])
def test_resize_makes_texts_of_exactly_that_many_tokens(task: TextClassification, length: int) -> None:
    texts = task.resize(["a good film", "bad", "films films films films films films films"], length, seed=3)
    assert task.sizes(texts) == [length] * 3


def test_resize_beyond_the_limit_says_what_the_limit_is(task: TextClassification) -> None:
    with pytest.raises(InputError, match="at most 16"):
        task.resize(["good"], 17, seed=0)


def test_an_unknown_graph_input_is_named(task: TextClassification) -> None:
    with pytest.raises(CardError, match="input 'pixels'"):
        task.encode(["good"], (TensorSpec("pixels", "float32", (None,)),), ())


def test_a_card_without_tokenizer_is_refused(bag_of_words: Path) -> None:
    with pytest.raises(CardError, match="files.tokenizer"):
        TextClassification(cards.read(bag_of_words), {})

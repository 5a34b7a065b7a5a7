"""What fuzzing found (tests/faults/fuzz.py): each finding is a test named for it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from edgebench.errors import CardError, UnsupportedError
from edgebench.models import card as cards
from edgebench.models import onnx_graph
from edgebench.tasks.classify_text import TextClassification
from tests.faults.test_model_faults import inside


@pytest.mark.parametrize("wrong", ["many", -1, 0, 2.5, True, [16], 1 << 40])
def test_a_number_of_tokens_that_is_none(bag_of_words: Path, wrong: object) -> None:
    card = msgspec.structs.replace(cards.read(bag_of_words), preprocess={"max_tokens": wrong})
    with pytest.raises(CardError, match=r"preprocess\.max_tokens is .*; expected a whole number from 1 on"):
        TextClassification(card, {"tokenizer": bag_of_words.parent / "bag" / "tokenizer.json"})


def test_a_float_of_another_size_in_an_onnx_attribute(tmp_path: Path) -> None:
    (tmp_path / "one.onnx").write_bytes(inside(7, inside(1, inside(5, inside(2, b"\0\0\0")))))
    with pytest.raises(UnsupportedError, match="3 bytes where a float was expected"):
        onnx_graph.read(tmp_path / "one.onnx")

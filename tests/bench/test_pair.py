"""How a cell is named in a word, and the plan of two that take turns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgebench.bench import pair
from edgebench.bench.plan import Ask
from edgebench.errors import UnsupportedError, UsageError


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("bag", Ask(models=("bag",))),
        ("bag@tflite", Ask(models=("bag",), backends=("tflite",))),
        ("bag@tflite/int8", Ask(models=("bag",), backends=("tflite",), precisions=("int8",))),
        ("a/bag.toml@tflite/int8", Ask(models=("a/bag.toml",), backends=("tflite",), precisions=("int8",))),
        ("me@home/bag.toml@tflite", Ask(models=("me@home/bag.toml",), backends=("tflite",))),
        ("me@home/bag.toml", Ask(models=("me@home/bag.toml",))),
        ("bag,threads=2,length=128", Ask(models=("bag",), threads=(2,), lengths=(128,))),
        ("bag@tflite,batch=4,scenario=multi-stream", Ask(models=("bag",), backends=("tflite",), scenarios=("multi-stream",), options={"batch": 4})),
        ("bag,accelerator=gpu", Ask(models=("bag",), options={"accelerator": "gpu"})),
    ],
)
def test_a_cell_is_named_by_its_model_engine_precision_and_options(text: str, asked: Ask) -> None:
    assert pair.parse(text, Ask()) == asked


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' names no cell; write MODEL@BACKEND/PRECISION, e.g. tinybert-sst2@onnxruntime/int8"), ("@tflite", "names no cell"),
        ("bag@", "names no cell"), ("bag@tflite/", "names no cell"), ("bag@/int8", "names no cell"),
        ("bag,thread=2", "'bag,thread=2': there is no option 'thread'; there are threads, length, batch, scenario, accelerator. Did you mean 'threads'?"),
        ("bag,threads=0", "'bag,threads=0': threads is '0'; expected a number from 1 on"), ("bag,length", "length is ''; expected a number"),
        ("bag,scenario=ofline", "there is no scenario 'ofline'"),
    ],
)
def test_what_names_no_cell_says_how_one_is_written(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        pair.parse(text, Ask())


def test_several_cells_are_named_to_choose_from(bag_of_words: Path) -> None:
    card = str(bag_of_words)
    with pytest.raises(UsageError, match=re.escape(f"{card} is 2 cells here; name one of them: {card}@onnxruntime/fp32, {card}@onnxruntime/fp32")):
        pair.only(Ask(models=(card,), backends=("onnxruntime",), threads=(1, 2)))


def test_a_cell_that_cannot_be_measured_here_says_why(bag_of_words: Path) -> None:
    with pytest.raises(UnsupportedError, match="tflite opens tflite files and card 'bag' has none; it has onnx/fp32"):
        pair.only(Ask(models=(str(bag_of_words),), backends=("tflite",)))


def test_what_else_cannot_be_measured_here_is_left_out(bag_of_words: Path) -> None:
    found = pair.only(Ask(models=(str(bag_of_words),)))
    assert ([spec.backend for spec in found.cells], found.rows) == (["onnxruntime"], [])


def test_two_cells_take_turns_in_as_many_processes_as_there_are_pairs(bag_of_words: Path) -> None:
    card = str(bag_of_words)
    one, two = (pair.only(pair.parse(f"{card}@onnxruntime,threads={threads}", Ask(seed=7, effort=pair.EFFORT))) for threads in (1, 2))
    found = pair.alternating(one, two, 4)
    assert [(spec.threads, spec.processes, spec.max_processes) for spec in found.cells] == [(1, 4, 4), (2, 4, 4)]
    assert (found.alternate, found.seed, list(found.models), found.rows) == (True, 7, [card], [])

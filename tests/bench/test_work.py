"""The work pass over the bundled model and over scripts: weighted by size, batches as they are padded, null with a reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgebench import catalog
from edgebench.bench import passes, work
from edgebench.bench.job import Answer, Job
from edgebench.errors import UnsupportedError
from edgebench.models import card as cards
from edgebench.models.card import Variant
from edgebench.models.operations import Count
from edgebench.record import Spec

TINY = Spec(model="tinybert-sst2", format="onnx", precision="int8", backend="onnxruntime")
SHORT, LONG = "good", "a film that is so good that it can be seen again and again"  # 3 and 16 tokens


def answer(spec: Spec, examples: list[Any]) -> Answer:
    return passes.run(Job(spec=spec, part="work", examples=examples), spawned_ns=0, first_line_ns=0)


def ops(*examples: str, **changed: Any) -> float:
    found = answer(Spec(**{"model": "tinybert-sst2", "format": "onnx", "precision": "int8", "backend": "onnxruntime", **changed}), list(examples)).work
    assert found is not None
    return found.ops


def test_the_work_of_a_model_is_that_of_its_file_at_the_shapes_fed() -> None:
    found = answer(TINY, [SHORT])
    assert found.work is not None
    count, source, note = work.counting(catalog.find("models", "tinybert-sst2"), cards.read(catalog.find("models", "tinybert-sst2")), variant("onnx", "int8"))
    expected = count((("input_ids", (1, 3)), ("attention_mask", (1, 3))))
    assert (found.work.ops, found.work.bytes, found.work.precision) == (expected.ops, expected.bytes, "int8")
    assert found.work.counted == f"{source}, at 1 shape of inputs"
    assert (found.notes, note) == ([], "")


def test_inputs_of_different_sizes_weigh_as_they_are_drawn() -> None:
    alone, other = ops(SHORT), ops(LONG)
    both = ops(SHORT, LONG)
    assert both == pytest.approx((alone + other) / 2, rel=0.03)  # of 4096 draws


def test_a_batch_is_counted_as_it_runs_padding_included() -> None:
    together = ops(SHORT, LONG, scenario="multi-stream", batch=8)
    assert together > ops(SHORT, LONG)
    assert together <= ops(LONG)


def variant(format: str, precision: str) -> Variant:
    return Variant(f"tinybert-sst2/tinybert-sst2-{precision}.onnx", "0" * 64, 1, format=format, precision=precision)


def test_a_torchscript_file_is_counted_by_the_onnx_file_of_its_precision_and_the_note_says_so() -> None:
    path = catalog.find("models", "tinybert-sst2")
    card = cards.read(path)
    _, source, note = work.counting(path, card, card.variant("torchscript", "int8"))
    assert source == card.variant("onnx", "int8").file
    assert note == "work: a torchscript file is not counted itself; counted was onnx/int8 of the same model"


def test_a_file_that_cannot_be_counted_is_a_note_and_no_number(scripted: Callable[..., Path], home: Path) -> None:
    found = answer(Spec(model=str(scripted()), format="fake", precision="fp32", backend="fake"), ["good film"])
    assert found.work is None
    assert found.notes == ["work: fake/fp32 cannot be counted, and card 'scripted' has no ONNX file to count instead"]


def test_the_mean_is_over_runs_and_names_what_is_left_out() -> None:
    counts = {(("x", (1,)),): Count(10, 5, 4, 2, "int8", uncounted=("NonZero",)), (("x", (2,)),): Count(30, 15, 4, 6, "fp32")}
    found, notes = work.mean(dict.fromkeys(counts, 0.5), lambda feeds: counts[feeds], "a.onnx")
    assert (found.ops, found.bytes, found.precision, found.counted) == (20, 8, "fp32", "a.onnx, at 2 shapes of inputs")
    assert notes == ["work: operators whose shapes follow from the data are left out: NonZero"]


def test_a_format_without_an_onnx_sibling_is_refused() -> None:
    path = catalog.find("models", "tinybert-sst2")
    card = cards.read(path)
    lone = cards.msgspec.structs.replace(card, variants=(card.variant("torchscript", "int8"),))
    with pytest.raises(UnsupportedError, match="torchscript/int8 cannot be counted, and card 'tinybert-sst2' has no ONNX file"):
        work.counting(path, lone, lone.variants[0])

"""The bundled models are what their cards say: bytes, answers, accuracy."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import edgebench
from edgebench import catalog, plugins
from edgebench.errors import MissingError
from edgebench.models import card as cards
from edgebench.models import data
from edgebench.models.artifact import beside, files
from edgebench.models.card import Variant

FOLDER = catalog.shipped_folder("models")
BACKENDS = {"onnx": "onnxruntime", "tflite": "tflite", "torchscript": "torchscript"}
MODELS = [(path, variant) for path in sorted(FOLDER.glob("*.toml")) for variant in cards.read(path).variants]
each_variant = pytest.mark.parametrize(("path", "variant"), MODELS, ids=[f"{path.stem} {variant.name}" for path, variant in MODELS])
PICTURES = ("image-classification", "object-detection", "segmentation")
scored_variant = pytest.mark.parametrize(  # a hundred pictures take a minute on a busy machine
    ("path", "variant"),
    [
        pytest.param(path, variant, id=f"{path.stem} {variant.name}", marks=[pytest.mark.slow] if cards.read(path).task in PICTURES else [])
        for path, variant in MODELS
    ],
)


@cache  # the reference is compared with every other
def answers(path: Path, variant: str, texts: tuple[str, ...]) -> list[Any]:
    """One call for each text, as an app makes it."""
    form, precision = variant.split("/")
    try:
        with edgebench.load(path.stem, backend=BACKENDS[form], precision=precision) as pipe:
            return [pipe(text) for text in texts]
    except MissingError as error:
        pytest.skip(str(error))


def test_every_listed_file_has_its_cards_bytes_and_all_are_small_enough_to_clone() -> None:
    listed = {beside(path, file) for path in FOLDER.glob("*.toml") for file in cards.read(path).listed}
    there = {one for path in FOLDER.glob("*.toml") for one in (FOLDER / path.stem).iterdir()}
    assert {one.resolve() for one in there} == listed
    assert sum(one.stat().st_size for one in listed) < 200e6


@each_variant
def test_a_variant_answers_like_the_reference_within_the_cards_tolerance(path: Path, variant: Variant, tmp_path: Path) -> None:
    card = cards.read(path)
    texts = data.load(card.dataset if card.task in PICTURES else "sst2", "dev", offline=True, folder=tmp_path).texts
    task = plugins.get("tasks", card.task)(card, files(path, card))
    mine, theirs = answers(path, variant.name, texts), answers(path, card.reference, texts)
    tolerance = card.tolerance[variant.precision]
    assert sum(a == b for a, b in zip(task.labels(mine), task.labels(theirs), strict=True)) >= tolerance.agreement * len(texts)
    pairs = zip(task.probabilities(mine), task.probabilities(theirs), strict=True)
    assert max(abs(a - b) for one, other in pairs for a, b in zip(one, other, strict=True)) <= tolerance.difference


@scored_variant
def test_a_variant_scores_what_its_card_says(path: Path, variant: Variant) -> None:
    if not os.environ.get("EDGEBENCH_DATA"):
        pytest.skip("EDGEBENCH_DATA names no folder with sst2/")
    found, said = data.load(cards.read(path).dataset, "dev", offline=True), variant.accuracy
    assert said is not None
    assert (found.name, len(found)) == (said.dataset, said.n)
    card = cards.read(path)
    task = plugins.get("tasks", card.task)(card, files(path, card))
    try:
        score = task.score(answers(path, variant.name, found.texts), found.references).value
    except MissingError as error:
        pytest.skip(str(error))
    assert score == pytest.approx(said.value, abs=0.005)  # other processors round int8 otherwise: four sentences of 872


def test_int8_keeps_the_accuracy_of_fp32_within_half_a_point() -> None:
    scores = {variant.name: variant.accuracy.value for path, variant in MODELS if path.stem == "tinybert-sst2" and variant.accuracy}
    assert set(scores) == {"onnx/fp32", "onnx/int8", "tflite/int8", "torchscript/int8"}
    assert all(value >= scores["onnx/fp32"] - 0.005 for value in scores.values())

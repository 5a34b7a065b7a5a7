"""A finished run of a recipe of pictures (`result.json`, `student-WAY-SEED.pt`) -> its best student as files of every engine, with a card.

    edgebench export runs/resnet-cifar10 --into models

The student is the best of the best way: the way by all seeds together, the seed by that net alone. Test pictures choose it, so its
score is a little kind to it; the comparison of the ways, over all seeds, is not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import torch

from edgebench.backends.base import TensorSpec
from edgebench.errors import EngineError
from edgebench.models import card as cards
from edgebench.models.card import Card, Score, Tolerance, Variant
from edgebench.models.sheets import Pictures
from edgebench.pipeline import load
from edgebench.tasks import image
from edgebench.tasks.metrics import wilson
from edgebench.train.cards import listed, write_card
from edgebench.train.export import BACKENDS
from edgebench.train.export_picture import INPUT, PictureNet, export_picture
from edgebench.train.nets_vision import ResNet, folded
from edgebench.train.vision import Recipe, summary

VARIANTS = ("onnx/fp32", "onnx/int8", "tflite/fp32", "tflite/int8", "torchscript/fp32", "torchscript/int8")
TOLERANCE = {"fp32": Tolerance(difference=1e-3, agreement=0.995, accuracy_loss=0.005), "int8": Tolerance(agreement=0.9, accuracy_loss=0.02)}
CALIBRATED_ON = 256  # training pictures, from which int8 learns the ranges of activations
COMPARED = 256  # pictures whose labels are compared with the net's
SPEC = TensorSpec(INPUT, "float32", (1, 3, None, None))  # what the net takes


@dataclass(frozen=True)
class Best:
    """The student that is written, `way` and `seed` of a run's `recipe`."""

    recipe: Recipe
    result: dict[str, Any]
    way: str
    seed: int
    top1: float
    net: ResNet


def finished(folder: Path) -> Best | None:
    """The best student of a run of pictures; None if `folder` holds another run, or none."""
    try:
        result = json.loads((folder / "result.json").read_text())
        recipe = msgspec.convert(result["recipe"], Recipe)
        way = max(summary(result), key=lambda row: row[2] / row[1])[0]
        best = max((one for one in result["students"] if one["way"] == way), key=lambda one: one["right"])
        state = torch.load(folder / f"student-{way}-{best['seed']}.pt", weights_only=True, map_location="cpu")
        net = ResNet(recipe.student.depth, recipe.student.width, len(state["classifier.bias"]))
        net.load_state_dict(state)
    except (OSError, ValueError, KeyError, TypeError, msgspec.ValidationError):
        return None
    return Best(recipe, result, way, best["seed"], best["top1"], net.eval())


def write(
    best: Best, into: Path, training: Pictures, test: Pictures, *, variants: Sequence[str] = VARIANTS, tell: Callable[[str], None] = lambda line: None
) -> Path:
    """Write `into`/NAME.toml and its files; return the card's path. Every test picture is answered through the call that an app makes."""
    height, width = training.pixels.shape[1:3]
    net = PictureNet(folded(best.net), height, width, ("logits",))
    draft = _card(best, training, (), height, width)
    how = image.preprocess(draft)
    ranges = [how.feed(one, SPEC) for one in training.pixels[:CALIBRATED_ON]]
    written = export_picture(net, into / best.recipe.name, variants=variants, calibration=ranges, progress=tell)
    files = tuple(Variant(format=one.format, precision=one.precision, **msgspec.structs.asdict(listed(one.path))) for one in written)
    path, card = into / f"{best.recipe.name}.toml", _card(best, training, files, height, width)
    write_card(card, path)
    scored = []
    for variant in files:
        _check(path, variant, net, test)
        score = _score(path, variant, best.recipe.sheets, test)
        tell(f"{variant.name}: top-1 {score.value:.1%}, n = {score.n:,}, {variant.size_bytes:,} bytes")
        scored.append(msgspec.structs.replace(variant, accuracy=score))
    write_card(msgspec.structs.replace(card, variants=tuple(scored)), path)
    return path


def _card(best: Best, pictures: Pictures, variants: tuple[Variant, ...], height: int, width: int) -> Card:
    recipe, result = best.recipe, best.result
    mean, std = ([round(float(one), 6) for one in result[name]] for name in ("mean", "std"))
    return Card(
        schema=1, name=recipe.name, task=recipe.task, about=f"ResNet-{recipe.student.depth} of {recipe.student.width} channels for {recipe.sheets}, "
        f"taught by a ResNet-{recipe.teacher.depth}'s {best.way}" if best.way != "labels" else recipe.about,
        licence="Apache-2.0", source=f"trained by edgebench, recipe {recipe.name}", labels=pictures.names, dataset=recipe.sheets,
        reference=next((one.name for one in variants if one.precision == "fp32"), variants[0].name if variants else "onnx/fp32"), variants=variants,
        preprocess={"height": height, "width": width, "mean": mean, "std": std},
        tolerance={one: TOLERANCE[one] for one in dict.fromkeys(variant.precision for variant in variants)},
        parameters=sum(one.numel() for one in best.net.parameters()),
        made_by={
            "recipe": recipe.name, "seed": best.seed, "way": best.way, "teacher_top1": result["teacher"]["top1"], "student_top1": best.top1,
            "trained_on": f"{recipe.pictures:,} of {recipe.sheets}, sha256 {result['train_sha256'][:16]}",
            "exported": f"{datetime.now(UTC):%Y-%m-%d}, torch {torch.__version__}",
        },
    )


def _check(card: Path, variant: Variant, net: PictureNet, test: Pictures) -> None:
    """EngineError where fewer of a file's likeliest labels are the net's than its precision explains."""
    how, equal, n = image.preprocess(cards.read(card)), 0, min(COMPARED, len(test))
    with load(str(card), backend=BACKENDS[variant.format], precision=variant.precision, allow_code=True) as pipe:
        for one in test.pixels[:n]:
            equal += pipe(one).label == test.names[int(net(how.feed(one, SPEC))["logits"].argmax())]
    allowed = TOLERANCE[variant.precision].agreement
    if equal < allowed * n:
        raise EngineError(
            f"{variant.name} of {card.stem} disagrees with the net it was made from: {equal} of {n} answers are equal, expected {allowed:.1%}; "
            "the converter or the engine is at fault: try other versions of them"
        )


def _score(card: Path, variant: Variant, dataset: str, test: Pictures) -> Score:
    with load(str(card), backend=BACKENDS[variant.format], precision=variant.precision, allow_code=True) as pipe:
        right = sum(one.label == test.names[label] for one, label in zip(pipe.batch(list(test.pixels)), test.labels.tolist(), strict=True))
    low, high = wilson(right, len(test))
    return Score(dataset=dataset, n=len(test), value=round(right / len(test), 6), low=round(low, 6), high=round(high, 6))

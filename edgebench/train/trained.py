"""A trained net, its teacher and the data -> one line of `records.jsonl`: what came out, and what it takes to compare it. The keys: docs/records.md."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import nn

from edgebench.bench.stats import mcnemar
from edgebench.train import nets, search
from edgebench.train.cells import Architecture
from edgebench.train.data import Examples, fingerprint
from edgebench.train.loop import predict_logits
from edgebench.train.methods import AdaBert, Recipe, Variant
from edgebench.train.students import Made, Setting


def encoder_parameters(net: nn.Module) -> int:
    """All but the tables of words, places and token types."""
    tables = sum(one.weight.numel() for one in net.modules() if isinstance(one, nn.Embedding))
    places = getattr(net, "places", None)  # of a net of cells
    return nets.parameter_count(net) - tables - (places.numel() if isinstance(places, nn.Parameter) else 0)


def answers(net: nn.Module, examples: Examples) -> list[int]:
    """The label number that the net gives to each example."""
    found: list[int] = predict_logits(net, examples).argmax(1).tolist()
    return found


def record(
    recipe: Recipe, variant: Variant, made: Made, setting: Setting, held_out: Examples, dev: Examples, teacher: tuple[str, list[int]] | None,
) -> dict[str, Any]:
    """The line; `teacher` is its name and answers on dev."""
    mine, right = answers(made.net, dev), dev.labels
    aside = answers(made.net, held_out)
    spent = {key: [stage[key] for stage in setting.stages.values()] for key in ("steps", "minutes", "cpu_minutes")}
    one: dict[str, Any] = {
        "schema": 1, "recipe": recipe.name, "variant": variant.name, "seed": recipe.seed, "method": msgspec.to_builtins(recipe)["method"],
        "changed": variant.change, "dataset": recipe.dataset, "examples": len(setting.training), "unlabelled": len(setting.more),
        "train_sha256": fingerprint(setting.training), "dev_sha256": fingerprint(dev),
        **{key: None if None in values else round(sum(values), 2) for key, values in spent.items()}, "stages": setting.stages,
        "parameters": nets.parameter_count(made.net), "encoder_parameters": encoder_parameters(made.net),
        "correct": _right(mine, right), "n": len(dev), "answers": mine,
        "held_out_correct": _right(aside, held_out.labels), "held_out_n": len(held_out), "teacher": None, "found": None,
        "machine": f"{os.cpu_count()} virtual x86-64 cores, shared; {torch.get_num_threads()} thread", "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "versions": {name: version(name) for name in ("edgebench", "torch", "transformers")},
    }
    if teacher:
        name, theirs = teacher
        only_mine = sum(a == b != c for a, b, c in zip(mine, right, theirs, strict=True))
        only_theirs = sum(a != b == c for a, b, c in zip(mine, right, theirs, strict=True))
        one["teacher"] = {"name": name, "correct": _right(theirs, right), "answers": theirs}
        one |= {"only_mine": only_mine, "only_theirs": only_theirs, "p": mcnemar(only_mine, only_theirs)}
        one["over_teacher"] = one["correct"] / one["teacher"]["correct"]
    if isinstance(recipe, AdaBert):
        found = msgspec.convert(made.shape["found"], Architecture)
        one["found"] = made.shape["found"] | {"cost": round(search.share_of_dearest(found, recipe.how.space, recipe.how.width), 4)}
    return one


def append(line: dict[str, Any], path: Path) -> None:
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")


def known(path: Path) -> set[tuple[str, str, int]]:
    """(recipe, variant, seed) of the lines that are there."""
    lines = [json.loads(one) for one in path.read_text().splitlines()] if path.exists() else []
    return {(one["recipe"], one["variant"], one["seed"]) for one in lines}


def _right(mine: Any, right: Any) -> int:
    return sum(a == b for a, b in zip(mine, right, strict=True))

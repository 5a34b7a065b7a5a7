"""A recipe (TOML) -> a net of many speeds, out of a fine-tuned one that edgebench has: elastic in width and depth, or with early exits.

    edgebench train elastic-sst2 --out runs/elastic-sst2
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from torch import Tensor, nn
from transformers import BertForSequenceClassification

from edgebench import toml
from edgebench.errors import CardError
from edgebench.train import prune
from edgebench.train.checkpoint import Source
from edgebench.train.compress import measured
from edgebench.train.data import Examples, fingerprint, hold_out, in_order
from edgebench.train.elastic import Elastic, Point, ordered, sandwich
from edgebench.train.exits import Exits, joint, predict
from edgebench.train.loop import Schedule, kept_logits, predict_logits, train
from edgebench.train.recipe import Unlabelled

Progress = Callable[[str, int, int, dict[str, float]], None]


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recipe file. `start` names the card of the fine-tuned net, which also is the teacher. `widths` and `depths` are those of an elastic net.

    `held_out` training sentences are kept for decisions; the dev set is only reported. The teacher is imitated on `unlabelled` sentences too.
    """

    schema: int
    name: str
    about: str
    task: str
    method: Literal["elastic", "exits"]
    dataset: str
    seed: int
    start: str
    train: Schedule
    widths: tuple[float, ...] = (1.0,)
    depths: tuple[float, ...] = (1.0,)
    held_out: int = 2_000
    unlabelled: Unlabelled | None = None

    @property
    def points(self) -> tuple[Point, ...]:
        """Every width with every depth, the whole net first."""
        return tuple(sorted((Point(width, depth) for width in self.widths for depth in self.depths), reverse=True))


def read(path: Path) -> Recipe:
    """Parse and check a recipe file; CardError names the file, the key, and what was probably meant."""
    recipe = toml.read(path, Recipe)
    if recipe.schema != 1:
        raise CardError(f"{path}: schema is {recipe.schema}, this edgebench reads schema 1; update edgebench")
    for name, shares in (("widths", recipe.widths), ("depths", recipe.depths)):
        if 1.0 not in shares or len(set(shares)) < len(shares) or not all(0 < one <= 1 for one in shares):
            raise CardError(f"{path}: {name} are {list(shares)}; expected different shares over 0 and at most 1, 1.0 among them")
    return recipe


def run(
    recipe: Recipe, source: Source, examples: Examples, dev: Examples, out: Path, progress: Progress = lambda stage, step, steps, losses: None,
    *, unlabelled: Examples | None = None,
) -> dict[str, Any]:
    """Train by `recipe` into `out` (net.pt, result.json) and return what result.json holds."""
    torch.set_flush_denormal(True)
    out.mkdir(parents=True, exist_ok=True)
    training, held_out = hold_out(examples, recipe.held_out, recipe.seed)
    torch.manual_seed(recipe.seed)
    module = start(recipe, source.net, training)
    imitated_on = training + unlabelled if unlabelled else training
    targets = kept_logits(source.net, imitated_on, out / "targets.pt")
    loss = sandwich(module, recipe.points, targets) if isinstance(module, Elastic) else joint(module, targets)
    module.net.bert.embeddings.word_embeddings.requires_grad_(False)  # what words mean stays the teacher's
    minutes = train(
        loss, module, imitated_on, recipe.train, seed=recipe.seed, checkpoint=out / f"{recipe.method}.checkpoint", log=out / f"{recipe.method}.jsonl",
        progress=lambda step, steps, losses: progress(recipe.method, step, steps, losses),
    )
    torch.save(module.state_dict(), out / "net.pt")
    result = {
        "schema": 1, "recipe": msgspec.to_builtins(recipe), "from": source.origin, "minutes": minutes, "n_dev": len(dev),
        "train_sha256": fingerprint(examples), "dev_sha256": fingerprint(dev),
        "start": {"accuracy_held_out": _right(predict_logits(source.net, held_out), held_out), "accuracy_dev": _right(predict_logits(source.net, dev), dev)},
        "points": {name: {"accuracy_held_out": _right(mine, held_out), "accuracy_dev": _right(theirs, dev)}
                   for (name, mine), theirs in zip(answers(module, recipe, held_out).items(), answers(module, recipe, dev).values(), strict=True)},
    }
    (out / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    return result


def start(recipe: Recipe, net: BertForSequenceClassification, training: Examples) -> Elastic | Exits:
    """What is trained, before any step."""
    if recipe.method == "exits":
        return Exits(copy.deepcopy(net))  # what it starts from stays the teacher
    return Elastic(ordered(net, prune.importance(net, measured(training, recipe.seed))), recipe.points)


@torch.no_grad()
def answers(module: nn.Module, recipe: Recipe, examples: Examples) -> dict[str, Tensor]:
    """(n, C) logits of every point, or of every exit, by its name."""
    module.eval()
    if isinstance(module, Exits):
        return {f"exit {at}": logits for at, logits in enumerate(predict(module, examples), start=1)}
    found = {point: torch.zeros(len(examples), module.net.config.num_labels) for point in recipe.points}
    for batch in in_order(examples):
        for point, logits in found.items():
            logits[batch.rows] = module(point, batch.ids, batch.mask)[0]
    return {point.name: logits for point, logits in found.items()}


def _right(logits: Tensor, examples: Examples) -> float:
    return (logits.argmax(1) == torch.tensor(examples.labels)).float().mean().item()

"""A recipe (TOML) -> a ResNet teacher, and the same small student taught in several ways, each compared with labels alone.

    edgebench train resnet-cifar10 --out runs/resnet-cifar10

Every student starts from the same weights, sees the same pictures in the same order, cut and mirrored alike, and has the labels; what is
added is the teacher's logits (G. Hinton et al., arXiv 1503.02531), its attention maps (arXiv 1612.03928) or its features (arXiv 1412.6550).
They are trained side by side on each batch, so that the teacher is asked once for all. Started again on the same folder a run goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from edgebench import toml
from edgebench.errors import CardError
from edgebench.models.sheets import Pictures
from edgebench.tasks.metrics import wilson
from edgebench.train.distill import attention_map_error, feature_error, soft_cross_entropy
from edgebench.train.nets_vision import ResNet

Progress = Callable[[str, int, int, dict[str, float]], None]
BORDER = 4  # pixels of black around a picture before a cut of its own size is taken: He et al., 4.2
SAVE_EVERY_S = 120.0
TOGETHER = 500  # pictures answered at once


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Stochastic gradient descent with Nesterov's momentum of 0.9. `sides` is the side in pixels that pictures have in each epoch: early
    epochs on pictures made smaller cost a fraction. The rate rises for a fifth of the steps and falls to 0 in a line."""

    sides: tuple[int, ...]
    batch_size: int
    learning_rate: float
    weight_decay: float = 5e-4

    def rate(self, step: int, steps: int) -> float:
        rising = max(1, steps // 5)
        return self.learning_rate * min((step + 1) / rising, (steps - step) / max(1, steps - rising))


class Net(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A ResNet of `depth` layers with `width` channels in its first group."""

    depth: int
    width: int
    schedule: Schedule


class Way(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a student learns from besides labels, each with its weight: `logits` is their share of the loss, the rest is the labels'."""

    logits: float = 0.0
    temperature: float = 4.0
    attention: float = 0.0
    features: float = 0.0


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recipe file. The first `pictures` of the training split in an order drawn by the first seed are trained on; `seeds` are the students',
    each of which is a repetition of all `ways`. A way named "labels" is what the others are compared with."""

    schema: int
    name: str
    about: str
    task: str
    sheets: str
    seeds: tuple[int, ...]
    teacher: Net
    student: Net
    ways: dict[str, Way]
    pictures: int = 50_000


def read(path: Path) -> Recipe:
    """Parse and check a recipe file; CardError names the file, the key, and what was probably meant."""
    recipe = toml.read(path, Recipe)
    if recipe.schema != 1:
        raise CardError(f"{path}: schema is {recipe.schema}, this edgebench reads schema 1; update edgebench")
    if recipe.task != "image-classification":
        raise CardError(f"{path}: task is {recipe.task!r}; this recipe trains a net of pictures: 'image-classification'")
    if recipe.ways.get("labels") != Way():
        raise CardError(f"{path}: ways has no 'labels' without weights; add [ways.labels], which the others are compared with")
    return recipe


def run(
    recipe: Recipe, training: Pictures, test: Pictures, out: Path, progress: Progress = lambda stage, step, steps, losses: None
) -> dict[str, Any]:
    """Train by `recipe` into `out` (teacher.pt, student-WAY-SEED.pt, result.json) and return what result.json holds, written after each seed."""
    torch.set_flush_denormal(True)
    out.mkdir(parents=True, exist_ok=True)
    order = torch.randperm(len(training), generator=torch.Generator().manual_seed(recipe.seeds[0]), device="cpu")[: recipe.pictures].numpy()
    pixels, labels = _tensor(training.pixels[order]), torch.tensor(training.labels[order])
    judge, right = _tensor(test.pixels), torch.tensor(test.labels)
    mean, std = _moments(pixels)
    torch.manual_seed(recipe.seeds[0])
    teacher = nn.ModuleDict({"labels": _net(recipe.teacher, training)})
    minutes = train(teacher, {"labels": Way()}, None, pixels, labels, recipe.teacher.schedule, mean, std, seed=recipe.seeds[0],
                    checkpoint=out / "teacher.checkpoint", progress=lambda step, steps, losses: progress("teacher", step, steps, losses))
    torch.save(teacher["labels"].state_dict(), out / "teacher.pt")
    guide = teacher["labels"].eval().requires_grad_(False)
    result: dict[str, Any] = {
        "schema": 1, "recipe": msgspec.to_builtins(recipe), "n_test": len(test), "mean": mean.flatten().tolist(), "std": std.flatten().tolist(),
        "train_sha256": hashlib.sha256(pixels.cpu().numpy().tobytes() + labels.cpu().numpy().tobytes()).hexdigest(), "test_sha256": list(test.sha256),
        "teacher": {"minutes": minutes, "parameters": _size(guide), **_score(correct(guide, judge, right, mean, std))}, "students": [],
    }
    for seed in recipe.seeds:
        students = start(recipe, training, seed)
        minutes = train(students, recipe.ways, guide, pixels, labels, recipe.student.schedule, mean, std, seed=seed,
                        checkpoint=out / f"students-{seed}.checkpoint", progress=lambda step, steps, losses: progress("students", step, steps, losses))
        answers = {way: correct(students[way]["net"], judge, right, mean, std) for way in recipe.ways}
        for way, found in answers.items():
            torch.save(students[way]["net"].state_dict(), out / f"student-{way}-{seed}.pt")
            won, lost = int((found & ~answers["labels"]).sum()), int((answers["labels"] & ~found).sum())
            result["students"].append({"way": way, "seed": seed, "parameters": _size(students[way]["net"]), "won": won, "lost": lost, **_score(found)})
        result["minutes_of_all_students"] = result.get("minutes_of_all_students", 0.0) + minutes
        (out / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    return result


def start(recipe: Recipe, pictures: Pictures, seed: int) -> nn.ModuleDict:
    """Way -> a student and what gives its features the teacher's channels, all with the same weights."""
    made = {}
    for way in recipe.ways:
        torch.manual_seed(seed)
        net = _net(recipe.student, pictures)
        widths = [(recipe.student.width * times, recipe.teacher.width * times) for times in (1, 2, 4)]
        made[way] = nn.ModuleDict({"net": net, "project": nn.ModuleList(nn.Conv2d(mine, theirs, 1) for mine, theirs in widths)})
    return nn.ModuleDict(made)


def train(
    nets: nn.ModuleDict, ways: dict[str, Way], teacher: ResNet | None, pixels: Tensor, labels: Tensor, schedule: Schedule, mean: Tensor, std: Tensor, *,
    seed: int, checkpoint: Path, progress: Callable[[int, int, dict[str, float]], None],
) -> float:
    """Train every net in its way on the same batches, in place; the minutes spent, earlier interrupted runs included.

    `pixels` are (n, 3, H, W) uint8. One optimiser serves all: no parameter is shared, so that each net learns as it would alone.
    """
    nets.to(memory_format=torch.channels_last).train()
    optimiser = torch.optim.SGD(nets.parameters(), lr=schedule.learning_rate, momentum=0.9, weight_decay=schedule.weight_decay, nesterov=True)
    per_epoch = len(labels) // schedule.batch_size
    steps, step, spent_s = per_epoch * len(schedule.sides), 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=torch.get_default_device())
        nets.load_state_dict(state["nets"]), optimiser.load_state_dict(state["optimiser"])
        step, spent_s = state["step"], state["spent_s"]
    started = saved = time.monotonic()
    while step < steps:
        epoch, place = divmod(step, per_epoch)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1_000 * seed + epoch), device="cpu")
        rows = order[place * schedule.batch_size : (place + 1) * schedule.batch_size]
        batch = normalised(augmented(pixels[rows], torch.Generator().manual_seed(seed + step)), mean, std, schedule.sides[epoch])
        with torch.no_grad():
            guide = teacher.traced(batch) if teacher else None
        losses = {way: loss(nets[way], batch, labels[rows], guide, ways[way]) for way in ways}
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step, steps)
        optimiser.zero_grad(set_to_none=True)
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            raise FloatingPointError(f"a loss is {total.item()} at step {step} of {steps}; lower the learning rate, which is {schedule.learning_rate}")
        total.backward()
        optimiser.step()
        step += 1
        if step % 25 == 0 or step == steps:
            progress(step, steps, {way: one.item() for way, one in losses.items()})
        if time.monotonic() - saved > SAVE_EVERY_S or step == steps:
            saved = time.monotonic()
            part = checkpoint.with_suffix(".part")
            torch.save({"nets": nets.state_dict(), "optimiser": optimiser.state_dict(), "step": step, "spent_s": spent_s + saved - started}, part)
            os.replace(part, checkpoint)
    return (spent_s + time.monotonic() - started) / 60


def loss(student: nn.Module, batch: Tensor, labels: Tensor, guide: tuple[Tensor, list[Tensor]] | None, way: Way) -> Tensor:
    """Cross entropy of the labels and what the way adds. Attention is compared after every group, features after the second, the middle."""
    net = student["net"] if isinstance(student, nn.ModuleDict) else student
    logits, mine = net.traced(batch)
    total = (1 - way.logits) * nn.functional.cross_entropy(logits, labels)
    if guide is None or not isinstance(student, nn.ModuleDict):
        return total
    answers, theirs = guide
    if way.logits:
        total = total + way.logits * soft_cross_entropy(logits, answers, temperature=way.temperature)
    if way.attention:
        total = total + way.attention * torch.stack([attention_map_error(one, other) for one, other in zip(mine, theirs, strict=True)]).sum()
    if way.features:
        total = total + way.features * feature_error(mine[1], theirs[1], student["project"][1])
    return total


def augmented(pixels: Tensor, random: torch.Generator) -> Tensor:
    """Each (3, H, W) picture mirrored or not, and cut at a random place out of itself with a black border of `BORDER` pixels."""
    n, _, height, width = pixels.shape
    padded = nn.functional.pad(pixels, (BORDER,) * 4)
    # drawn on the processor, so that every device cuts alike
    draws = [torch.randint(0, 2 * BORDER + 1, (n, 1), generator=random, device="cpu") for _ in range(2)]
    mirrored = (torch.rand(n, 1, generator=random, device="cpu") < 0.5).to(pixels.device)
    down, right = (draw.to(pixels.device) + torch.arange(size, device=pixels.device) for draw, size in zip(draws, (height, width), strict=True))
    right = torch.where(mirrored, right.flip(1), right)
    rows, colours = torch.arange(n, device=pixels.device), torch.arange(3, device=pixels.device)
    return padded[rows[:, None, None, None], colours[None, :, None, None], down[:, None, :, None], right[:, None, None, :]]


def normalised(pixels: Tensor, mean: Tensor, std: Tensor, side: int) -> Tensor:
    """uint8 -> float32 with the training pictures' mean and deviation, at `side` x `side` pixels by averaging."""
    batch = (pixels.float() / 255 - mean) / std
    if side != batch.shape[-1]:
        batch = nn.functional.adaptive_avg_pool2d(batch, side)
    return batch.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def correct(net: ResNet, pixels: Tensor, labels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """(n,) bool: whether the likeliest label is the right one."""
    net.eval()
    answers = [net(normalised(part, mean, std, part.shape[-1])).argmax(1) for part in pixels.split(TOGETHER)]
    return torch.cat(answers) == labels


def summary(result: dict[str, Any]) -> list[tuple[str, int, int, int, int, int]]:
    """(way, answers over all seeds, those that are right, won and lost against labels alone, seeds) for each way, in the recipe's order."""
    rows = []
    for way in dict.fromkeys(one["way"] for one in result["students"]):
        mine = [one for one in result["students"] if one["way"] == way]
        n = result["n_test"] * len(mine)
        rows.append((way, n, sum(one["right"] for one in mine), sum(one["won"] for one in mine), sum(one["lost"] for one in mine), len(mine)))
    return rows


def _net(shape: Net, pictures: Pictures) -> ResNet:
    return ResNet(shape.depth, shape.width, len(pictures.names))


def _tensor(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))).to(torch.get_default_device())


def _moments(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """(3, 1, 1) mean and deviation of each colour over every pixel, of 1."""
    some = pixels[:5_000].float() / 255
    return some.mean((0, 2, 3))[:, None, None], some.std((0, 2, 3))[:, None, None]


def _score(found: Tensor) -> dict[str, Any]:
    right, n = int(found.sum()), len(found)
    low, high = wilson(right, n)
    return {"right": right, "top1": right / n, "low": low, "high": high}


def _size(net: nn.Module) -> int:
    return sum(one.numel() for one in net.parameters())

"""A recipe (TOML) -> a fine-tuned teacher, a distilled student, and a result that says how each came about.

    edgebench train tinybert-sst2 --out runs/tinybert-sst2

The steps are TinyBERT's (arXiv 1909.10351): fine-tune the teacher; the intermediate step on embeddings, hidden states and
attention scores; the prediction step on the teacher's logits. With an assistant, a smaller net fine-tuned likewise, the
student starts from and imitates the assistant's layers, and the teacher gives the logits (teacher assistants: arXiv 1902.03393).
A general distillation from the pretrained encoder may come first ([general]), and augmented sentences may be added to those
that the student imitates its teachers on ([augment]); `student.without` leaves out terms or steps, to see what each is worth.
Started again on the same folder a run goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from edgebench import toml, whole
from edgebench.errors import CardError
from edgebench.train import distill, nets
from edgebench.train.data import Batch, Examples, collate, fingerprint, hold_out, shuffled
from edgebench.train.loop import Loss, Schedule, accuracy, entity_f1, kept_logits, train
from edgebench.train.nets import HEADS, Net
from edgebench.train.shrink import fit_projection, shrink

METRICS = {"text-classification": "accuracy", "token-classification": "entity_f1"}  # as result.json names them
ABLATIONS = ("attention", "embedding", "hidden", "intermediate", "prediction")  # terms and steps that a student can do without
Progress = Callable[[str, int, int, dict[str, float]], None]


class Teacher(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`weights` names a weights card: the pretrained encoder to fine-tune."""

    weights: str
    fine_tune: Schedule


class Student(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Student layer m starts from, and imitates, layer `layers[m]` (1-based) of the assistant, or of the teacher if there is
    none. `start` is "teacher" (cut out of that net) or "random" (its ablation). `without` names the terms and steps of `ABLATIONS` to leave out."""

    layers: tuple[int, ...]
    hidden: int
    ffn: int
    intermediate: Schedule
    prediction: Schedule
    start: str = "teacher"
    dropout: float = 0.1
    without: tuple[str, ...] = ()


class Unlabelled(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`count` sentences of at most `max_tokens` tokens out of the training texts of `dataset`, whose labels are not used: the
    student imitates its teachers on them as well (see `edgebench.train.data.sentences`)."""

    dataset: str
    count: int
    max_tokens: int


class General(Unlabelled, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """General distillation: before it sees its task, the student imitates the pretrained encoder, which was not fine-tuned, on such sentences."""

    train: Schedule


class Augment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`copies` new sentences of each of `sentences` training sentences (all, if none is given): see `edgebench.train.augment`. `masked_lm`
    and `vectors` name weights cards; published are copies = 20 for SST-2, candidates = 15, chance = 0.4."""

    masked_lm: str | None = None
    vectors: str | None = None
    copies: int = 20
    candidates: int = 15
    chance: float = 0.4
    sentences: int | None = None


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recipe file. `held_out` training sentences are kept for decisions; the dev set is only reported."""

    schema: int
    name: str
    about: str
    task: str
    dataset: str
    seed: int
    teacher: Teacher
    student: Student
    assistant: Teacher | None = None
    unlabelled: Unlabelled | None = None
    general: General | None = None
    augment: Augment | None = None
    held_out: int = 2_000
    max_tokens: int = 128
    bf16: bool = False


@dataclass(frozen=True)
class Data:
    """What a recipe trains on: `train` is split into training and held-out parts, `dev` is only reported; on `unlabelled`
    the student imitates its teachers, on `general` the encoder before that was fine-tuned. `names` are the labels', in the order of their numbers."""

    train: Examples
    dev: Examples
    unlabelled: Examples = field(default_factory=lambda: Examples([], []))
    general: Examples = field(default_factory=lambda: Examples([], []))
    names: tuple[str, ...] = ()


def read(path: Path) -> Recipe:
    """Parse and check a recipe file; CardError names the file, the key, and what was probably meant."""
    recipe = toml.read(path, Recipe)
    if recipe.schema != 1:
        raise CardError(f"{path}: schema is {recipe.schema}, this edgebench reads schema 1; update edgebench")
    if recipe.student.start not in ("teacher", "random"):
        raise CardError(f"{path}: student.start is {recipe.student.start!r}; expected 'teacher' or 'random'")
    unknown = [one for one in recipe.student.without if one not in ABLATIONS]
    if unknown:
        raise CardError(f"{path}: student.without names {unknown[0]!r}; expected {', '.join(ABLATIONS)}")
    if recipe.task not in HEADS:
        raise CardError(f"{path}: task is {recipe.task!r}; this recipe trains {' or '.join(HEADS)}")
    return recipe


def run(recipe: Recipe, data: Data, weights: dict[str, Path], out: Path, progress: Progress = lambda stage, step, steps, losses: None) -> dict[str, Any]:
    """Train by `recipe` into `out` (teacher.pt, student.pt, result.json) and return what result.json holds.

    `weights` are the folders of the weights that the recipe names. The process is left flushing denormal numbers to zero.
    """
    # Adam's moments of words that do not occur decay into denormal numbers, on which this arithmetic is several times slower;
    # threads take the setting over from the one that starts them, so it comes before the first of them
    torch.set_flush_denormal(True)
    out.mkdir(parents=True, exist_ok=True)
    result: dict[str, Any] = {
        "schema": 1, "recipe": msgspec.to_builtins(recipe), "n_dev": len(data.dev),
        "train_sha256": fingerprint(data.train), "dev_sha256": fingerprint(data.dev),
        "unlabelled_sha256": fingerprint(data.unlabelled) if data.unlabelled else None,
        "general_sha256": fingerprint(data.general) if data.general else None,
    }
    training, held_out = hold_out(data.train, recipe.held_out, recipe.seed)
    imitated_on = training + data.unlabelled
    tuned: dict[str, Net] = {}
    for name, shape in (("teacher", recipe.teacher), ("assistant", recipe.assistant)):
        if shape is None:
            continue
        torch.manual_seed(recipe.seed)
        tuned[name] = net = nets.load_pretrained(weights[shape.weights], labels=_label_count(data), task=recipe.task)
        spent = _stage(name, _hard_labels(net), net, training, shape.fine_tune, recipe, out, progress)
        torch.save(net.state_dict(), out / f"{name}.pt")
        result[name] = {"minutes": spent, "parameters": nets.parameter_count(net), **_scores(net, held_out, data)}
        net.eval().requires_grad_(False)
    teacher, imitated = tuned["teacher"], tuned.get("assistant", tuned["teacher"])

    torch.manual_seed(recipe.seed)
    aim = recipe.student
    encoder = imitated
    if recipe.general:
        weights_of = recipe.assistant or recipe.teacher
        encoder = nets.load_pretrained(weights[weights_of.weights], labels=_label_count(data), task=recipe.task).eval().requires_grad_(False)
    student = start_student(recipe, encoder, training)
    pair = nn.ModuleDict({"student": student, "project": _projection(student, encoder, training, recipe)})
    if recipe.general:
        spent = _stage("general", _intermediate(encoder, pair, aim), pair, data.general, recipe.general.train, recipe, out, progress)
        result["general"] = {"minutes": spent}
    result["heads"] = student.config.num_attention_heads
    result["student_start"] = _scores(student, held_out, data)
    spent = 0.0
    if "intermediate" not in aim.without:
        spent = _stage("intermediate", _intermediate(imitated, pair, aim), pair, imitated_on, aim.intermediate, recipe, out, progress)
    result["intermediate"] = {"minutes": spent, **_scores(student, held_out, data)}

    spent = 0.0
    if "prediction" not in aim.without:
        targets = kept_logits(teacher, imitated_on, out / "targets.pt", bf16=recipe.bf16)
        spent = _stage("prediction", _prediction(student, targets), student, imitated_on, aim.prediction, recipe, out, progress)
    torch.save(student.state_dict(), out / "student.pt")
    result["student"] = {"minutes": spent, "parameters": nets.parameter_count(student), **_scores(student, held_out, data)}
    dev = f"{METRICS[recipe.task]}_dev"
    if result["teacher"][dev]:  # a teacher that learnt nothing finds no name
        result["student_over_teacher"] = result["student"][dev] / result["teacher"][dev]
    whole.write(out / "result.json", json.dumps(result, indent=2) + "\n")
    return result


def start_student(recipe: Recipe, teacher: Net, training: Examples) -> Net:
    """The student before any step, as the recipe's `start` says."""
    shape = recipe.student
    if shape.start == "random":
        heads, labels = teacher.config.num_attention_heads, teacher.config.num_labels
        return nets.build(layers=len(shape.layers), hidden=shape.hidden, heads=heads, ffn=shape.ffn, labels=labels, dropout=shape.dropout, task=recipe.task)
    if shape.start != "teacher":
        raise ValueError(f"student.start is {shape.start!r}; expected 'teacher' or 'random'")
    return shrink(teacher, _sample(training, recipe.seed), layers=shape.layers, hidden=shape.hidden, ffn=shape.ffn, dropout=shape.dropout)


def _stage(name: str, loss: Loss, modules: nn.Module, examples: Examples, schedule: Schedule, recipe: Recipe, out: Path, progress: Progress) -> float:
    return train(
        loss, modules, examples, schedule, seed=recipe.seed, checkpoint=out / f"{name}.checkpoint", log=out / f"{name}.jsonl",
        progress=lambda step, steps, losses: progress(name, step, steps, losses), bf16=recipe.bf16,
    )


def _hard_labels(net: Net) -> Loss:
    def loss(batch: Batch) -> dict[str, Tensor]:
        logits = net(input_ids=batch.ids, attention_mask=batch.mask).logits
        return {"cross_entropy": nn.functional.cross_entropy(logits.float().flatten(0, -2), batch.labels.flatten())}

    return loss


def _intermediate(teacher: Net, pair: nn.ModuleDict, shape: Student) -> Loss:
    def loss(batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            target = nets.trace(teacher, batch.ids, batch.mask)
        mine = nets.trace(pair["student"], batch.ids, batch.mask)
        terms = distill.intermediate(mine, target, batch.mask, layer_map=shape.layers, project=pair["project"])
        return {name: term for name, term in terms.items() if name not in shape.without}

    return loss


def _prediction(student: Net, targets: Tensor) -> Loss:
    def loss(batch: Batch) -> dict[str, Tensor]:
        logits, wanted = student(input_ids=batch.ids, attention_mask=batch.mask).logits, targets[batch.rows]
        if logits.ndim == 3:  # every real token is an example
            real = batch.mask.bool()
            logits, wanted = logits[real], wanted[:, : real.shape[1]][real]
        return {"soft_cross_entropy": distill.soft_cross_entropy(logits.float(), wanted)}

    return loss


def _sample(training: Examples, seed: int, batches: int = 12) -> list[tuple[Tensor, Tensor]]:
    """A few hundred training sentences to measure activations on."""
    picked = (collate(training, rows) for rows in shuffled(training, 32, seed=seed, epoch=0)[:batches])
    return [(batch.ids, batch.mask) for batch in picked]


@torch.no_grad()
def _projection(student: Net, teacher: Net, training: Examples, recipe: Recipe) -> nn.Linear:
    """The shared projection, started at the least-squares map between embedding outputs."""
    student.eval(), teacher.eval()
    pairs = [
        (nets.trace(student, ids, mask).hidden[0][mask.bool()], nets.trace(teacher, ids, mask).hidden[0][mask.bool()])
        for ids, mask in _sample(training, recipe.seed)
    ]
    return fit_projection(torch.cat([mine for mine, _ in pairs]), torch.cat([theirs for _, theirs in pairs]))


def _label_count(data: Data) -> int:
    return len(data.names) or 1 + max(max(label) if isinstance(label, list) else label for label in data.train.labels)


def _scores(net: Net, held_out: Examples, data: Data) -> dict[str, float]:
    if isinstance(data.dev.labels[0], list):
        return {"entity_f1_held_out": entity_f1(net, held_out, data.names), "entity_f1_dev": entity_f1(net, data.dev, data.names)}
    return {"accuracy_held_out": accuracy(net, held_out), "accuracy_dev": accuracy(net, data.dev)}

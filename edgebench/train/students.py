"""A recipe of a method, its data and its teacher -> a trained net, what is needed to build it again, and a record of the training.

    made = run(recipe, setting)        # setting: data, teacher, weights, a folder for checkpoints
    read(Path("runs/distilbert-sst2")) # the net of a finished run

Each method is a function from a recipe and its setting to a net, of stages of the one loop.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from edgebench.errors import CardError
from edgebench.train import adabert, cells, distilbert, distill, methods, mobilebert, nets, prune
from edgebench.train.data import Batch, Examples, collate, shuffled
from edgebench.train.loop import Loss, Progress, Schedule, kept_logits, train
from edgebench.train.methods import AdaBert, Bottlenecks, DistilBert, FineTune, MobileBert, Recipe, TinyBert
from edgebench.train.shrink import fit_projection, shrink

Net = Any  # a BERT, a MobileBERT or a net of cells: called with ids and mask it gives logits


@dataclass
class Setting:
    """What a method works with: training and other examples (labels -1), the teacher if it has one, the folder of the pretrained weights it
    starts from, and where checkpoints go. `stages` fills up with what each stage took."""

    training: Examples
    more: Examples
    labels: int
    out: Path
    teacher: Net | None = None
    weights: Path | None = None
    progress: Callable[[str, int, int, dict[str, float]], None] = lambda stage, step, steps, losses: None
    stages: dict[str, dict[str, Any]] = field(default_factory=dict)

    def told(self, stage: str) -> Progress:
        return lambda step, steps, losses: self.progress(stage, step, steps, losses)


@dataclass(frozen=True)
class Made:
    """A net, and `shape`: what its weights do not say."""

    net: Net
    shape: dict[str, Any]


def make(recipe: Recipe, setting: Setting) -> Made:
    """Train by the recipe's method; checkpoints in the setting's folder are gone on from."""
    torch.set_flush_denormal(True)  # Adam's moments of words that do not occur decay into denormal numbers, which are slow
    torch.manual_seed(recipe.seed)
    setting.out.mkdir(parents=True, exist_ok=True)
    made: Made = MAKERS[type(recipe)](recipe, setting)
    made.net.eval()
    return made


def _fine_tune(recipe: FineTune, setting: Setting) -> Made:
    assert setting.weights is not None
    net = nets.load_pretrained(setting.weights, labels=setting.labels)
    _stage("teacher", _labelled(net), net, setting.training, recipe.train, recipe.seed, setting)
    return _bert(net)


def _distilbert(recipe: DistilBert, setting: Setting) -> Made:
    teacher = _still(setting.teacher)
    net = prune.keep_layers(teacher, [one - 1 for one in recipe.layers]).requires_grad_(True)
    if "start" in recipe.without:
        config = teacher.config
        sizes = {"layers": len(recipe.layers), "hidden": config.hidden_size, "heads": config.num_attention_heads, "ffn": config.intermediate_size}
        net = nets.build(**sizes, labels=config.num_labels, vocab=config.vocab_size)

    def loss(batch: Batch) -> dict[str, Tensor]:
        mine = net(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=True)
        with torch.no_grad():
            theirs = teacher(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=True)
        terms = distilbert.task_triple((mine.logits, mine.hidden_states[-1]), (theirs.logits, theirs.hidden_states[-1]), batch.labels, batch.mask)
        return {name: term for name, term in terms.items() if name not in recipe.without}

    _stage("student", loss, net, setting.training, recipe.train, recipe.seed, setting)
    return _bert(net)


def _tinybert(recipe: TinyBert, setting: Setting) -> Made:
    teacher = _still(setting.teacher)
    examples = setting.training if "unlabelled" in recipe.without else setting.training + setting.more
    sample = _sample(setting.training, recipe.seed)
    net: Net = shrink(teacher, sample, layers=recipe.layers, hidden=recipe.hidden, ffn=recipe.ffn, dropout=0.1)
    if "start" in recipe.without:
        config = teacher.config
        sizes = {"layers": len(recipe.layers), "hidden": recipe.hidden, "heads": config.num_attention_heads, "ffn": recipe.ffn}
        net = nets.build(**sizes, labels=config.num_labels, vocab=config.vocab_size)
    pair = nn.ModuleDict({"student": net, "project": _projection(net, teacher, sample)})

    def imitation(batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            theirs = nets.trace(teacher, batch.ids, batch.mask)
        mine = nets.trace(net, batch.ids, batch.mask)
        terms = distill.intermediate(mine, theirs, batch.mask, layer_map=recipe.layers, project=pair["project"])
        return {name: term for name, term in terms.items() if name not in recipe.without}

    if "intermediate" not in recipe.without:
        _stage("intermediate", imitation, pair, examples, recipe.intermediate, recipe.seed, setting)
    if "prediction" not in recipe.without:
        targets = kept_logits(teacher, examples, setting.out / "targets.pt")

        def prediction(batch: Batch) -> dict[str, Tensor]:
            return {"soft_cross_entropy": distill.soft_cross_entropy(net(input_ids=batch.ids, attention_mask=batch.mask).logits, targets[batch.rows])}

        _stage("prediction", prediction, net, examples, recipe.prediction, recipe.seed, setting)
    return _bert(net)


def _mobilebert(recipe: MobileBert, setting: Setting) -> Made:
    """Its classifier starts as the least-squares map from the encoder's first state to the teacher's answers: a state there is ten times as large
    as BERT's, on which random weights would begin far from anything."""
    assert setting.weights is not None
    teacher = _still(setting.teacher)
    net = mobilebert.classifier(mobilebert.from_tflite(setting.weights / "embedder.tflite"), setting.labels)
    targets = kept_logits(teacher, setting.training, setting.out / "targets.pt")
    rows = list(range(min(512, len(setting.training))))
    with torch.no_grad():
        states = torch.cat([net.eval().mobilebert(input_ids=one.ids, attention_mask=one.mask)[0][:, 0] for one in _in_parts(setting.training, rows)])
    net.classifier.load_state_dict(fit_projection(states, targets[rows], ridge=1.0).state_dict())
    net.mobilebert.embeddings.word_embeddings.requires_grad_(False)
    _stage("student", _both(net, targets, recipe.soft), net, setting.training, recipe.train, recipe.seed, setting)
    return Made(net, {"positions": net.config.max_position_embeddings, "layers": net.config.num_hidden_layers})


def _adabert(recipe: AdaBert, setting: Setting) -> Made:
    teacher, started, clock, steps = _still(setting.teacher), time.process_time(), time.monotonic(), {}
    whole = not list(setting.out.glob("*.checkpoint"))

    def progress(stage: str, step: int, total: int, losses: dict[str, float]) -> None:
        steps[stage] = total
        setting.progress(stage, step, total, losses)

    net, found = adabert.adabert(teacher, setting.training, setting.out, recipe.how, seed=recipe.seed, more=setting.more or None, progress=progress)
    minutes = [round(one / 60, 2) if whole else None for one in (time.monotonic() - clock, time.process_time() - started)]
    setting.stages["adabert"] = {"steps": sum(steps.values()), "minutes": minutes[0], "cpu_minutes": minutes[1], "of": steps}
    return Made(net, {"found": msgspec.to_builtins(found), "width": recipe.how.width, "positions": net.config.max_position_embeddings})


def _bottlenecks(recipe: Bottlenecks, setting: Setting) -> Made:
    """The published order: embeddings, one block after another (or all at once, without "progressive"), then the task."""
    shape: dict[str, Any] = {"layers": recipe.layers, "hidden": recipe.hidden, "heads": recipe.heads, "labels": setting.labels}
    teacher = mobilebert.build(**shape, inner=recipe.hidden, ffn=4 * recipe.hidden, ffns=1, norm="layer_norm", activation="gelu")
    _stage("teacher", _labelled(teacher), teacher, setting.training, recipe.tune, recipe.seed, setting)
    setting.teacher = _still(teacher)
    torch.manual_seed(recipe.seed)
    mine: dict[str, Any] = {**shape, "inner": recipe.inner, "ffn": recipe.ffn, "ffns": recipe.ffns, "norm": recipe.norm, "activation": recipe.activation}
    net = mobilebert.build(**mine)
    if "transfer" not in recipe.without:
        mobilebert.take_embeddings(net, teacher)
        for turn in [[at] for at in range(recipe.layers)] if "progressive" not in recipe.without else [list(range(recipe.layers))]:
            for at in turn:
                modules = mobilebert.stage(net, at)
            if len(turn) > 1:
                net.requires_grad_(False), net.mobilebert.encoder.requires_grad_(True)
                modules = net.mobilebert.encoder
            wanted = mobilebert.transfer_loss(net, teacher, turn)

            def transfer(batch: Batch, wanted: Loss = wanted) -> dict[str, Tensor]:
                return {name: term for name, term in wanted(batch).items() if name not in recipe.without}

            _stage(f"transfer {'-'.join(str(at + 1) for at in turn)}", transfer, modules, setting.training, recipe.transfer, recipe.seed, setting)
    net.requires_grad_(True)
    targets = kept_logits(teacher, setting.training, setting.out / "targets.pt")
    _stage("student", _both(net, targets, 0.0 if "transfer" in recipe.without else recipe.soft), net, setting.training, recipe.train, recipe.seed, setting)
    return Made(net, mine)


MAKERS: dict[type[Recipe], Callable[..., Made]] = {
    FineTune: _fine_tune, DistilBert: _distilbert, TinyBert: _tinybert, MobileBert: _mobilebert, AdaBert: _adabert, Bottlenecks: _bottlenecks,
}


def save(made: Made, recipe: Recipe, record: dict[str, Any], out: Path) -> None:
    """`student.pt` and `result.json`: the net, and what it takes to build it again and to say how it came about."""
    torch.save(made.net.state_dict(), out / "student.pt")
    result = {"schema": 1, "recipe": msgspec.to_builtins(recipe), "shape": made.shape, "record": record}
    part = out / "result.part"
    part.write_text(json.dumps(result, indent=2) + "\n")
    os.replace(part, out / "result.json")


def read(folder: Path) -> tuple[Net, dict[str, Any]]:
    """The net of a finished run, and its result; CardError if the run is not finished, or the folder holds something else."""
    try:
        result = json.loads((folder / "result.json").read_text())
        weights = torch.load(folder / "student.pt", weights_only=True, map_location="cpu")
        shape, kind = result["shape"], methods.KINDS[result["recipe"]["method"]]
        if kind is AdaBert:
            found, table = msgspec.convert(shape["found"], cells.Architecture), weights["words.weight"]
            net: Net = cells.build(found, width=shape["width"], vocab=len(table), labels=len(weights["classifier.weight"]), positions=shape["positions"])
        elif kind is MobileBert:
            net = mobilebert.classifier(mobilebert.published(shape["layers"], shape["positions"]), len(weights["classifier.weight"]))
        elif kind is Bottlenecks:
            net = mobilebert.build(**shape)
        else:
            net = nets.like(weights, head_width=shape["head_width"])
        net.load_state_dict(weights)
    except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, UnpicklingError, msgspec.ValidationError) as error:
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise CardError(f"{folder} is no finished run ({said}); expected student.pt and result.json, as `edgebench train` leaves them") from error
    return net.eval(), result


def _bert(net: Net) -> Made:
    return Made(net, {"head_width": nets.head_width(net)})


def _still(net: Net | None) -> Net:
    if net is None:
        raise ValueError("the method has a teacher, and there is none; give one")
    return net.eval().requires_grad_(False)


def _labelled(net: Net) -> Loss:
    return lambda batch: {"cross_entropy": nn.functional.cross_entropy(net(input_ids=batch.ids, attention_mask=batch.mask).logits, batch.labels)}


def _both(net: Net, targets: Tensor, soft: float) -> Loss:
    """Labels, and with the share `soft` the teacher's answers."""
    def loss(batch: Batch) -> dict[str, Tensor]:
        logits = net(input_ids=batch.ids, attention_mask=batch.mask).logits
        terms = {"cross_entropy": (1.0 - soft) * nn.functional.cross_entropy(logits, batch.labels)}
        return terms | ({"soft_cross_entropy": soft * distill.soft_cross_entropy(logits, targets[batch.rows])} if soft else {})

    return loss


def _stage(name: str, loss: Loss, modules: nn.Module, examples: Examples, schedule: Schedule, seed: int, setting: Setting) -> None:
    checkpoint = setting.out / f"{name.replace(' ', '-')}.checkpoint"
    whole, started = not checkpoint.exists(), time.process_time()
    minutes = train(loss, modules, examples, schedule, seed=seed, checkpoint=checkpoint, log=checkpoint.with_suffix(".jsonl"), progress=setting.told(name))
    cpu = (time.process_time() - started) / 60 if whole else None
    steps = round(-(-len(examples) // schedule.batch_size) * schedule.epochs)
    setting.stages[name] = {"steps": steps, "minutes": round(minutes, 2), "cpu_minutes": cpu and round(cpu, 2)}


def _sample(training: Examples, seed: int, batches: int = 12) -> list[tuple[Tensor, Tensor]]:
    picked = (collate(training, rows) for rows in shuffled(training, 32, seed=seed, epoch=0)[:batches])
    return [(batch.ids, batch.mask) for batch in picked]


def _in_parts(examples: Examples, rows: list[int]) -> list[Batch]:
    return [collate(examples, rows[at:at + 32]) for at in range(0, len(rows), 32)]


@torch.no_grad()
def _projection(student: Net, teacher: Net, sample: list[tuple[Tensor, Tensor]]) -> nn.Linear:
    student.eval(), teacher.eval()
    mine = torch.cat([nets.trace(student, ids, mask).hidden[0][mask.bool()] for ids, mask in sample])
    theirs = torch.cat([nets.trace(teacher, ids, mask).hidden[0][mask.bool()] for ids, mask in sample])
    return fit_projection(mine, theirs)

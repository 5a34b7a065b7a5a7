"""A fine-tuned classifier -> a smaller one by one method or several in turn, each a function from net to net.

    smaller = compress(source, data, Plan(("trim", "prune"), keep=0.5), Path("runs/half"))

What a method may lose is won back by imitating the net as it was: its logits and, where the widths are equal, its hidden states.
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
from transformers import BertForSequenceClassification

from edgebench import whole
from edgebench.errors import UsageError, did_you_mean
from edgebench.models.data import Labelled
from edgebench.train import adabert, distilbert, distill, factorize, nets, prune, qat, vocabulary
from edgebench.train.checkpoint import Source
from edgebench.train.data import Batch, Examples, collate, fingerprint, hold_out, shuffled, tokenised
from edgebench.train.loop import Loss, Schedule, accuracy, predict_logits, train
from edgebench.train.shrink import fit_projection, shrink

METHODS = ("adabert", "distilbert", "factorize", "prune", "quantize", "tinybert", "trim")
MEASURED = 1_024  # examples that importance and activations are measured on
NARROWER = 13 / 16  # of tinybert: 312 of 384 channels, as the bundled student is to its assistant
ROUNDS = 4  # of pruning, importance measured again before each: what is left takes over what is gone

Progress = Callable[[str, int, int, dict[str, float]], None]


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to do. `keep` is the share of heads and neurons (prune), of the break-even rank (factorize) or of layers (distilbert,
    tinybert) that stays; `epochs` of
    imitation follow each method that changes the function; quantize imitates on the steps of weights of `bits`. adabert makes a net of another
    kind, which no other method takes: it comes last; `cost` weighs size and work in its search."""

    methods: tuple[str, ...]
    keep: float = 0.5
    seed: int = 0
    epochs: float = 1.0
    bits: int = 8
    cost: float = 4.0
    batch_size: int = 32
    learning_rate: float = 1e-4
    held_out: int = 2_000

    def __post_init__(self) -> None:
        if "mobilebert" in self.methods:
            raise UsageError(
                "mobilebert cannot be made out of a plain BERT: its blocks imitate those of a teacher with inverted bottlenecks of the same width, one by one, "
                "from weights that were pretrained so; train one (`edgebench train mobilebert-sst2`), or take distilbert or tinybert here"
            )
        for one in self.methods:
            if one not in METHODS:
                raise UsageError(f"there is no method {one!r}; there are {', '.join(METHODS)}.{did_you_mean(one, METHODS)}")
        if "adabert" in self.methods[:-1]:
            raise UsageError(f"methods are {', '.join(self.methods)}; adabert makes a net of cells, so it must come last")
        if "adabert" in self.methods and not self.epochs:
            raise UsageError("adabert has nothing to search with in 0 epochs; give some")
        if not self.methods or not 0 < self.keep <= 1:
            raise UsageError(f"methods are {', '.join(self.methods) or 'none'}, keep is {self.keep}; give a method, and a share over 0 and at most 1")


@dataclass
class Work:
    """A net on its way through the methods, the tokenizer it reads with, and what was done to it."""

    net: Any  # a BertForSequenceClassification, after adabert a CellNet
    tokenizer: Path
    done: list[str] = field(default_factory=list)


def compress(
    source: Source, texts: Labelled, dev: Labelled, plan: Plan, out: Path, progress: Progress = lambda stage, step, steps, losses: None,
) -> tuple[Work, dict[str, Any]]:
    """Carry out `plan`; the net and its tokenizer, and what is to be known of how they came about.

    `texts` are trained and measured on, less `plan.held_out` of them, on which `accuracy_held_out` is measured; on `dev` nothing
    is decided.
    """
    _claim(out, {"plan": msgspec.to_builtins(plan), "from": source.origin, "texts": texts.sha256})
    work = Work(source.net, source.tokenizer)
    for method in plan.methods:
        STEPS[method](work, source, texts, plan, out, progress)
    facts: dict[str, Any] = {"methods": list(plan.methods), "plan": msgspec.to_builtins(plan), "done": work.done}
    for name, net, tokenizer in (("before", source.net, source.tokenizer), ("after", work.net, work.tokenizer)):
        training, held_out = _parts(texts, tokenizer, source.max_tokens, plan)
        facts[name] = {
            "parameters": nets.parameter_count(net), "accuracy_held_out": accuracy(net, held_out),
            "accuracy_dev": accuracy(net, tokenised(dev, tokenizer, source.max_tokens)), "train_sha256": fingerprint(training),
        }
    return work, facts


def _claim(out: Path, mine: dict[str, Any]) -> None:
    """Note in `out` what is made there; a checkpoint of something else would be taken for its own."""
    note = out / "plan.json"
    if note.exists() and json.loads(note.read_text()) != json.loads(json.dumps(mine)):
        raise UsageError(f"{out} holds another compression; give another name, or delete it")
    out.mkdir(parents=True, exist_ok=True)
    whole.write(note, json.dumps(mine, indent=2) + "\n")


def imitate(
    student: BertForSequenceClassification, teacher: BertForSequenceClassification, examples: Examples, schedule: Schedule, out: Path, name: str, *,
    seed: int, hidden: float = 0.1, before: Callable[[nn.Module], None] = lambda net: None, progress: Progress = lambda stage, step, steps, losses: None,
) -> float:
    """Train `student` to give the teacher's logits and, weighted by `hidden`, its hidden states layer by layer where the shapes allow (the losses
    of DynaBERT, arXiv 2004.04037); the minutes spent. The table of words stays as it is. `before` is called before each step.
    """
    teacher = _frozen(teacher)
    targets = predict_logits(teacher, examples)
    student.bert.embeddings.word_embeddings.requires_grad_(False)
    same = student.config.hidden_size == teacher.config.hidden_size and len(student.bert.encoder.layer) == len(teacher.bert.encoder.layer)
    minutes = train(
        _imitation(student, teacher, targets, hidden if same else 0.0, before), student, examples, schedule, seed=seed, checkpoint=out / f"{name}.checkpoint",
        log=out / f"{name}.jsonl", progress=lambda step, steps, losses: progress(name, step, steps, losses),
    )
    student.bert.embeddings.word_embeddings.requires_grad_(True)
    student.eval()
    return minutes


def _imitation(
    student: BertForSequenceClassification, teacher: BertForSequenceClassification, targets: Tensor, weight: float, before: Callable[[nn.Module], None],
) -> Loss:
    def loss(batch: Batch) -> dict[str, Tensor]:
        before(student)
        out = student(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=bool(weight))
        terms = {"soft_cross_entropy": distill.soft_cross_entropy(out.logits, targets[batch.rows])}
        if weight:
            with torch.no_grad():
                wanted = teacher.bert(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=True).hidden_states
            errors = [distill.hidden_error(mine, theirs, batch.mask) for mine, theirs in zip(out.hidden_states[1:], wanted[1:], strict=True)]
            terms["hidden"] = weight * torch.stack(errors).sum()
        return terms

    return loss


def _parts(texts: Labelled, tokenizer: Path, max_tokens: int, plan: Plan) -> tuple[Examples, Examples]:
    examples = tokenised(texts, tokenizer, max_tokens)
    return hold_out(examples, min(plan.held_out, len(examples) // 5), plan.seed)


def measured(examples: Examples, seed: int) -> list[Batch]:
    """Some hundred training sentences, in batches of similar length."""
    batches = shuffled(examples, 32, seed=seed, epoch=0)[: -(-MEASURED // 32)]
    return [collate(examples, rows) for rows in batches]


def _schedule(plan: Plan) -> Schedule:
    return Schedule(epochs=plan.epochs, batch_size=plan.batch_size, learning_rate=plan.learning_rate)


def _recover(work: Work, before: BertForSequenceClassification, examples: Examples, plan: Plan, out: Path, name: str, progress: Progress) -> None:
    if plan.epochs:
        minutes = imitate(work.net, before, examples, _schedule(plan), out, name, seed=plan.seed, progress=progress)
        work.done.append(f"{plan.epochs:g} epochs of imitation, {len(examples):,} examples, {minutes:.1f} minutes")


def _prune(work: Work, source: Source, texts: Labelled, plan: Plan, out: Path, progress: Progress) -> None:
    """Heads and neurons in `ROUNDS` equal ratios, then imitation of the net as it was."""
    examples, _ = _parts(texts, work.tokenizer, source.max_tokens, plan)
    before, whole = work.net, prune.importance(work.net, measured(examples, plan.seed))
    for at in range(1, ROUNDS + 1):
        found = prune.importance(work.net, measured(examples, plan.seed))
        left = plan.keep ** (at / ROUNDS)
        ratio_h, ratio_n = (left * len(was) / len(now) for was, now in ((whole.heads[0], found.heads[0]), (whole.neurons[0], found.neurons[0])))
        kept = prune.choose(found, heads=min(1.0, ratio_h), neurons=min(1.0, ratio_n))
        work.net = prune.cut(work.net, kept)
    work.done.append(f"pruned to {prune.kept_text(kept)}")
    _recover(work, before, examples, plan, out, "prune", progress)


def _factorize(work: Work, source: Source, texts: Labelled, plan: Plan, out: Path, progress: Progress) -> None:
    examples, _ = _parts(texts, work.tokenizer, source.max_tokens, plan)
    before = work.net
    work.net = factorize.factorize(before, plan.keep, batches=measured(examples, plan.seed))
    work.done.append(f"factors of {plan.keep:g} of the break-even rank, for the inputs of {MEASURED:,} examples")
    _recover(work, before, examples, plan, out, "factorize", progress)


def _adabert(work: Work, source: Source, texts: Labelled, plan: Plan, out: Path, progress: Progress) -> None:
    examples, _ = _parts(texts, work.tokenizer, source.max_tokens, plan)
    teacher = _frozen(work.net)
    how = adabert.lasting(plan.epochs, plan.batch_size, plan.cost)
    work.net, found = adabert.adabert(teacher, examples, out, how, seed=plan.seed, progress=progress)
    cell = ", ".join(f"{one.operation} {one.source} to {one.target}" for one in found.edges)
    work.done.append(f"{found.depth} cells of {cell}, found with {plan.cost:g} as the weight of cost")


def _distilbert(work: Work, source: Source, texts: Labelled, plan: Plan, out: Path, progress: Progress) -> None:
    """Some of the layers as they are, then the triple loss with labels in the place of masked words."""
    examples, _ = _parts(texts, work.tokenizer, source.max_tokens, plan)
    teacher = _frozen(work.net)
    depth = teacher.config.num_hidden_layers
    layers = distill.layer_map(max(1, round(plan.keep * depth)), depth)
    work.net = prune.keep_layers(work.net, [one - 1 for one in layers])
    work.done.append(f"layers {', '.join(map(str, layers))} of {depth} kept")

    def loss(batch: Batch) -> dict[str, Tensor]:
        mine = work.net(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=True)
        with torch.no_grad():
            theirs = teacher(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=True)
        return distilbert.task_triple((mine.logits, mine.hidden_states[-1]), (theirs.logits, theirs.hidden_states[-1]), batch.labels, batch.mask)

    _train(work, loss, work.net, examples, plan, out, "distilbert", progress)


def _tinybert(work: Work, source: Source, texts: Labelled, plan: Plan, out: Path, progress: Progress) -> None:
    """Fewer layers, 13/16 as wide, cut out of the net; then the intermediate and the prediction step."""
    examples, _ = _parts(texts, work.tokenizer, source.max_tokens, plan)
    teacher = _frozen(work.net)
    config = teacher.config
    layers = distill.layer_map(max(1, round(plan.keep * config.num_hidden_layers)), config.num_hidden_layers)
    heads, width = config.num_attention_heads, max(1, round(NARROWER * nets.head_width(teacher)))
    neurons = max(1, round(NARROWER * config.intermediate_size))
    batches = [(one.ids, one.mask) for one in measured(examples, plan.seed)[:12]]
    work.net = shrink(work.net, batches, layers=layers, hidden=heads * width, ffn=neurons, dropout=config.hidden_dropout_prob)
    work.done.append(f"layers {', '.join(map(str, layers))} of {config.num_hidden_layers}, {heads * width} channels, {neurons} neurons")
    with torch.no_grad():
        traced = [(nets.trace(work.net.eval(), *one).hidden[0][one[1].bool()], nets.trace(teacher, *one).hidden[0][one[1].bool()]) for one in batches]
    project = fit_projection(torch.cat([mine for mine, _ in traced]), torch.cat([theirs for _, theirs in traced]))
    pair = nn.ModuleDict({"student": work.net, "project": project})

    def intermediate(batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            target = nets.trace(teacher, batch.ids, batch.mask)
        return distill.intermediate(nets.trace(work.net, batch.ids, batch.mask), target, batch.mask, layer_map=layers, project=project)

    _train(work, intermediate, pair, examples, plan, out, "intermediate", progress)
    _recover(work, teacher, examples, plan, out, "prediction", progress)


def _frozen(net: BertForSequenceClassification) -> BertForSequenceClassification:
    """A copy to imitate."""
    return nets.reshaped(net, net.state_dict()).eval().requires_grad_(False)


def _train(work: Work, loss: Loss, modules: nn.Module, examples: Examples, plan: Plan, out: Path, name: str, progress: Progress) -> None:
    if plan.epochs:
        minutes = train(
            loss, modules, examples, _schedule(plan), seed=plan.seed, checkpoint=out / f"{name}.checkpoint", log=out / f"{name}.jsonl",
            progress=lambda step, steps, losses: progress(name, step, steps, losses),
        )
        work.net.eval()
        work.done.append(f"{plan.epochs:g} epochs of {name}, {len(examples):,} examples, {minutes:.1f} minutes")


def _trim(work: Work, source: Source, texts: Labelled, plan: Plan, out: Path, progress: Progress) -> None:
    kept = vocabulary.used(work.tokenizer, texts.texts)
    work.net = vocabulary.trim(work.net, kept)
    vocabulary.write_tokenizer(work.tokenizer, kept, out / "tokenizer.json")
    work.tokenizer = out / "tokenizer.json"
    work.done.append(f"{len(kept):,} word pieces of {source.net.config.vocab_size:,} kept: those of {len(texts):,} texts, and single characters")


def _quantize(work: Work, source: Source, texts: Labelled, plan: Plan, out: Path, progress: Progress) -> None:
    """Quantisation-aware training; without epochs nothing changes, and the engines' own quantisers do all."""
    if not plan.epochs:
        work.done.append("quantised by each engine's own quantiser, nothing trained")
        return
    examples, _ = _parts(texts, work.tokenizer, source.max_tokens, plan)
    before, work.net = work.net, nets.reshaped(work.net, work.net.state_dict())
    qat.begin(work.net, plan.bits)
    _recover(work, before, examples, plan, out, "quantize", progress)
    qat.end(work.net)
    work.done.append(f"trained on the steps of {plan.bits} bits")


STEPS: dict[str, Callable[[Work, Source, Labelled, Plan, Path, Progress], None]] = {
    "adabert": _adabert, "distilbert": _distilbert, "factorize": _factorize, "prune": _prune, "quantize": _quantize, "tinybert": _tinybert, "trim": _trim,
}

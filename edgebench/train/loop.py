"""The one training loop: a loss, the modules to train, and a schedule in; trained modules and a log of losses out.

It checkpoints every few minutes to one file, replaced atomically, and started again on that file it goes on where it was:
same batches, same dropout, same optimiser state. Methods differ in their `loss` only.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import msgspec
import torch
from torch import Tensor, nn

from edgebench.models.spans import runs
from edgebench.tasks.metrics import f1, matches
from edgebench.train import processes
from edgebench.train.data import UNLABELLED, Batch, Examples, collate, in_order, shuffled

Loss = Callable[[Batch], dict[str, Tensor]]
Progress = Callable[[int, int, dict[str, float]], None]


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long and how fast. `warm_up` is the share of steps with a rising rate; after it the rate falls to 0 in a line,
    or stays where it is with `constant`."""

    epochs: float
    batch_size: int
    learning_rate: float
    warm_up: float = 0.1
    constant: bool = False
    weight_decay: float = 0.01
    clip_norm: float = 1.0

    def rate(self, step: int, steps: int) -> float:
        """The factor on the learning rate at `step` of `steps`."""
        rising = max(1, int(self.warm_up * steps))
        if step < rising:
            return (step + 1) / rising
        return 1.0 if self.constant else max(0.0, (steps - step) / max(1, steps - rising))


def train(
    loss: Loss, modules: nn.Module, examples: Examples, schedule: Schedule, *, seed: int, checkpoint: Path,
    log: Path, progress: Progress = lambda step, steps, losses: None, save_every_s: float = 180.0, bf16: bool = False,
) -> float:
    """Train `modules` in place; return the minutes spent, earlier interrupted runs included.

    `loss(batch)` returns named terms whose sum is minimised. With `bf16`, the forward pass runs under bfloat16 autocast
    (weights and optimiser state stay float32). Where several processes were started together, each takes its share of every batch.
    """
    per_epoch = -(-len(examples) // schedule.batch_size)
    steps = round(per_epoch * schedule.epochs)
    optimiser = _adamw(modules, schedule)
    processes.join()
    processes.alike(modules)
    step, spent_s = _resume(checkpoint, modules, optimiser, seed)
    modules.train()
    started = saved = time.monotonic()
    order: list[list[int]] = []
    while step < steps:
        epoch, position = divmod(step, per_epoch)
        if position == 0 or not order:
            order = shuffled(examples, schedule.batch_size, seed=seed, epoch=epoch)
        for group in optimiser.param_groups:
            group["lr"] = schedule.learning_rate * schedule.rate(step, steps)
        with torch.autocast(torch.get_default_device().type, dtype=torch.bfloat16, enabled=bf16):
            rows, weight = processes.share(order[position])
            terms = loss(collate(examples, rows))
            total = torch.stack([term.float() for term in terms.values()]).sum()
        if not torch.isfinite(total):
            rate = schedule.learning_rate
            raise FloatingPointError(f"the loss is {total.item()} at step {step} of {steps}; lower the learning rate, which is {rate}, and start again")
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        processes.average(modules, weight)
        nn.utils.clip_grad_norm_(modules.parameters(), schedule.clip_norm)
        optimiser.step()
        step += 1
        if step % 50 == 0 or step == steps:
            losses = processes.total(terms, weight)
            progress(step, steps, losses)
            _append(log, {"step": step, "steps": steps, "rate": optimiser.param_groups[0]["lr"], **losses})
        if time.monotonic() - saved > save_every_s or step == steps:
            saved = time.monotonic()
            if processes.is_first():
                _save(checkpoint, step, spent_s + saved - started, modules, optimiser)
    return (spent_s + time.monotonic() - started) / 60


@torch.no_grad()
def predict_logits(net: nn.Module, examples: Examples, *, bf16: bool = False) -> Tensor:
    """(n, C) float32 logits in the examples' order, without dropout; of a token classifier (n, longest, C), 0 at padding."""
    net.eval()
    logits: Tensor | None = None
    for batch in in_order(examples):
        with torch.autocast(torch.get_default_device().type, dtype=torch.bfloat16, enabled=bf16):
            out = net(input_ids=batch.ids, attention_mask=batch.mask).logits.float()
        if logits is None:
            logits = torch.zeros(len(examples), *([max(map(len, examples.ids))] if out.ndim == 3 else []), out.shape[-1])
        if out.ndim == 3:
            logits[batch.rows, : out.shape[1]] = out
        else:
            logits[batch.rows] = out
    if logits is None:
        raise ValueError("there are no examples to predict; give at least one")
    return logits


def kept_logits(net: nn.Module, examples: Examples, path: Path, *, bf16: bool = False) -> Tensor:
    """`predict_logits`, kept in the file `path`: a run that goes on need not ask the net again."""
    if not path.exists():
        part = path.with_suffix(".part")
        torch.save(predict_logits(net, examples, bf16=bf16), part)
        os.replace(part, path)
    logits: Tensor = torch.load(path, weights_only=True, map_location=torch.get_default_device())
    return logits


def accuracy(net: nn.Module, examples: Examples) -> float:
    """The share of examples whose largest logit is their label's."""
    return (predict_logits(net, examples).argmax(1) == torch.tensor(examples.labels)).float().mean().item()


def entity_f1(net: nn.Module, examples: Examples, names: Sequence[str]) -> float:
    """F1 over the spans that the likeliest tags of labelled tokens make, tags named in the labels' order."""
    sure = predict_logits(net, examples).argmax(-1).tolist()
    found, right = [], []
    for row, labels in zip(sure, cast("list[list[int]]", examples.labels), strict=True):
        places = [at for at, label in enumerate(labels) if label != UNLABELLED]
        found.append(set(runs([names[row[at]] for at in places])))
        right.append(set(runs([names[labels[at]] for at in places])))
    return f1(matches(found, right).sum(0))


def _adamw(modules: nn.Module, schedule: Schedule) -> torch.optim.AdamW:
    """AdamW; biases and LayerNorm gains are not decayed, as in BERT."""
    trained = [parameter for parameter in modules.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(
        [{"params": [p for p in trained if p.ndim > 1], "weight_decay": schedule.weight_decay},
         {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0}],
        lr=schedule.learning_rate, fused=True,
    )


def _resume(checkpoint: Path, modules: nn.Module, optimiser: torch.optim.Optimizer, seed: int) -> tuple[int, float]:
    place = torch.get_default_device()
    known = processes.is_first() and checkpoint.exists()
    state = processes.shared(torch.load(checkpoint, weights_only=True, map_location=place) if known else None)
    if state is None:
        torch.manual_seed(seed)
        return 0, 0.0
    modules.load_state_dict(state["modules"])
    optimiser.load_state_dict(state["optimiser"])
    torch.set_rng_state(state["random"].cpu())
    if "draws" in state and place.type != "cpu":
        torch.get_device_module(place).set_rng_state(state["draws"].cpu())
    return state["step"], state["spent_s"]


def _save(checkpoint: Path, step: int, spent_s: float, modules: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    part = checkpoint.with_suffix(".part")
    state = {"step": step, "spent_s": spent_s, "modules": modules.state_dict(), "optimiser": optimiser.state_dict(), "random": torch.get_rng_state()}
    if torch.get_default_device().type != "cpu":
        state["draws"] = torch.get_device_module(torch.get_default_device()).get_rng_state()  # dropout's, on an accelerator
    torch.save(state, part)
    os.replace(part, checkpoint)


def _append(log: Path, line: dict[str, float]) -> None:
    with log.open("a") as file:
        file.write(json.dumps(line) + "\n")

"""Pruning: what a net can spare is measured, taken out, and either gone (structured) or zero (unstructured).

* Structured: whole heads and FFN neurons leave the matrices (`importance`, `choose`, `cut`). Files get smaller and faster in every
  engine. Importance is the first-order Taylor term of Michel et al. (arXiv 1905.10650) and Molchanov et al.: the mean over examples of
  |activation . gradient of the loss|, the absolute value taken for each example, for over a batch the signs cancel.
* Unstructured: single weights become zero, by magnitude (`magnitude`) or by where training moves them (`Movement`, arXiv 2005.07683).
  The engines here multiply by zeros like by any other number: such a file is as slow as before, and only smaller once compressed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import BertForSequenceClassification

from edgebench.train import nets
from edgebench.train.data import Batch

STEP = 16  # neurons are kept in multiples of this: what a vector instruction takes


@dataclass(frozen=True)
class Importance:
    """How much the loss would change without it, for each layer's heads (h,) and FFN neurons (f,)."""

    heads: list[Tensor]
    neurons: list[Tensor]


@dataclass(frozen=True)
class Kept:
    """The heads and neurons of each layer that stay, in ascending order."""

    heads: list[list[int]]
    neurons: list[list[int]]


def importance(net: BertForSequenceClassification, batches: Iterable[Batch]) -> Importance:
    """First-order Taylor importance over labelled batches, without dropout; `net` is left in evaluation mode."""
    net.eval()
    layers = net.bert.encoder.layer
    width = nets.head_width(net)
    heads = [torch.zeros(nets.width_of(layer.attention.self.query) // width) for layer in layers]
    neurons = [torch.zeros(nets.width_of(layer.intermediate.dense)) for layer in layers]
    seen: dict[tuple[str, int], Tensor] = {}

    def keep(key: tuple[str, int]) -> object:
        return lambda module, inputs: seen.__setitem__(key, inputs[0])

    hooks = [(layer.attention.output.dense if part == "heads" else layer.output.dense).register_forward_pre_hook(keep((part, at)))
             for at, layer in enumerate(layers) for part in ("heads", "neurons")]
    count = 0
    try:
        for batch in batches:
            logits = net(input_ids=batch.ids, attention_mask=batch.mask).logits
            loss = nn.functional.cross_entropy(logits, batch.labels, reduction="sum")  # summed: a row's gradient is its own
            activations = list(seen.items())
            for (key, value), gradient in zip(activations, torch.autograd.grad(loss, [one for _, one in activations]), strict=True):
                effect = value * gradient  # (B, S, width)
                if key[0] == "heads":
                    heads[key[1]] += effect.unflatten(-1, (-1, width)).sum((1, 3)).abs().sum(0).detach()
                else:
                    neurons[key[1]] += effect.sum(1).abs().sum(0).detach()
            count += len(batch.labels)
    finally:
        for hook in hooks:
            hook.remove()
    if not count:
        raise ValueError("there are no batches to measure importance on; give at least one")
    return Importance([one / count for one in heads], [one / count for one in neurons])


def choose(measured: Importance, *, heads: float, neurons: float, even: bool = True) -> Kept:
    """The most important shares `heads` and `neurons` of those there are: of each layer (`even`), or of the whole net.

    Over the whole net a layer's heads are compared after division by their norm, as Michel et al. do; a layer keeps one head and
    `STEP` neurons at least.
    """
    for name, share in (("heads", heads), ("neurons", neurons)):
        if not 0 < share <= 1:
            raise ValueError(f"the share of {name} to keep is {share}; expected more than 0 and at most 1")
    step = min(STEP, *(len(one) for one in measured.neurons))
    if even:
        counts_h = [max(1, round(heads * len(one))) for one in measured.heads]
        counts_n = [max(step, round(neurons * len(one) / step) * step) for one in measured.neurons]
    else:
        counts_h = _counts([one / (one.norm() + 1e-12) for one in measured.heads], heads, 1)
        counts_n = _counts(measured.neurons, neurons, step)
    pick = lambda scores, count: scores.topk(min(count, len(scores))).indices.sort().values.tolist()  # noqa: E731
    return Kept([pick(*one) for one in zip(measured.heads, counts_h, strict=True)], [pick(*one) for one in zip(measured.neurons, counts_n, strict=True)])


def _counts(scores: list[Tensor], share: float, step: int) -> list[int]:
    """How many of each layer are among the best `share` of all, rounded to multiples of `step`, one of them at least."""
    every = torch.cat(scores)
    line = every.topk(max(1, round(share * len(every)))).values.min()
    return [max(step, round(int((one >= line).sum()) / step) * step) for one in scores]


@torch.no_grad()
def cut(net: BertForSequenceClassification, kept: Kept) -> BertForSequenceClassification:
    """A smaller net: the kept heads and neurons, with their weights, and everything else as it was."""
    weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    width = nets.head_width(net)
    for at, (heads, neurons) in enumerate(zip(kept.heads, kept.neurons, strict=True)):
        rows = torch.cat([torch.arange(head * width, (head + 1) * width) for head in heads])
        for name in ("query", "key", "value"):
            _take(weights, f"bert.encoder.layer.{at}.attention.self.{name}", rows, outputs=True)
        _take(weights, f"bert.encoder.layer.{at}.attention.output.dense", rows, outputs=False)
        _take(weights, f"bert.encoder.layer.{at}.intermediate.dense", torch.tensor(neurons), outputs=True)
        _take(weights, f"bert.encoder.layer.{at}.output.dense", torch.tensor(neurons), outputs=False)
    return nets.reshaped(net, weights)


@torch.no_grad()
def keep_layers(net: BertForSequenceClassification, layers: Sequence[int]) -> BertForSequenceClassification:
    """A shallower net of the layers named, counted from 0, with everything else as it was."""
    prefix = "bert.encoder.layer."
    weights = {name: tensor.clone() for name, tensor in net.state_dict().items() if not name.startswith(prefix)}
    for new, old in enumerate(layers):
        here = f"{prefix}{old}."
        weights |= {f"{prefix}{new}.{name.removeprefix(here)}": tensor.clone() for name, tensor in net.state_dict().items() if name.startswith(here)}
    return nets.reshaped(net, weights)


def _take(weights: dict[str, Tensor], name: str, rows: Tensor, *, outputs: bool) -> None:
    """Keep `rows` of a map's outputs or inputs; of two factors, the one that has them."""
    if f"{name}.weight" not in weights:
        name = f"{name}.1" if outputs else f"{name}.0"
    weights[f"{name}.weight"] = weights[f"{name}.weight"].index_select(0 if outputs else 1, rows)
    if outputs and f"{name}.bias" in weights:
        weights[f"{name}.bias"] = weights[f"{name}.bias"][rows]


def encoder_maps(net: BertForSequenceClassification) -> Iterator[tuple[str, nn.Linear]]:
    """The matrices that unstructured pruning and factors are for: every Linear of the encoder, none of the head."""
    for name, module in net.bert.encoder.named_modules():
        if isinstance(module, nn.Linear):
            yield name, module


@torch.no_grad()
def magnitude(net: BertForSequenceClassification, density: float) -> None:
    """Set to zero, in each encoder matrix, all but the share `density` of largest absolute weights."""
    for _, module in encoder_maps(net):
        module.weight.mul_(_largest(module.weight.abs(), density))


def zeros(net: BertForSequenceClassification) -> float:
    """The share of the encoder matrices' weights that are exactly zero."""
    weights = [module.weight for _, module in encoder_maps(net)]
    return sum(int((one == 0).sum()) for one in weights) / sum(one.numel() for one in weights)


class Movement(nn.Module):
    """A weight's parametrisation: it counts only where its learnt score is among the largest (hard movement pruning).

    The scores' gradient passes the choice as if it were the product (straight through), so the score of a weight that training
    moves away from zero grows. `gain` is how many times faster scores learn than weights (published: 1e-2 to 3e-5). The share
    kept falls from 1 to `density` along a cubic in the training steps `first..last` (Zhu and Gupta, arXiv 1710.01878).
    """

    def __init__(self, weight: Tensor, *, density: float, steps: tuple[int, int], gain: float = 300.0, least: float = 0.005) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros_like(weight))
        self.step = nn.Buffer(torch.zeros((), dtype=torch.int64))  # in the checkpoint, so a run that goes on knows where it is
        self.density, self.steps, self.gain, self.least = density, steps, gain, least

    def forward(self, weight: Tensor) -> Tensor:
        scores = self.scores * self.gain
        mask = _largest(scores.detach(), max(self.least, self.share()))
        return weight * (mask + scores - scores.detach())

    def share(self) -> float:
        """The share kept at this step."""
        first, last = self.steps
        done = min(1.0, max(0.0, (int(self.step) - first) / max(1, last - first)))
        return self.density + (1.0 - self.density) * (1.0 - done) ** 3


def begin_movement(net: BertForSequenceClassification, *, density: float, steps: int, gain: float = 300.0) -> None:
    """Give every encoder matrix its scores; the share kept falls over the middle of `steps` training steps."""
    for _, module in list(encoder_maps(net)):
        schedule = (math.ceil(steps * 0.1), math.ceil(steps * 0.7))
        parametrize.register_parametrization(module, "weight", Movement(module.weight, density=density, steps=schedule, gain=gain))


def advance(net: nn.Module) -> None:
    """Say that a training step begins; the loss calls it."""
    for module in net.modules():
        if isinstance(module, Movement):
            module.step += 1


def end_movement(net: BertForSequenceClassification) -> None:
    """Make the chosen weights plain weights again, the others zero."""
    for module in list(net.modules()):
        if isinstance(module, nn.Linear) and parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)


def _largest(values: Tensor, share: float) -> Tensor:
    """1.0 at the `share` of largest values, else 0.0; where many are equal, the first of them."""
    count = max(1, round(share * values.numel()))
    mask = torch.zeros(values.numel(), dtype=values.dtype)
    mask[values.flatten().topk(count).indices] = 1.0
    return mask.reshape(values.shape)


def kept_text(kept: Kept) -> str:
    """In words, for a card."""
    return f"heads {_list(kept.heads)}, neurons {_list(kept.neurons)} of the layers"


def _list(layers: Sequence[Sequence[int]]) -> str:
    return "/".join(str(len(one)) for one in layers)

"""One net that works at several widths and depths: DynaBERT's order (arXiv 2004.04037), trained by the rules of universally slimmable
networks (arXiv 1903.05134).

Heads and neurons are put in the order of their importance, which changes nothing; a narrower net is then the first of them, a
shallower one some of the layers, and all of them are views of one set of weights. In each step the whole net, the least one
and some between are trained (the sandwich rule): the whole one by its teacher, the others by the whole one's own answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from transformers import BertForSequenceClassification

from edgebench.train import distill, nets, prune
from edgebench.train.data import Batch
from edgebench.train.loop import Loss

OUTPUTS = ("attention.self.query", "attention.self.key", "attention.self.value", "intermediate.dense")  # a narrower net has their first rows
INPUTS = ("attention.output.dense", "output.dense")  # and the first columns of these
HIDDEN = 0.1  # the weight of the hidden states' error, as published


@dataclass(frozen=True, order=True)
class Point:
    """A share of heads and neurons, and a share of layers."""

    width: float
    depth: float

    def __post_init__(self) -> None:
        for name, share in (("width", self.width), ("depth", self.depth)):
            if not 0 < share <= 1:
                raise ValueError(f"the {name} is {share}; expected a share over 0 and at most 1")

    @property
    def name(self) -> str:
        """As files and cards spell it."""
        return f"{self.width:g}x{self.depth:g}"

    def layers(self, depth: int) -> tuple[int, ...]:
        """Which of `depth` layers stay, counted from 0: every one at depth 1, evenly spread ones from the first on below it (DynaBERT's floor(i / depth))."""
        return tuple(int(at / self.depth + 1e-9) for at in range(max(1, round(self.depth * depth))))

    def heads(self, count: int) -> int:
        return max(1, round(self.width * count))

    def neurons(self, count: int) -> int:
        """In multiples of 16, if there are so many."""
        step = min(prune.STEP, count)
        return count if self.width == 1 else max(step, round(self.width * count / step) * step)


def ordered(net: BertForSequenceClassification, measured: prune.Importance) -> BertForSequenceClassification:
    """The same function with each layer's heads and neurons in falling importance."""
    falling = lambda scores: [one.argsort(descending=True, stable=True).tolist() for one in scores]  # noqa: E731
    return prune.cut(net, prune.Kept(falling(measured.heads), falling(measured.neurons)))


def views(weights: dict[str, Tensor], point: Point, *, heads: int, neurons: int, layers: int) -> dict[str, Tensor]:
    """The state dict of the net at `point`, made of views of the whole one's, of `layers` layers with so many heads and neurons each."""
    prefix = "bert.encoder.layer."
    found = {name: tensor for name, tensor in weights.items() if not name.startswith(prefix)}
    for new, old in enumerate(point.layers(layers)):
        here = f"{prefix}{old}."
        for name, tensor in weights.items():
            if name.startswith(here):
                found[f"{prefix}{new}.{name.removeprefix(here)}"] = _part(name.removeprefix(here), tensor, point, heads, neurons)
    return found


def at(net: BertForSequenceClassification, point: Point) -> BertForSequenceClassification:
    """A net by itself, with copies of the weights that `net` uses at `point`."""
    weights = views(net.state_dict(), point, **_sizes(net))
    return nets.reshaped(net, {name: tensor.clone() for name, tensor in weights.items()})


class Elastic(nn.Module):
    """`net` and, for each of `points`, an empty net of that shape through which views of its weights are run."""

    def __init__(self, net: BertForSequenceClassification, points: tuple[Point, ...]) -> None:
        super().__init__()
        self.net = net
        # held outside of the module: their own weights are never used, trained or stored
        self._shapes = {one: at(net, one).to("meta") for one in points}
        self._sizes = _sizes(net)

    def forward(self, point: Point, ids: Tensor, mask: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(B, C) logits and the hidden states, the embedding's first, of (B, S) ids and their mask."""
        shape = self._shapes[point].train(self.training)
        weights = dict(self.net.named_parameters()) | dict(self.net.named_buffers())
        given = {"input_ids": ids, "attention_mask": mask, "output_hidden_states": True}
        out = functional_call(shape, views(weights, point, **self._sizes), (), given)
        return out.logits, out.hidden_states


def sandwich(elastic: Elastic, points: tuple[Point, ...], teacher: Tensor, *, between: int = 1) -> Loss:
    """The loss of one step: the whole net imitates the logits in `teacher` (of all examples), the least and `between` others the whole net.

    What the whole one says is a constant to the others: else small ones drag it towards what they can do.
    """
    whole, least = max(points), min(points)
    others = [one for one in points if one not in (whole, least)]
    layers = elastic.net.config.num_hidden_layers

    def loss(batch: Batch) -> dict[str, Tensor]:
        logits, hidden = elastic(whole, batch.ids, batch.mask)
        terms = {"whole": distill.soft_cross_entropy(logits, teacher[batch.rows])}
        wanted, states = logits.detach(), [one.detach() for one in hidden]
        picked = [others[int(one)] for one in torch.randint(len(others), (between,))] if others else []
        terms["least"] = _imitation(elastic, least, batch, wanted, states, layers)
        if picked:
            terms["between"] = torch.stack([_imitation(elastic, one, batch, wanted, states, layers) for one in picked]).sum()
        return terms

    return loss


def _imitation(elastic: Elastic, point: Point, batch: Batch, wanted: Tensor, states: list[Tensor], layers: int) -> Tensor:
    """A smaller net's error: against the whole net's answer, and after each of its layers against what the whole net has where that group of layers ends."""
    logits, hidden = elastic(point, batch.ids, batch.mask)
    ends = distill.layer_map(len(hidden) - 1, layers)
    errors = [distill.hidden_error(mine, states[end], batch.mask) for mine, end in zip(hidden[1:], ends, strict=True)]
    return distill.soft_cross_entropy(logits, wanted) + HIDDEN * torch.stack(errors).sum()


def _part(name: str, tensor: Tensor, point: Point, heads: int, neurons: int) -> Tensor:
    """The first rows or columns of a layer's tensor that the net at `point` uses."""
    module = name.rpartition(".")[0]
    if module not in OUTPUTS + INPUTS:
        return tensor
    if "intermediate" in module or module == "output.dense":
        kept = point.neurons(neurons)
    else:
        kept = point.heads(heads) * (tensor.shape[0 if module in OUTPUTS else 1] // heads) if tensor.ndim == 2 or module in OUTPUTS else 0
    if module in OUTPUTS:
        return tensor[:kept]
    return tensor[:, :kept] if tensor.ndim == 2 else tensor


def _sizes(net: BertForSequenceClassification) -> dict[str, int]:
    first = net.bert.encoder.layer[0]
    width = nets.width_of(first.attention.self.query)
    return {"heads": width // nets.head_width(net), "neurons": nets.width_of(first.intermediate.dense), "layers": net.config.num_hidden_layers}

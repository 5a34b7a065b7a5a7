"""A net that may answer after any of its layers: a classifier behind each, trained together, deeper ones weighing more.

The classifiers are DeeBERT's (each has a pooler of its own, started at the net's; arXiv 2004.12993), the joint loss is PABEE's
(arXiv 2006.04152): the mean of the exits' losses, that of exit j weighted by j. When to leave is decided when the net is used
(`edgebench.backends.exits`).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from transformers import BertForSequenceClassification

from edgebench.train import distill
from edgebench.train.data import Batch, Examples, in_order
from edgebench.train.loop import Loss


class Exits(nn.Module):
    """`net` with a pooler and a classifier behind each of its layers; those behind the last are the net's own."""

    def __init__(self, net: BertForSequenceClassification) -> None:
        super().__init__()
        self.net = net
        earlier = range(net.config.num_hidden_layers - 1)
        self.poolers = nn.ModuleList(copy.deepcopy(net.bert.pooler.dense) for _ in earlier)
        self.classifiers = nn.ModuleList(copy.deepcopy(net.classifier) for _ in earlier)

    def forward(self, ids: Tensor, mask: Tensor) -> list[Tensor]:
        """(B, C) logits of every exit, the earliest first, of (B, S) ids and their mask."""
        out = self.net(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        return [*(self.exit(at, hidden) for at, hidden in enumerate(out.hidden_states[1:-1])), out.logits]

    def exit(self, at: int, hidden: Tensor) -> Tensor:
        """The logits of exit `at`, counted from 0, of the (B, S, width) states after its layer."""
        if at == len(self.poolers):
            logits: Tensor = self.net.classifier(self.net.bert.pooler(hidden))
            return logits
        logits = self.classifiers[at](torch.tanh(self.poolers[at](hidden[:, 0])))
        return logits


def joint(exits: Exits, teacher: Tensor) -> Loss:
    """The loss of one step: each exit imitates the logits in `teacher` (of all examples), exit j with a weight of j over their sum."""

    def loss(batch: Batch) -> dict[str, Tensor]:
        answers = exits(batch.ids, batch.mask)
        weights = [j / sum(range(1, len(answers) + 1)) for j in range(1, len(answers) + 1)]
        wanted = teacher[batch.rows]
        return {f"exit_{j}": weight * distill.soft_cross_entropy(mine, wanted) for j, (mine, weight) in enumerate(zip(answers, weights, strict=True), start=1)}

    return loss


@torch.no_grad()
def predict(exits: Exits, examples: Examples) -> Tensor:
    """(exits, n, C) logits in the examples' order, without dropout."""
    exits.eval()
    found = torch.zeros(len(exits.poolers) + 1, len(examples), exits.net.config.num_labels)
    for batch in in_order(examples):
        for at, logits in enumerate(exits(batch.ids, batch.mask)):
            found[at, batch.rows] = logits
    return found

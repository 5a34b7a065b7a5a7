"""A net that may answer after any of its layers: a classifier behind each, trained together, deeper ones weighing more.

The joint loss is PABEE's (arXiv 2006.04152): the mean of the exits' losses, that of exit j weighted by j. An early exit is one map of
the mean of the real positions' states: with a pooler of the first position, as DeeBERT has it (arXiv 2004.12993), the exits after the
first two of TinyBERT's four layers learnt nothing in a thousand steps, for little has come together there yet. When to leave is
decided when the net is used (`edgebench.backends.exits`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import BertForSequenceClassification

from edgebench.train import distill
from edgebench.train.data import Batch, Examples, in_order
from edgebench.train.loop import Loss


class Exits(nn.Module):
    """`net` with a classifier behind each of its layers; that behind the last is the net's own, with its pooler."""

    def __init__(self, net: BertForSequenceClassification) -> None:
        super().__init__()
        self.net = net
        config = net.config
        self.classifiers = nn.ModuleList(nn.Linear(config.hidden_size, config.num_labels) for _ in range(config.num_hidden_layers - 1))
        for one in self.classifiers.parameters():
            nn.init.zeros_(one)

    def forward(self, ids: Tensor, mask: Tensor) -> list[Tensor]:
        """(B, C) logits of every exit, the earliest first, of (B, S) ids and their mask."""
        out = self.net(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        early = (classifier(mean(hidden, mask)) for classifier, hidden in zip(self.classifiers, out.hidden_states[1:-1], strict=True))
        return [*early, out.logits]


def mean(hidden: Tensor, mask: Tensor) -> Tensor:
    """(B, width): the mean of (B, S, width) states over the real positions of the (B, S) mask."""
    weight = mask.to(hidden.dtype).unsqueeze(-1)
    return (hidden * weight).sum(1) / weight.sum(1)


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
    found = torch.zeros(len(exits.classifiers) + 1, len(examples), exits.net.config.num_labels)
    for batch in in_order(examples):
        for at, logits in enumerate(exits(batch.ids, batch.mask)):
            found[at, batch.rows] = logits
    return found

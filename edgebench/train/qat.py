"""Quantisation-aware training: the net learns while its weights and activations already lie on the steps of a file to come.

    begin(net, bits=4); train(...); end(net)      # then export: the quantiser finds weights that lie on its steps

The forward pass rounds, the backward pass looks through the rounding (straight through, Bengio et al., arXiv 1308.3432), as in Q8BERT (arXiv
1910.06188). The steps are those of the int8 and int4 files of `edgebench.train.export`: symmetric, one for each output channel of a matrix; of the
table of words one for each channel at 8 bits, one for each word at 4. Activations take 8 bits, one step for a whole tensor, as they come.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from transformers import BertForSequenceClassification

LEAST = 1e-12  # a channel of zeros has steps of this


class Rounded(nn.Module):
    """A weight's parametrisation: its values on symmetric steps of `bits`, the largest of each slice along `dim` exactly on the last."""

    def __init__(self, bits: int, dim: int) -> None:
        super().__init__()
        self.bits, self.dim = bits, dim

    def forward(self, weight: Tensor) -> Tensor:
        step = (weight.detach().abs().amax(dim=1 - self.dim, keepdim=True) / (2 ** (self.bits - 1) - 1)).clamp_min(LEAST)
        return straight_through(weight, torch.round(weight.detach() / step) * step)


def straight_through(value: Tensor, rounded: Tensor) -> Tensor:
    """`rounded` in the forward pass, the gradient of `value` in the backward pass."""
    return value + (rounded - value).detach()


def round_activations(x: Tensor, bits: int = 8) -> Tensor:
    """On 2^bits equal steps from the least to the largest value of the tensor, zero among them (asymmetric)."""
    low, high = x.detach().amin().clamp_max(0.0), x.detach().amax().clamp_min(0.0)
    step = ((high - low) / (2**bits - 1)).clamp_min(LEAST)
    zero = torch.round(-low / step)
    return straight_through(x, (torch.clamp(torch.round(x.detach() / step) + zero, 0, 2**bits - 1) - zero) * step)


def begin(net: BertForSequenceClassification, bits: int) -> None:
    """Let every Linear and the table of words compute as in a file of `bits` (8 or 4) for weights."""
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.Linear):
            parametrize.register_parametrization(module, "weight", Rounded(bits, dim=0))
            module.rounding = module.register_forward_pre_hook(lambda module, inputs: (round_activations(inputs[0]), *inputs[1:]))
        elif isinstance(module, nn.Embedding) and ".word_embeddings" in name:
            parametrize.register_parametrization(module, "weight", Rounded(bits, dim=1 if bits == 8 else 0))


def end(net: BertForSequenceClassification) -> None:
    """Make the weights plain ones, on their steps; activations are no longer rounded."""
    for module in list(net.modules()):
        if isinstance(module, nn.Linear | nn.Embedding) and parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)
        if hasattr(module, "rounding"):
            module.rounding.remove()
            del module.rounding

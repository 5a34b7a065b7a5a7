"""A module -> the same function with its output channels' scales taken out of the weights.

Quantised with one scale for a whole matrix, a channel with small weights drowns in the step of the largest. Dividing each
channel by its largest weight, and multiplying the output by it again, makes one scale as good as one for each channel:
engines that know only one scale for a matrix then lose no more than the others. It costs a multiplication of the output,
5 to 8 % of a TinyBERT call in LiteRT 2.3.
"""

from __future__ import annotations

import copy

from torch import Tensor, nn

LEAST = 1e-12  # a channel of zeros is divided by this


class Scaled(nn.Module):
    """`inner`, and its output times one number for each channel."""

    def __init__(self, inner: nn.Module, scale: Tensor) -> None:
        super().__init__()
        self.inner = inner
        self.scale = nn.Buffer(scale)

    def forward(self, x: Tensor) -> Tensor:
        scaled: Tensor = self.inner(x) * self.scale
        return scaled


def scaled(module: nn.Module) -> nn.Module:
    """A copy of `module` with every Linear and Embedding in it Scaled."""
    return _replace(copy.deepcopy(module), (nn.Linear, nn.Embedding))


def scaled_words(module: nn.Module) -> nn.Module:
    """A copy of `module` with every Embedding in it Scaled."""
    return _replace(copy.deepcopy(module), (nn.Embedding,))


def _replace(module: nn.Module, kinds: tuple[type[nn.Module], ...]) -> nn.Module:
    for name, child in list(module.named_children()):
        setattr(module, name, _scaled(child) if isinstance(child, kinds) else _replace(child, kinds))
    return module


def _scaled(inner: nn.Module) -> Scaled:
    weight: Tensor = inner.weight.detach()  # Linear: (out, in); Embedding: (entries, out)
    channels = 0 if isinstance(inner, nn.Linear) else 1
    scale = weight.abs().amax(dim=1 - channels).clamp_min(LEAST)
    inner.weight = nn.Parameter(weight / scale.unsqueeze(1 - channels))
    if getattr(inner, "bias", None) is not None:
        inner.bias = nn.Parameter(inner.bias.detach() / scale)
    return Scaled(inner, scale)

"""Nets of pictures -> torch modules with pretrained weights, in plain operations that every exporter knows.

MobileNetV2 (arXiv 1801.04381): inverted residuals (widen by a factor with a 1 x 1, filter each channel with a 3 x 3, narrow
with a 1 x 1 without activation), added to their input where shapes allow. The names of the parameters are those of
torchvision's state dict, so that its published weights load as they are.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgebench.errors import CardError

# (widening, channels, blocks, stride of the first): Table 2 of the paper
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
STEM, LAST = 32, 1280


class InvertedResidual(nn.Module):
    """(N, inner, H, W) -> (N, outer, H / stride, W / stride)."""

    def __init__(self, inner: int, outer: int, stride: int, widening: int) -> None:
        super().__init__()
        wide = inner * widening
        widen = [_conv(inner, wide, 1)] if widening > 1 else []
        self.conv = nn.Sequential(*widen, _conv(wide, wide, 3, stride, groups=wide), nn.Conv2d(wide, outer, 1, bias=False), nn.BatchNorm2d(outer))
        self.adds = stride == 1 and inner == outer

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.adds else y


class MobileNetV2(nn.Module):
    """(N, 3, H, W) normalised pictures -> (N, labels) logits."""

    def __init__(self, labels: int = 1000) -> None:
        super().__init__()
        blocks: list[nn.Module] = [_conv(3, STEM, 3, 2)]
        inner = STEM
        for widening, outer, count, stride in STAGES:
            for place in range(count):
                blocks.append(InvertedResidual(inner, outer, stride if place == 0 else 1, widening))
                inner = outer
        self.features = nn.Sequential(*blocks, _conv(inner, LAST, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(LAST, labels))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.features(x).mean((2, 3)))
        return logits


def mobilenet_v2(weights: Path) -> nn.Module:
    """MobileNetV2 with a state dict of torchvision's, its batch norms folded into the convolutions before them."""
    try:
        state = torch.load(weights, weights_only=True)
        net = MobileNetV2(labels=len(state["classifier.1.bias"]))
        net.load_state_dict(state)
    except (OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, UnpicklingError) as error:
        raise CardError(f"{weights} is no state dict of MobileNetV2 ({type(error).__name__}: {str(error)[:200]}); fetch it again") from error
    return folded(net.eval())


def folded(net: nn.Module) -> nn.Module:
    """The net, in place, with every BatchNorm2d that follows a Conv2d folded into it: the same function in fewer operations."""
    for sequence in [one for one in net.modules() if isinstance(one, nn.Sequential)]:
        for place, (first, second) in enumerate(pairwise(list(sequence))):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                sequence[place] = fuse_conv_bn_eval(first, second)
                sequence[place + 1] = nn.Identity()
    return net


def _conv(inner: int, outer: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inner, outer, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outer), nn.ReLU6())

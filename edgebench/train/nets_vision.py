"""Nets of pictures -> torch modules with pretrained weights, in plain operations that every exporter knows.

MobileNetV2 (arXiv 1801.04381): inverted residuals (widen by a factor with a 1 x 1, filter each channel with a 3 x 3, narrow
with a 1 x 1 without activation), added to their input where shapes allow. The names of the parameters are those of
torchvision's state dict, so that its published weights load as they are.

ResNet for CIFAR-10 (arXiv 1512.03385, 4.2): a 3 x 3 convolution, three groups of n blocks of two 3 x 3 convolutions, the second and third group
of half the height and width and twice the channels, an average over what is left: 6n + 2 layers. Shortcuts are the paper's option A:
every second pixel, and zeros for the channels that are new, without parameters.
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


class Residual(nn.Module):
    """(N, inner, H, W) -> (N, outer, H / stride, W / stride)."""

    def __init__(self, inner: int, outer: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(inner, outer, 3, stride, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU(),
            nn.Conv2d(outer, outer, 3, 1, 1, bias=False), nn.BatchNorm2d(outer),
        )
        self.stride, self.new = stride, outer - inner

    def forward(self, x: Tensor) -> Tensor:
        short = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new)) if self.stride > 1 or self.new else x
        return torch.relu(self.conv(x) + short)


class ResNet(nn.Module):
    """(N, 3, H, W) normalised pictures -> (N, labels) logits. `depth` is 6n + 2; `width` are the first group's channels, 16 as published."""

    def __init__(self, depth: int, width: int = 16, labels: int = 10) -> None:
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError(f"a ResNet of {depth} layers has no three equal groups; give 6n + 2: 8, 14, 20, 32, ...")
        blocks = (depth - 2) // 6
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.groups = nn.ModuleList()
        inner = width
        for place, outer in enumerate((width, 2 * width, 4 * width)):
            first = Residual(inner, outer, 2 if place else 1)
            self.groups.append(nn.Sequential(first, *(Residual(outer, outer, 1) for _ in range(blocks - 1))))
            inner = outer
        self.classifier = nn.Linear(inner, labels)

    def traced(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits, and what each group gives: (N, C, H, W)."""
        x, found = self.stem(x), []
        for group in self.groups:
            x = group(x)
            found.append(x)
        return self.classifier(x.mean((2, 3))), found

    def forward(self, x: Tensor) -> Tensor:
        return self.traced(x)[0]


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

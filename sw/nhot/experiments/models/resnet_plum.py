"""The residual network that signed-binary weights were published with, at the size of ResNet-20.

Source: Kuhar et al., PLUM, arXiv 2312.01581, and its published code, which has it as ResNet-18 for
ImageNet; the block is that of ReActNet (Liu et al., arXiv 2003.03488).
"""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn

from nhot.experiments.models.blocks import initialise

__all__ = ["ShiftedPReLU", "ShortcutConv", "resnet20_plum"]

LIMIT = 2.0
"""Magnitude that what a convolution reads is clamped to."""


class ShiftedPReLU(nn.Module):
    """``max(x, 0) + slope * min(x, 0) + shift``, slope and shift one a channel and trained.

    As a sum, so that integers can have it: two clamps, a gain a channel, which is a multiplier of
    a requantisation, and an addition. (batch, channels, height, width), as is what it makes.
    """

    def __init__(self, channels: int, slope: float = 0.25):
        super().__init__()
        self.slope = nn.Parameter(torch.full((channels, 1, 1), slope))
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=0) + (x.clamp(max=0) * self.slope + self.shift)


class ShortcutConv(nn.Module):
    """Half of a block: a 3x3 convolution with a shortcut of its own around it.

    (batch, channels, height, width) -> (batch, filters, height / stride, width / stride)
    """

    def __init__(self, channels: int, filters: int, *, stride: int = 1):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.conv = nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(filters)
        self.downsample = nn.Identity() if stride == 1 and channels == filters else nn.Sequential(
            nn.AvgPool2d(stride), nn.Conv2d(channels, filters, 1, bias=False),
            nn.BatchNorm2d(filters),
        )
        self.activation = ShiftedPReLU(filters)

    def forward(self, x: Tensor) -> Tensor:
        read = (x + self.shift).clamp(-LIMIT, LIMIT)
        result: Tensor = self.activation(self.bn(self.conv(read)) + self.downsample(x))
        return result


def resnet20_plum(classes: int = 10, *, width: int = 16) -> nn.Module:
    """ResNet-20 of PLUM's blocks. (batch, 3, 32, 32) -> (batch, classes)

    Eighteen convolutions in three stages, each with its shortcut; 274,442 parameters and
    41,169,536 multiply-accumulates. Two of the source's parameters a channel are left out, the bias
    before a normalisation and the one behind the sum with the shortcut: the normalisation's offset
    is both.
    """
    widths = [width, 2 * width, 4 * width]
    stages = {
        f"layer{index + 1}": nn.Sequential(
            ShortcutConv(channels, filters, stride=1 if index == 0 else 2),
            *(ShortcutConv(filters, filters) for _ in range(5)),
        )
        for index, (channels, filters) in enumerate(pairwise([width, *widths]))
    }
    return initialise(nn.Sequential(OrderedDict({
        "conv1": nn.Conv2d(3, width, 3, padding=1, bias=False), "bn1": nn.BatchNorm2d(width),
        "relu": nn.ReLU(), **stages, "avgpool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(),
        "fc": nn.Linear(4 * width, classes),
    })))

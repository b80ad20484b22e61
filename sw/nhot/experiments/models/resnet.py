"""Residual networks, from the 78 thousand weights of MLPerf Tiny to ResNet-18.

Source: He et al., "Deep Residual Learning for Image Recognition", arXiv 1512.03385. Every shortcut
that changes the shape is a 1x1 convolution (option B of the paper): a shortcut padded with zero
channels (option A, the paper's choice for CIFAR-10) is no operator of the engine.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from nhot.experiments.models.blocks import conv_norm, initialise

__all__ = ["BasicBlock", "resnet8", "resnet18", "resnet20"]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut, named as torchvision names them.

    (batch, channels, height, width) -> (batch, filters, height / stride, width / stride)
    """

    def __init__(self, channels: int, filters: int, *, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(filters)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(filters)
        same = stride == 1 and channels == filters
        self.downsample = None if same else conv_norm(channels, filters, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        result: Tensor = self.relu(self.bn2(self.conv2(x)) + shortcut)
        return result


def resnet8(classes: int = 10, *, width: int = 16) -> nn.Module:
    """The image classifier of MLPerf Tiny. (batch, 3, 32, 32) -> (batch, classes)

    One block a stage; 78,042 parameters and 12,501,632 multiply-accumulates. Unlike the benchmark's
    model, convolutions before a normalisation have no bias, and those of the shortcuts have a
    normalisation; once it is folded in, the two are the same.

    Source: Banbury et al., "MLPerf Tiny Benchmark", arXiv 2106.07597.
    """
    return _resnet(_small_stem(width), [width, 2 * width, 4 * width], 1, classes)


def resnet20(classes: int = 10, *, width: int = 16) -> nn.Module:
    """The smallest of the paper's networks for CIFAR-10. (batch, 3, 32, 32) -> (batch, classes)

    Three blocks a stage; 272,474 parameters and 40,813,184 multiply-accumulates, of which option B
    has 2,752 and 262,144.
    """
    return _resnet(_small_stem(width), [width, 2 * width, 4 * width], 3, classes)


def resnet18(classes: int = 1000, *, width: int = 64) -> nn.Module:
    """The paper's smallest network for ImageNet. (batch, 3, 224, 224) -> (batch, classes)

    Two blocks a stage; 11,689,512 parameters and 1,814,073,344 multiply-accumulates. It loads the
    state dict of torchvision's ``resnet18``.
    """
    stem = {
        "conv1": nn.Conv2d(3, width, 7, 2, padding=3, bias=False),
        "bn1": nn.BatchNorm2d(width), "relu": nn.ReLU(), "maxpool": nn.MaxPool2d(3, 2, padding=1),
    }
    return _resnet(stem, [width << stage for stage in range(4)], 2, classes)


def _small_stem(width: int) -> dict[str, nn.Module]:
    """The first layer for small images, which keeps their size."""
    return {
        "conv1": nn.Conv2d(3, width, 3, padding=1, bias=False),
        "bn1": nn.BatchNorm2d(width), "relu": nn.ReLU(),
    }


def _resnet(
    stem: dict[str, nn.Module], widths: Sequence[int], blocks: int, classes: int
) -> nn.Module:
    """Stages of ``blocks`` blocks; each but the first halves height and width."""
    stages = {
        f"layer{index + 1}": nn.Sequential(
            BasicBlock(channels, filters, stride=1 if index == 0 else 2),
            *(BasicBlock(filters, filters) for _ in range(blocks - 1)),
        )
        for index, (channels, filters) in enumerate(pairwise([widths[0], *widths]))
    }
    head = {
        "avgpool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(),
        "fc": nn.Linear(widths[-1], classes),
    }
    return initialise(nn.Sequential(OrderedDict({**stem, **stages, **head})))

"""Networks of depthwise separable convolutions: a 3x3 filter for each channel, then a 1x1 mix."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise

from torch import nn

from nhot.experiments.models.blocks import conv_norm, divisible, initialise

__all__ = ["ds_cnn", "mobilenet_v1", "mobilenet_v1_32"]

# Filters and stride of the separable convolutions of MobileNet, at full width.
STAGES = [
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2),
    (1024, 1),
]


def ds_cnn(classes: int = 12, *, width: int = 64) -> nn.Module:
    """The keyword spotter of MLPerf Tiny. (batch, 1, 49, 10) -> (batch, classes)

    The input is 49 frames of 10 cepstral coefficients. 23,180 parameters and 2,656,768
    multiply-accumulates. Of the 9 rows that the first layer pads, 5 are above the input and 4 below
    it, where the benchmark's model has 4 and 5.

    Source: Banbury et al., "MLPerf Tiny Benchmark", arXiv 2106.07597.
    """
    return initialise(nn.Sequential(OrderedDict({
        "stem": conv_norm(1, width, (10, 4), stride=2, padding=(5, 1), activation=nn.ReLU),
        **{f"block{index}": _separable(width, width) for index in range(4)},
        "mean": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(), "dropout": nn.Dropout(0.2),
        "dense": nn.Linear(width, classes),
    })))


def mobilenet_v1(classes: int = 2, *, width: float = 0.25) -> nn.Module:
    """MobileNet, by default as MLPerf Tiny has it. (batch, 3, 96, 96) -> (batch, classes)

    Height and width of the input are multiples of 32. With the defaults 213,586 parameters and
    7,489,664 multiply-accumulates.

    Source: Howard et al., "MobileNets", arXiv 1704.04861.
    """
    return _mobilenet_v1(classes, width, stride=2)


def mobilenet_v1_32(classes: int = 10, *, width: float = 0.25) -> nn.Module:
    """MobileNet whose first layer keeps the size. (batch, 3, 32, 32) -> (batch, classes)

    Height and width of the input are multiples of 16. With the defaults 215,642 parameters and
    3,331,072 multiply-accumulates.

    Source: Howard et al., "MobileNets", arXiv 1704.04861, but for that stride.
    """
    return _mobilenet_v1(classes, width, stride=1)


def _mobilenet_v1(classes: int, width: float, *, stride: int) -> nn.Module:
    """MobileNet whose first layer has the stride ``stride``."""
    filters = [divisible(width * 32), *(divisible(width * count) for count, _ in STAGES)]
    blocks = {
        f"block{index}": _separable(*channels, stride=stride)
        for index, (channels, (_, stride)) in enumerate(zip(pairwise(filters), STAGES, strict=True))
    }
    return initialise(nn.Sequential(OrderedDict({
        "stem": conv_norm(3, filters[0], 3, stride=stride, activation=nn.ReLU), **blocks,
        "mean": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(),
        "dense": nn.Linear(filters[-1], classes),
    })))


def _separable(channels: int, filters: int, *, stride: int = 1) -> nn.Sequential:
    depthwise = conv_norm(
        channels, channels, 3, stride=stride, groups=channels, activation=nn.ReLU
    )
    pointwise = conv_norm(channels, filters, activation=nn.ReLU)
    return nn.Sequential(OrderedDict({"depthwise": depthwise, "pointwise": pointwise}))

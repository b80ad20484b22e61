"""MobileNetV2, with the parameter names of torchvision.

Source: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", arXiv 1801.04381.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from nhot.experiments.models.blocks import conv_norm, divisible, initialise

__all__ = ["InvertedResidual", "bottlenecks", "mobilenet_v2"]

# Expansion, filters at full width, blocks, and stride of the first block, stage by stage.
STAGES = [
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
]


class InvertedResidual(nn.Module):
    """1x1 convolution to ``expansion`` times the channels, depthwise 3x3, and 1x1 back, linear.

    (batch, channels, height, width) -> (batch, filters, height / stride, width / stride); the input
    is added where it has the shape of the output.
    """

    def __init__(self, channels: int, filters: int, *, stride: int = 1, expansion: int = 6):
        super().__init__()
        inner = channels * expansion
        expand = [] if expansion == 1 else [conv_norm(channels, inner, activation=nn.ReLU6)]
        self.conv = nn.Sequential(
            *expand,
            conv_norm(inner, inner, 3, stride=stride, groups=inner, activation=nn.ReLU6),
            *conv_norm(inner, filters),
        )
        self.residual = stride == 1 and channels == filters

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x)
        return x + y if self.residual else y


def bottlenecks(width: float = 1.0) -> tuple[nn.Sequential, list[int]]:
    """The first convolution and all inverted residuals, and the number of filters of each.

    (batch, 3, height, width) -> (batch, 320 * width, height / 32, width / 32)
    """
    filters = [divisible(32 * width)]
    layers: list[nn.Module] = [conv_norm(3, filters[0], 3, stride=2, activation=nn.ReLU6)]
    for expansion, full, blocks, first_stride in STAGES:
        for index in range(blocks):
            channels, stride = filters[-1], first_stride if index == 0 else 1
            filters.append(divisible(full * width))
            layers.append(
                InvertedResidual(channels, filters[-1], stride=stride, expansion=expansion)
            )
    return nn.Sequential(*layers), filters


def mobilenet_v2(classes: int = 1000, *, width: float = 1.0) -> nn.Module:
    """MobileNetV2 for images. (batch, 3, 224, 224) -> (batch, classes)

    With the defaults 3,504,872 parameters and 300,774,272 multiply-accumulates. It loads the state
    dict of torchvision's ``mobilenet_v2``.
    """
    features, filters = bottlenecks(width)
    last = divisible(1280 * max(1.0, width))
    features.append(conv_norm(filters[-1], last, activation=nn.ReLU6))
    return initialise(nn.Sequential(OrderedDict({
        "features": features, "pool": nn.AdaptiveAvgPool2d(1), "flatten": nn.Flatten(),
        "classifier": nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes)),
    })))

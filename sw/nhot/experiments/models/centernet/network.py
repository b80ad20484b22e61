"""The network of CenterNet on a MobileNetV2."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from nhot.errors import NhotError
from nhot.experiments.models.blocks import conv_norm, initialise
from nhot.experiments.models.mobilenet_v2 import bottlenecks

__all__ = ["CenterNet", "Upsampling", "centernet"]

TAPS = (13, 6, 3)
"""Layers of the backbone that are the last ones at strides 16, 8 and 4."""

PRIOR = 0.1
"""Score of every cell before training, so that the many empty ones do not rule its beginning."""

METHODS = ("nearest", "transposed")


class Upsampling(nn.Module):
    """Double height and width, join the backbone's features of that size, and mix with 3x3.

    (batch, channels, height, width) and (batch, skip, 2 * height, 2 * width) or nothing
    -> (batch, filters, 2 * height, 2 * width)
    """

    def __init__(self, channels: int, skip: int, filters: int, *, method: str):
        super().__init__()
        if method == "transposed":
            self.grow: nn.Module = nn.Sequential(
                nn.ConvTranspose2d(channels, filters, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(filters), nn.ReLU(),
            )
            channels = filters
        else:
            self.grow = nn.Upsample(scale_factor=2, mode="nearest")
        self.mix = conv_norm(channels + skip, filters, 3, activation=nn.ReLU)

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        x = self.grow(x)
        result: Tensor = self.mix(x if skip is None else torch.cat([x, skip], 1))
        return result


class CenterNet(nn.Module):
    """The backbone to stride 32, three doublings to stride 4, and a head for each kind of map.

    (batch, 3, height, width) -> (batch, classes + 4, height / 4, width / 4), with height and width
    multiples of 32. What the channels are is in :mod:`nhot.experiments.models.centernet.maps`.

    Parameters
    ----------
    classes : int
    width : float
        Of the MobileNetV2.
    filters : three ints
        Of the doublings.
    head : int
        Filters of the 3x3 convolution in each head.
    upsample : str
        ``nearest`` repeats pixels; ``transposed`` is a transposed 4x4 convolution.
    skips : bool
        Whether the doublings join the backbone's features.
    """

    def __init__(
        self, classes: int, *, width: float, filters: Sequence[int], head: int, upsample: str,
        skips: bool,
    ):
        super().__init__()
        if upsample not in METHODS:
            raise NhotError(f"Upsampling must be one of {', '.join(METHODS)}, not {upsample!r}")
        if len(filters) != len(TAPS):
            raise NhotError(f"Filters must be one for each of {len(TAPS)} doublings, not {filters}")
        backbone, channels = bottlenecks(width)
        self.taps = TAPS if skips else ()
        joined = [channels[tap] if skips else 0 for tap in TAPS]
        steps = zip(pairwise([channels[-1], *filters]), joined, strict=True)
        doublings = [
            Upsampling(before, skip, after, method=upsample) for (before, after), skip in steps
        ]
        self.backbone = initialise(backbone)
        self.doublings = initialise(nn.ModuleList(doublings))
        self.heads = nn.ModuleDict({
            "heatmap": _head(filters[-1], head, classes, bias=math.log(PRIOR / (1 - PRIOR))),
            "size": _head(filters[-1], head, 2), "offset": _head(filters[-1], head, 2),
        })

    def forward(self, x: Tensor) -> Tensor:
        skips: dict[int, Tensor] = {}
        for index, layer in enumerate(self.backbone):
            x = layer(x)
            if index in self.taps:
                skips[index] = x
        for tap, doubling in zip(TAPS, self.doublings, strict=True):
            x = doubling(x, skips.get(tap))
        return torch.cat([head(x) for head in self.heads.values()], 1)


def centernet(
    classes: int = 3, *, width: float = 0.5, filters: Sequence[int] = (64, 32, 24), head: int = 24,
    upsample: str = "nearest", skips: bool = True,
) -> nn.Module:
    """:class:`CenterNet`, by default small enough to be trained on a CPU.

    (batch, 3, height, width) -> (batch, classes + 4, height / 4, width / 4). With the defaults and
    images of 192 x 256, 649,647 parameters and 204,905,472 multiply-accumulates.
    """
    return CenterNet(
        classes, width=width, filters=filters, head=head, upsample=upsample, skips=skips
    )


def _head(channels: int, inner: int, outputs: int, *, bias: float = 0.0) -> nn.Sequential:
    """A 3x3 and a 1x1 convolution, whose values are all near ``bias`` before training."""
    last = nn.Conv2d(inner, outputs, 1)
    nn.init.normal_(last.weight, std=0.01)
    nn.init.constant_(last.bias, bias)  # type: ignore[arg-type]
    return initialise(conv_norm(channels, inner, 3, activation=nn.ReLU)).append(last)

"""Layers that change height and width without weights: pools and upsampling."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional as F

from nhot import network
from nhot.network import Requant, Window
from nhot.network.tensor import Shape
from nhot.quant.activations import ActivationQuant
from nhot.quant.layers.layer import Grid, QuantLayer, RoundingLayer, channels, finish

__all__ = ["QuantAvgPool", "QuantMaxPool", "QuantUpsample"]


class QuantAvgPool(RoundingLayer):
    """The mean of each window; padding counts as zero."""

    def __init__(
        self, name: str, source: str, shape: Shape, rounding: ActivationQuant, window: Window
    ):
        super().__init__(name, (source,), shape, rounding)
        self.window = window

    def forward(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        return self.finish(self._sum(x) / self.window.taps)

    def integers(self, values: list[Tensor], grids: tuple[Grid, ...], grid: Grid) -> Tensor:
        (x,), (source,) = values, grids
        requant = self._requant(source, grid)
        total = self._sum((x - source.zero_point).double()).long()
        return finish(total * channels(requant), requant)

    def node(self, grids: tuple[Grid, ...], grid: Grid) -> network.Node:
        (source,) = grids
        requant = self._requant(source, grid)
        return network.AvgPool(
            inputs=self.sources, output=grid, window=self.window, requant=requant
        )

    def _requant(self, source: Grid, grid: Grid) -> Requant:
        return self.requant(source.scale / self.window.taps, grid)

    def _sum(self, x: Tensor) -> Tensor:
        x = _padded(x, self.window, 0.0)
        return F.avg_pool2d(x, self.window.kernel, self.window.stride, divisor_override=1)


class QuantMaxPool(QuantLayer):
    """The largest value of each window; padding never wins."""

    def __init__(self, name: str, source: str, shape: Shape, window: Window):
        super().__init__(name, (source,), shape)
        self.window = window

    def forward(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        return F.max_pool2d(
            _padded(x, self.window, -math.inf), self.window.kernel, self.window.stride,
            dilation=self.window.dilation,
        )

    def integers(self, values: list[Tensor], grids: tuple[Grid, ...], grid: Grid) -> Tensor:
        (x,) = values
        return self.forward(x.double()).long()

    def node(self, grids: tuple[Grid, ...], grid: Grid) -> network.Node:
        return network.MaxPool(inputs=self.sources, output=grid, window=self.window)


class QuantUpsample(QuantLayer):
    """Every element ``factors`` (y, x) times."""

    def __init__(self, name: str, source: str, shape: Shape, factors: tuple[int, int]):
        super().__init__(name, (source,), shape)
        self.factors = factors

    def forward(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        return x.repeat_interleave(self.factors[0], 2).repeat_interleave(self.factors[1], 3)

    def integers(self, values: list[Tensor], grids: tuple[Grid, ...], grid: Grid) -> Tensor:
        return self.forward(*values)

    def node(self, grids: tuple[Grid, ...], grid: Grid) -> network.Node:
        return network.Upsample(inputs=self.sources, output=grid, factors=self.factors)


def _padded(x: Tensor, window: Window, value: float) -> Tensor:
    top, left, bottom, right = window.padding
    return F.pad(x, (left, right, top, bottom), value=value) if any(window.padding) else x

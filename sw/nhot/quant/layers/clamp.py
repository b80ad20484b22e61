"""Activation functions that no layer before them could take in."""

from __future__ import annotations

from torch import Tensor

from nhot import network
from nhot.network.tensor import Shape
from nhot.quant.layers.layer import Grid, QuantLayer

__all__ = ["QuantClamp"]


class QuantClamp(QuantLayer):
    """ReLU, or ReLU6 with ``limit``, where the layer before it has other readers too."""

    def __init__(self, name: str, source: str, shape: Shape, limit: float | None):
        super().__init__(name, (source,), shape)
        self.limit = limit

    def forward(self, *inputs: Tensor) -> Tensor:
        return inputs[0].clamp(0, self.limit)

    def integers(self, values: list[Tensor], grids: tuple[Grid, ...], grid: Grid) -> Tensor:
        return values[0].clamp(*self._limits(grid))

    def node(self, grids: tuple[Grid, ...], grid: Grid) -> network.Node:
        low, high = self._limits(grid)
        return network.Clamp(inputs=self.sources, output=grid, low=low, high=high)

    def _limits(self, grid: Grid) -> tuple[int, int]:
        if self.limit is None:
            return grid.zero_point, grid.high
        return grid.zero_point, min(grid.zero_point + round(self.limit / grid.scale), grid.high)

"""Activation functions that no layer before them could take in."""

from __future__ import annotations

from torch import Tensor

from nhot import network
from nhot.errors import NhotError
from nhot.network.tensor import Shape
from nhot.quant.layers.layer import Grid, QuantLayer, integer_limits

__all__ = ["QuantClamp"]


class QuantClamp(QuantLayer):
    """ReLU, ReLU6 or another clamp, where the layer before it could not take it in.

    ``limits`` are the least and the greatest value, which may be infinite.
    """

    def __init__(self, name: str, source: str, shape: Shape, limits: tuple[float, float]):
        super().__init__(name, (source,), shape)
        self.limits = limits

    def forward(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        return x.clamp(*self.limits)

    def integers(self, values: list[Tensor], grids: tuple[Grid, ...], grid: Grid) -> Tensor:
        (x,) = values
        return x.clamp(*self._limits(grid))

    def node(self, grids: tuple[Grid, ...], grid: Grid) -> network.Node:
        low, high = self._limits(grid)
        return network.Clamp(inputs=self.sources, output=grid, low=low, high=high)

    def _limits(self, grid: Grid) -> tuple[int, int]:
        least, greatest = integer_limits(self.limits, grid)
        if least > grid.high or greatest < grid.low:
            ends = [(end - grid.zero_point) * grid.scale for end in (grid.low, grid.high)]
            raise NhotError(
                f"Layer {self.name!r}: Clamp must leave some of the range it reads, "
                f"{ends[0]:.4g} to {ends[1]:.4g}, not {self.limits[0]:.4g} to {self.limits[1]:.4g}"
            )
        return max(least, grid.low), min(greatest, grid.high)

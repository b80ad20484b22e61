"""Layers that join two tensors."""

from __future__ import annotations

from torch import Tensor

from nhot import network
from nhot.network import Requant
from nhot.quant.layers.layer import Grid, RoundingLayer, finish

__all__ = ["QuantAdd"]


class QuantAdd(RoundingLayer):
    """The sum of two activations, each on its own scale."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.finish(inputs[0] + inputs[1])

    def integers(self, values: list[Tensor], grids: tuple[Grid, ...], grid: Grid) -> Tensor:
        requant = self._requant(grids, grid)
        left, right = (
            (value - source.zero_point) * int(multiplier)
            for value, source, multiplier in zip(values, grids, requant.multiplier, strict=True)
        )
        return finish(left + right, requant)

    def node(self, grids: tuple[Grid, ...], grid: Grid) -> network.Node:
        requant = self._requant(grids, grid)
        return network.Add(inputs=self.sources, output=grid, requant=requant)

    def _requant(self, grids: tuple[Grid, ...], grid: Grid) -> Requant:
        return self.requant([source.scale for source in grids], grid)

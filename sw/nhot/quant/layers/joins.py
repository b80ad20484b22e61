"""Layers that join tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from nhot import network
from nhot.network import Requant
from nhot.quant.layers.layer import Grid, RoundingLayer, finish

__all__ = ["QuantAdd", "QuantConcat"]


class QuantAdd(RoundingLayer):
    """The sum of two activations, each on its own scale."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.finish(inputs[0] + inputs[1])

    def integers(self, values: list[Tensor], grids: tuple[Grid, ...], grid: Grid) -> Tensor:
        requant = self._requant(grids, grid)
        left, right = requant.multiplier.tolist()
        total = (values[0] * left).add_(values[1], alpha=right)
        offset = -grids[0].zero_point * left - grids[1].zero_point * right
        return finish(total, requant, offset)

    def node(self, grids: tuple[Grid, ...], grid: Grid) -> network.Node:
        requant = self._requant(grids, grid)
        return network.Add(inputs=self.sources, output=grid, requant=requant)

    def _requant(self, grids: tuple[Grid, ...], grid: Grid) -> Requant:
        return self.requant([source.scale for source in grids], grid)


class QuantConcat(RoundingLayer):
    """The channels of all its sources, one after the other, rescaled to one grid."""

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.finish(torch.cat(inputs, 1))

    def integers(self, values: list[Tensor], grids: tuple[Grid, ...], grid: Grid) -> Tensor:
        requant = self._requant(grids, grid)
        products = [
            (value - source.zero_point).mul_(multiplier) for value, source, multiplier
            in zip(values, grids, requant.multiplier.tolist(), strict=True)
        ]
        return finish(torch.cat(products, 1), requant)

    def node(self, grids: tuple[Grid, ...], grid: Grid) -> network.Node:
        requant = self._requant(grids, grid)
        return network.Concat(inputs=self.sources, output=grid, requant=requant)

    def _requant(self, grids: tuple[Grid, ...], grid: Grid) -> Requant:
        return self.requant([source.scale for source in grids], grid)

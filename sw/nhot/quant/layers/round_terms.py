"""n-hot activations."""

from __future__ import annotations

import torch
from torch import Tensor

from nhot import network
from nhot.network.tensor import Shape
from nhot.network.terms import check_terms, terms_table
from nhot.quant.activations import ActivationQuant
from nhot.quant.layers.layer import Grid, QuantLayer

__all__ = ["QuantRoundTerms"]


class QuantRoundTerms(QuantLayer):
    """Rounds activations to sums of at most ``n`` signed powers of two, on the grid they are on.

    The gradient passes straight through.

    Parameters
    ----------
    name, source, shape
        As in :class:`QuantLayer`.
    rounding : ActivationQuant
        Of the layer whose grid it is: the source, or what that passes on.
    n : int
    """

    def __init__(self, name: str, source: str, shape: Shape, rounding: ActivationQuant, n: int):
        super().__init__(name, (source,), shape)
        check_terms(n)
        self.n = n
        self._rounding = (rounding,)  # another layer's: in a tuple it is not a part of this one

    def forward(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        (rounding,) = self._rounding
        if rounding.calibrating:
            return x  # there is no grid yet
        grid = rounding.tensor(self.name, self.shape)
        integers = (x.detach() / grid.scale).round().long() + grid.zero_point
        rounded = self._look_up(integers.clamp(grid.low, grid.high), grid) - grid.zero_point
        return x + ((rounded * grid.scale).to(x.dtype) - x).detach()

    def integers(self, values: list[Tensor], grids: tuple[Grid, ...], grid: Grid) -> Tensor:
        (x,) = values
        return self._look_up(x, grid)

    def node(self, grids: tuple[Grid, ...], grid: Grid) -> network.Node:
        return network.RoundTerms(inputs=self.sources, output=grid, n=self.n)

    def _look_up(self, integers: Tensor, grid: Grid) -> Tensor:
        table = torch.from_numpy(terms_table(grid, self.n).copy()).to(integers.device)
        return table[integers - grid.low]

"""What every layer of a quantised model has: two lives, one in float and one in integers."""

from __future__ import annotations

import math
from abc import abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nhot import network
from nhot.errors import NhotError
from nhot.network import Requant
from nhot.network.requant import MAX_TERMS, SHIFT
from nhot.network.tensor import Shape
from nhot.quant.activations import ActivationQuant
from nhot.quant.tracing.steps import limits

__all__ = [
    "Grid", "QuantInput", "QuantLayer", "RoundingLayer", "channels", "finish", "integer_limits",
]

Grid = network.Tensor  # what the integers of an activation mean


class QuantLayer(nn.Module):
    """Base of all layers.

    Parameters
    ----------
    name : str
    sources : tuple of str
        Names of the layers that it reads.
    shape : (height, width, channels)
        Of what it makes.
    """

    def __init__(self, name: str, sources: tuple[str, ...], shape: Shape):
        super().__init__()
        self.name = name
        self.sources = sources
        self.shape = shape

    def grid(self, *inputs: Grid) -> Grid:
        """The integer tensor that the layer makes; that of its input unless it rounds anew."""
        (source,) = inputs
        return Grid(
            name=self.name, shape=self.shape, bits=source.bits, signed=source.signed,
            scale=source.scale, zero_point=source.zero_point,
        )

    @abstractmethod
    def integers(self, values: list[Tensor], grids: tuple[Grid, ...], grid: Grid) -> Tensor:
        """The output integers; ``grids`` are those of ``values``, ``grid`` is the output's."""

    @abstractmethod
    def node(self, grids: tuple[Grid, ...], grid: Grid) -> network.Node:
        """The same layer for the integer network."""


class RoundingLayer(QuantLayer):
    """Base of the layers that end in a requantisation, after ReLU, ReLU6 or none.

    The integers need no such clamp where a range starts at zero, or ends at six, and is the whole
    grid: they have one where the grid goes on, as its scale is a power of two or was given.
    """

    def __init__(
        self, name: str, sources: tuple[str, ...], shape: Shape, rounding: ActivationQuant
    ):
        super().__init__(name, sources, shape)
        self.activation: nn.Module = nn.Identity()
        self.rounding = rounding
        rounding.name = name

    def grid(self, *inputs: Grid) -> Grid:
        return self.rounding.tensor(self.name, self.shape)

    def finish(self, x: Tensor) -> Tensor:
        """Activation and fake quantisation."""
        result: Tensor = self.rounding(self.activation(x))
        return result

    def requant(
        self, scale: float | list[float] | NDArray[np.float64], grid: Grid, terms: int = MAX_TERMS
    ) -> Requant:
        """The requantisation to ``grid`` from accumulators of these real ``scale``."""
        low, high = grid.low, grid.high
        whole = self.rounding.unit is None and not self.rounding.fixed
        if not whole and not isinstance(self.activation, nn.Identity):
            low, high = np.clip(integer_limits(limits(self.activation), grid), low, high).tolist()
        try:
            return Requant.from_scale(
                np.asarray(scale) / grid.scale,
                zero_point=grid.zero_point, low=low, high=high, terms=terms,
            )
        except NhotError as error:
            raise NhotError(f"Layer {self.name!r}: {error}") from None


class QuantInput(RoundingLayer):
    """The input, rounded half up to its grid."""

    def forward(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        return self.finish(x)

    def integers(self, values: list[Tensor], grids: tuple[Grid, ...], grid: Grid) -> Tensor:
        (x,) = values
        rounded = (x.double() / grid.scale + 0.5).floor().long() + grid.zero_point
        return rounded.clamp(grid.low, grid.high)

    def node(self, grids: tuple[Grid, ...], grid: Grid) -> network.Node:
        raise TypeError("The input of a network is a tensor, not a node")


def integer_limits(limits: tuple[float, float], grid: Grid) -> tuple[int, int]:
    """The integers of ``grid`` that real limits round to, which may lie beyond it."""
    low, high = (
        math.copysign(2**16, limit) if math.isinf(limit) else limit / grid.scale
        for limit in limits
    )
    return math.floor(low + 0.5) + grid.zero_point, math.floor(high + 0.5) + grid.zero_point


def channels(requant: Requant) -> Tensor:
    """Multipliers, one a channel, against (batch, channels, height, width)."""
    return torch.from_numpy(requant.multiplier.copy()).reshape(1, -1, 1, 1)


def finish(products: Tensor, requant: Requant, offset: Tensor | int = 0) -> Tensor:
    """:meth:`Requant.finish` of ``products + offset``, in place.

    A zero point that is added before the shift is the same as one after it, in one pass less.
    """
    offset = offset + (1 << (SHIFT - 1)) + (requant.zero_point << SHIFT)
    return products.add_(offset).bitwise_right_shift_(SHIFT).clamp_(requant.low, requant.high)

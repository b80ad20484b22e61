"""Layers that change height and width without weights: pools and upsampling."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index

from nhot.errors import NhotError
from nhot.network.node import Node
from nhot.network.requant import Requant
from nhot.network.tensor import Shape, Tensor
from nhot.network.window import Window

__all__ = ["AvgPool", "MaxPool", "Upsample"]


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxPool(Node):
    """The largest value of each window and channel; padding never wins, nor fills a window."""

    window: Window

    def infer_shape(self, *inputs: Tensor) -> Shape:
        (x,) = inputs
        if not self.window.sees_input(*x.shape[:2]):
            raise NhotError(f"Window of a max pool must not lie in padding {self.window.padding}")
        return (*self.window.output_size(*x.shape[:2]), x.shape[2])

    def check(self, *inputs: Tensor) -> None:
        super().check(*inputs)
        (x,) = inputs
        self._check_same_type(x)


@dataclass(frozen=True, kw_only=True, eq=False)
class AvgPool(Node):
    """``requant(sum of the window - taps * input zero point)`` per channel.

    Padding counts as real zero. A global pool is a window over the whole tensor. ``requant`` has
    one multiplier, which holds the division.
    """

    window: Window
    requant: Requant

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_requant(self.requant, 1)

    def infer_shape(self, *inputs: Tensor) -> Shape:
        (x,) = inputs
        return (*self.window.output_size(*x.shape[:2]), x.shape[2])


@dataclass(frozen=True, kw_only=True, eq=False)
class Upsample(Node):
    """Every element ``factors`` (y, x) times, its nearest neighbours; the tensor's type stays."""

    factors: tuple[int, int]

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "factors", tuple(index(factor) for factor in self.factors))
        if len(self.factors) != 2 or any(factor < 1 for factor in self.factors):
            raise self.error(f"factors must be 2 numbers, each at least 1, not {self.factors}")

    def infer_shape(self, *inputs: Tensor) -> Shape:
        (x,) = inputs
        height, width, channels = x.shape
        return height * self.factors[0], width * self.factors[1], channels

    def check(self, *inputs: Tensor) -> None:
        super().check(*inputs)
        (x,) = inputs
        self._check_same_type(x)

"""Layers with weights: dense layers, convolutions and transposed convolutions."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from operator import index
from typing import ClassVar

import numpy as np

from nhot.errors import NhotError
from nhot.formats import Format, SignedBinary
from nhot.formats.format import Ints
from nhot.network.node import Node
from nhot.network.requant import Requant, sealed_integers
from nhot.network.tensor import Shape, Tensor
from nhot.network.window import Window

__all__ = ["Conv2d", "ConvTranspose2d", "Convolution", "Filters", "Linear"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Filters(Node):
    """Base of the layers with weights: ``requant(sum(w * x) + bias)``, one filter a channel.

    Parameters
    ----------
    weights : (filters, ...) int64
        Levels of ``format`` (signed-binary: of -1, 0, 1, one sign a filter or region).
    bias : (filters,) int64
        In accumulator units, the input zero point's share ``-zp * sum(w)`` already in it; 32 bits.
    format : Format
        What the weights are promised to be.
    requant : Requant
        One multiplier a filter.
    """

    weight_axes: ClassVar[int]

    weights: Ints
    bias: Ints
    format: Format
    requant: Requant

    def __post_init__(self) -> None:
        super().__post_init__()
        for what in ("weights", "bias"):
            object.__setattr__(self, what, self._integers(what))
        if self.weights.ndim != self.weight_axes or 0 in self.weights.shape:
            raise self.error(
                f"weights must have {self.weight_axes} axes and not be empty, "
                f"not shape {self.weights.shape}"
            )
        if self.bias.shape != (self.filters,):
            raise self.error(
                f"bias must be one a filter ({self.filters}), not of shape {self.bias.shape}"
            )
        if not -(2**31) < self.bias.min() <= self.bias.max() < 2**31:
            raise self.error("bias must have at most 32 bits")
        try:
            self.format.fold_signs(self.weights)
        except NhotError as error:
            raise self.error(str(error)) from None
        self._check_requant(self.requant, self.filters)

    def check(self, *inputs: Tensor) -> None:
        super().check(*inputs)
        (x,) = inputs
        if isinstance(self.format, SignedBinary):
            try:
                self.format.check_regions(self._by_channel(x))
            except NhotError as error:
                raise self.error(str(error)) from None
        magnitude = max(abs(x.low), abs(x.high))
        sums = magnitude * np.abs(self.weights).reshape(self.filters, -1).sum(axis=1)
        largest = int((sums + np.abs(self.bias)).max())
        # Products are formed in 64 bits; this leaves room for rounding.
        if largest * int(np.abs(self.requant.multiplier).max()) >= 2**62:
            raise self.error("products of sums and multipliers must have at most 62 bits")

    @property
    def filters(self) -> int:
        """Number of filters, which is the number of output channels."""
        return int(self.weights.shape[0])

    def macs(self, x: Tensor) -> int:
        """Multiply-accumulates over the input ``x``, those in the padding counted."""
        height, width, _ = self.output.shape
        return int(self.weights.size) * height * width

    def _by_channel(self, x: Tensor) -> Ints:
        """The weights over the input ``x``. (filters, ..., channels)"""
        return self.weights

    def _integers(self, what: str) -> Ints:
        try:
            return sealed_integers(getattr(self, what), what.capitalize())
        except NhotError as error:
            raise self.error(str(error)) from None


@dataclass(frozen=True, kw_only=True, eq=False)
class Convolution(Filters):
    """Base of the layers whose filters have a kernel.

    Parameters
    ----------
    weights : (filters, kernel_y, kernel_x, channels / groups) int64
    bias, format, requant
        As in :class:`Filters`.
    window : Window
    groups : int
        Channel groups; depthwise is ``groups == channels``. Filter f reads group
        ``f // (filters / groups)``.
    """

    weight_axes: ClassVar[int] = 4

    window: Window
    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights.shape[1:3] != self.window.kernel:
            raise self.error(
                f"weights must have kernel {self.window.kernel}, not {self.weights.shape[1:3]}"
            )
        if self.groups < 1 or self.filters % self.groups:
            raise self.error(
                f"groups must be at least 1 and divide {self.filters} filters, not {self.groups}"
            )

    def infer_shape(self, *inputs: Tensor) -> Shape:
        (x,) = inputs
        channels = self.weights.shape[3] * self.groups
        if x.shape[2] != channels:
            raise NhotError(f"Input {x.name!r} must have {channels} channels, not {x.shape[2]}")
        return (*self._output_size(*x.shape[:2]), self.filters)

    @abstractmethod
    def _output_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the output."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv2d(Convolution):
    """A convolution; padding is the input's zero point."""

    def _output_size(self, height: int, width: int) -> tuple[int, int]:
        return self.window.output_size(height, width)


@dataclass(frozen=True, kw_only=True, eq=False)
class ConvTranspose2d(Convolution):
    """A transposed convolution: pixel p meets tap t at output ``p * stride + t * dilation``.

    The same as a convolution of stride 1 with the kernel turned around, over the input spread by
    the stride, zero points between its pixels and around them. So every output sums all taps, and
    the zero point's share is ``zp * sum(w)`` everywhere, as :class:`Filters` has it.

    Parameters
    ----------
    weights, bias, format, requant, groups
        As in :class:`Convolution`.
    window : Window
        Its padding is cut off the output.
    output_padding : (y, x)
        Rows and columns added at the bottom and the right, below the stride.
    """

    output_padding: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        super().__post_init__()
        extra = tuple(index(size) for size in self.output_padding)
        object.__setattr__(self, "output_padding", extra)
        stride = self.window.stride
        if len(extra) != 2 or not all(0 <= extra[axis] < stride[axis] for axis in (0, 1)):
            raise self.error(
                "output padding must be 2 numbers, each at least 0 and below the stride "
                f"{stride}, not {extra}"
            )

    def macs(self, x: Tensor) -> int:
        return int(self.weights.size) * x.shape[0] * x.shape[1]

    def _output_size(self, height: int, width: int) -> tuple[int, int]:
        return self.window.transposed_size(height, width, self.output_padding)


@dataclass(frozen=True, kw_only=True, eq=False)
class Linear(Filters):
    """A dense layer over the whole input tensor, flattened as (height, width, channels).

    Parameters
    ----------
    weights : (filters, features) int64
    bias, format, requant
        As in :class:`Filters`.
    """

    weight_axes: ClassVar[int] = 2

    def infer_shape(self, *inputs: Tensor) -> Shape:
        (x,) = inputs
        if x.size != self.weights.shape[1]:
            raise NhotError(
                f"Input {x.name!r} must have {self.weights.shape[1]} elements, not {x.size}"
            )
        return (1, 1, self.filters)

    def _by_channel(self, x: Tensor) -> Ints:
        return self.weights.reshape(self.filters, -1, x.shape[2])

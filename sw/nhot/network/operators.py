"""The operators of an integer network, as data, each with the rules for the tensor it makes.

Each node reads tensors by name and makes one tensor. Shapes are (height, width, channels); weights
and kernels lead with the output channel. What the numbers are is defined in
:mod:`nhot.network.reference`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from nhot.errors import NhotError
from nhot.formats.format import Format, Ints
from nhot.network.node import Node
from nhot.network.requant import Requant
from nhot.network.tensor import Shape, Tensor
from nhot.network.window import Window

__all__ = [
    "Add", "ArgMax", "AvgPool", "Clamp", "Conv2d", "Filters", "Linear", "MaxPool", "Node", "Window",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Filters(Node):
    """Base of the layers with weights: ``requant(sum(w * x) + bias)``, one filter a channel.

    Parameters
    ----------
    weights : (filters, ...) int64
        Levels of ``format`` (signed-binary: of -1, 0, 1, one sign a filter).
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
        if np.abs(self.bias).max() >= 2**31:
            raise self.error("bias must have at most 32 bits")
        try:
            self.format.fold_signs(self.weights)
        except NhotError as error:
            raise self.error(str(error)) from None
        self._check_requant(self.requant, self.filters)

    def check(self, *inputs: Tensor) -> None:
        super().check(*inputs)
        magnitude = max(abs(inputs[0].low), abs(inputs[0].high))
        sums = magnitude * np.abs(self.weights).reshape(self.filters, -1).sum(axis=1)
        largest = int((sums + np.abs(self.bias)).max())
        # Products are formed in 64 bits; this leaves room for rounding.
        if largest * int(np.abs(self.requant.multiplier).max()) >= 2**62:
            raise self.error("products of sums and multipliers must have at most 62 bits")

    @property
    def filters(self) -> int:
        """Number of filters, which is the number of output channels."""
        return int(self.weights.shape[0])

    def _integers(self, what: str) -> Ints:
        array = np.array(getattr(self, what))
        if not np.issubdtype(array.dtype, np.integer):
            raise TypeError(f"{what.capitalize()} must be integers, not {array.dtype}")
        array = array.astype(np.int64)
        array.flags.writeable = False
        return array


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv2d(Filters):
    """A convolution; padding is the input's zero point.

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
        return (*self.window.output_size(*x.shape[:2]), self.filters)


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
        self._check_same_type(inputs[0])


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
class Add(Node):
    """``finish((a - zp_a) * M_a + (b - zp_b) * M_b)``: the residual sum of two scales.

    ``requant`` has two multipliers, one an operand, and the output's zero point and clamp.
    """

    arity: ClassVar[int] = 2

    requant: Requant

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_requant(self.requant, 2)

    def infer_shape(self, *inputs: Tensor) -> Shape:
        a, b = inputs
        if a.shape != b.shape:
            raise NhotError(
                f"Inputs {a.name!r} and {b.name!r} must have one shape, not {a.shape} and {b.shape}"
            )
        return a.shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Clamp(Node):
    """Limit to ``low`` to ``high``; the tensor's scale and zero point stay."""

    low: int
    high: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_range(self.low, self.high)

    def infer_shape(self, *inputs: Tensor) -> Shape:
        (x,) = inputs
        return x.shape

    def check(self, *inputs: Tensor) -> None:
        super().check(*inputs)
        self._check_same_type(inputs[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class ArgMax(Node):
    """Index of the largest channel at each position; the first of equals wins. 16 bits unsigned."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.output.bits, self.output.signed, self.output.zero_point) != (16, False, 0):
            raise self.error("output must have 16 bits, unsigned, zero point 0")

    def infer_shape(self, *inputs: Tensor) -> Shape:
        (x,) = inputs
        return (*x.shape[:2], 1)

    def check(self, *inputs: Tensor) -> None:
        (x,) = inputs
        if x.bits > 8 or x.shape[2] > 2**16:
            raise self.error(f"tensor {x.name!r} must have at most 8 bits and 65536 channels")
        self._check_shape(x)

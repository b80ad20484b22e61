"""What a model of another tool is made of: the steps that all frontends read their files as.

Tensors are maps (height, width, channels) of one sample, as in a network; a vector is (1, 1,
features). Weights are in torch's order. All numbers are real: where a file has integers, weights
keep the scale that they are on, and :class:`Quantize` says what grid an activation is on.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.network.tensor import Shape, Tensor
from nhot.network.window import Window

__all__ = [
    "Add", "Affine", "AvgPool", "BatchNorm", "Clamp", "Concat", "Conv", "ConvTranspose", "Dense",
    "Filters", "Floats", "MaxPool", "Operator", "Pad", "Quantize", "Upsample",
]

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Operator(ABC):
    """A step: reads the tensors called ``inputs``, makes the one called ``name``."""

    name: str
    inputs: tuple[str, ...]

    @abstractmethod
    def infer(self, *shapes: Shape) -> Shape:
        """The shape that it makes of these; refuses what does not suit it."""

    def macs(self, shape: Shape) -> int:
        """Multiply-accumulates where it makes ``shape``."""
        return 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Filters(Operator):
    """Base of what has weights.

    Parameters
    ----------
    weights : (filters, ...) float32
    bias : (filters,) float32
    scale : (filters,) float32, optional
        Of what the weights of each filter are whole multiples, where a file has them as integers.
    """

    weights: Floats
    bias: Floats
    scale: Floats | None = None

    def __post_init__(self) -> None:
        filters = (len(self.weights),)
        if 0 in self.weights.shape:
            raise NhotError(f"weights must not be empty, not of shape {self.weights.shape}")
        if self.bias.shape != filters:
            raise NhotError(f"bias must be one a filter {filters}, not of shape {self.bias.shape}")
        for what, values in (("weights", self.weights), ("bias", self.bias)):
            if not np.isfinite(values).all():
                raise NhotError(f"{what} must be finite numbers, not NaN or infinite")

    def macs(self, shape: Shape) -> int:
        return int(self.weights.size) * shape[0] * shape[1]


@dataclass(frozen=True, kw_only=True, eq=False)
class Convolution(Filters):
    """Base of what has a kernel; weights (filters, channels / groups, y, x)."""

    window: Window
    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights.ndim != 4 or self.weights.shape[2:] != self.window.kernel:
            raise NhotError(f"weights must have 4 axes and the kernel {self.window.kernel}, "
                            f"not the shape {self.weights.shape}")
        if self.groups < 1 or len(self.weights) % self.groups:
            raise NhotError(f"groups must divide {len(self.weights)} filters, not {self.groups}")

    def infer(self, *shapes: Shape) -> Shape:
        ((height, width, channels),) = shapes
        expected = self.weights.shape[1] * self.groups
        if channels != expected:
            raise NhotError(f"input must have {expected} channels, not {channels}")
        return (*self._size(height, width), len(self.weights))

    @abstractmethod
    def _size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of what it makes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Conv(Convolution):
    """A convolution; padding is zeros."""

    def _size(self, height: int, width: int) -> tuple[int, int]:
        return self.window.output_size(height, width)


@dataclass(frozen=True, kw_only=True, eq=False)
class ConvTranspose(Convolution):
    """A transposed convolution; weights have filters first, unlike torch's.

    The padding of its window is cut off the output, and ``extra`` (y, x) added at its end.
    """

    extra: tuple[int, int] = (0, 0)

    def _size(self, height: int, width: int) -> tuple[int, int]:
        return self.window.transposed_size(height, width, self.extra)


@dataclass(frozen=True, kw_only=True, eq=False)
class Dense(Filters):
    """A dense layer over a whole map; weights (outputs, channels, height, width) of that."""

    def infer(self, *shapes: Shape) -> Shape:
        ((height, width, channels),) = shapes
        if self.weights.shape[1:] != (channels, height, width):
            raise NhotError(f"weights must be over {(channels, height, width)}, "
                            f"not {self.weights.shape[1:]}")
        return 1, 1, len(self.weights)


@dataclass(frozen=True, kw_only=True, eq=False)
class Affine(Operator):
    """``gain * x + offset``; both (channels, height, width), or with ones in their place."""

    gain: Floats
    offset: Floats

    def __post_init__(self) -> None:
        for what, values in (("factor", self.gain), ("offset", self.offset)):
            if not np.isfinite(values).all():
                raise NhotError(f"{what} must be finite numbers, not NaN or infinite")

    def infer(self, *shapes: Shape) -> Shape:
        ((height, width, channels),) = shapes
        for values in (self.gain, self.offset):
            fits = values.ndim == 3 and all(
                one in {1, size}
                for one, size in zip(values.shape, (channels, height, width), strict=True)
            )
            if not fits:
                raise NhotError(f"constant must suit a map {(channels, height, width)}, "
                                f"not be of shape {values.shape}")
        return height, width, channels


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchNorm(Operator):
    """Batch normalisation as it is evaluated; all arrays (channels,)."""

    gain: Floats
    offset: Floats
    mean: Floats
    variance: Floats
    epsilon: float

    def __post_init__(self) -> None:
        for what in ("gain", "offset", "mean", "variance"):
            values = getattr(self, what)
            if values.shape != self.gain.shape or values.ndim != 1:
                raise NhotError(f"{what} must be one a channel {self.gain.shape}, "
                                f"not of shape {values.shape}")
            if not np.isfinite(values).all():
                raise NhotError(f"{what} must be finite numbers, not NaN or infinite")
        if not 0 < self.epsilon < 1 or (self.variance < 0).any():
            raise NhotError("variance and epsilon must be positive, and epsilon below 1")

    def infer(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        if shape[2] != len(self.gain):
            raise NhotError(f"input must have {len(self.gain)} channels, not {shape[2]}")
        return shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Add(Operator):
    """The sum of two tensors."""

    def infer(self, *shapes: Shape) -> Shape:
        one, other = shapes
        if one != other:
            raise NhotError(f"both inputs must have one shape, not {one} and {other} "
                            "(height, width, channels)")
        return one


@dataclass(frozen=True, kw_only=True, eq=False)
class Concat(Operator):
    """Channels of tensors, one after the other."""

    def infer(self, *shapes: Shape) -> Shape:
        height, width, _ = shapes[0]
        if any(shape[:2] != (height, width) for shape in shapes) or len(shapes) < 2:
            raise NhotError(f"inputs must be at least two of one height and width, not {shapes} "
                            "(height, width, channels)")
        return height, width, sum(shape[2] for shape in shapes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pool(Operator):
    """Base of the pools."""

    window: Window

    def infer(self, *shapes: Shape) -> Shape:
        ((height, width, channels),) = shapes
        return (*self.window.output_size(height, width), channels)


@dataclass(frozen=True, kw_only=True, eq=False)
class MaxPool(Pool):
    """The largest of each window; padding never wins, nor fills a window."""

    def infer(self, *shapes: Shape) -> Shape:
        shape = super().infer(*shapes)
        if not self.window.sees_input(*shapes[0][:2]):
            raise NhotError(f"window must not lie in its padding {self.window.padding}")
        return shape


@dataclass(frozen=True, kw_only=True, eq=False)
class AvgPool(Pool):
    """The mean of each window; padding counts as zeros."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Clamp(Operator):
    """Limits to ``low`` to ``high``, which may be infinite."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if math.isnan(self.low + self.high) or self.low > self.high:
            raise NhotError(f"limits must leave a range, not {self.low} to {self.high}")

    def infer(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        return shape


@dataclass(frozen=True, kw_only=True, eq=False)
class Pad(Operator):
    """Zeros at the (top, left, bottom, right)."""

    sides: tuple[int, int, int, int]

    def infer(self, *shapes: Shape) -> Shape:
        ((height, width, channels),) = shapes
        top, left, bottom, right = self.sides
        if min(self.sides) < 0:
            raise NhotError(f"padding must cut nothing off, not {self.sides}")
        return height + top + bottom, width + left + right, channels


@dataclass(frozen=True, kw_only=True, eq=False)
class Upsample(Operator):
    """Every element ``factors`` (y, x) times, its nearest neighbours."""

    factors: tuple[int, int]

    def infer(self, *shapes: Shape) -> Shape:
        ((height, width, channels),) = shapes
        if min(self.factors) < 1:
            raise NhotError(f"factors must be at least 1, not {self.factors}")
        return height * self.factors[0], width * self.factors[1], channels


@dataclass(frozen=True, kw_only=True, eq=False)
class Quantize(Operator):
    """The same values, rounded to ``grid``: its bits, sign, scale and zero point."""

    grid: Tensor

    def infer(self, *shapes: Shape) -> Shape:
        (shape,) = shapes
        return shape

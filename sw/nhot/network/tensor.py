"""What is known of a tensor of activations without its values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import index

import numpy as np

from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network.names import check_name

__all__ = ["ACTIVATION_BITS", "MOST", "Shape", "Tensor", "check_activation_bits"]

Shape = tuple[int, int, int]

MOST = 1 << 31
"""Elements of a tensor."""

ACTIVATION_BITS = (2, 8)
"""The least and the most bits of an activation that is rounded."""

_SMALLEST, _LARGEST = 2.0**-126, 2.0**127  # normal numbers of single precision, as files have them


def check_activation_bits(bits: int) -> None:
    """Refuse what is not within :data:`ACTIVATION_BITS`."""
    low, high = ACTIVATION_BITS
    if not low <= bits <= high:
        raise NhotError(f"Bits of an activation must be {low} to {high}, not {bits}")


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """An activation tensor: shape, integer type, and what its integers mean.

    Parameters
    ----------
    name : str
        Unique in a network; mismatch reports use it.
    shape : tuple of int
        (height, width, channels). A vector is (1, 1, channels).
    bits : int
        Bits of an element, 2 to 8 (an argmax result may have 16).
    signed : bool
        Two's complement, or unsigned.
    scale : float
        Real value of one unit, 2^-126 to 2^127; for people and float tools, never used in
        arithmetic.
    zero_point : int
        The integer that stands for real zero.
    """

    name: str
    shape: Shape
    bits: int = 8
    signed: bool = False
    scale: float = 1.0
    zero_point: int = 0

    def __post_init__(self) -> None:
        check_name(self.name, "a tensor")
        object.__setattr__(self, "shape", tuple(index(size) for size in self.shape))
        for what in ("bits", "zero_point"):
            object.__setattr__(self, what, index(getattr(self, what)))
        if not isinstance(self.signed, bool | np.bool_):
            raise TypeError(f"Signed of tensor {self.name!r} must be a bool, not {self.signed!r}")
        if len(self.shape) != 3 or any(size < 1 for size in self.shape):
            raise NhotError(
                f"Shape of tensor {self.name!r} must be (height, width, channels), "
                f"each at least 1, not {self.shape}"
            )
        if self.size > MOST:
            raise NhotError(
                f"Shape of tensor {self.name!r} must have at most {MOST} elements, not {self.shape}"
            )
        if not 2 <= self.bits <= 16:
            raise NhotError(f"Bits of tensor {self.name!r} must be 2 to 16, not {self.bits}")
        if not _SMALLEST <= self.scale <= _LARGEST:
            raise NhotError(
                f"Scale of tensor {self.name!r} must be 2^-126 to 2^127, not {self.scale}"
            )
        object.__setattr__(self, "scale", float(self.scale))
        if not self.low <= self.zero_point <= self.high:
            raise NhotError(
                f"Zero point of tensor {self.name!r} must be {self.low} to {self.high}, "
                f"not {self.zero_point}"
            )

    @property
    def low(self) -> int:
        """The smallest integer an element may be."""
        return -(2 ** (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """The largest integer an element may be."""
        return (1 << (self.bits - self.signed)) - 1

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def check(self, values: Ints) -> None:
        """Refuse values (batch, height, width, channels) of another shape or out of range."""
        if values.shape[1:] != self.shape:
            raise NhotError(
                f"Tensor {self.name!r} must have shape (batch, {', '.join(map(str, self.shape))}), "
                f"not {values.shape}"
            )
        if not np.issubdtype(values.dtype, np.integer):
            raise NhotError(f"Tensor {self.name!r} must hold integers, not {values.dtype}")
        bad = (values < self.low) | (values > self.high)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise NhotError(
                f"Tensor {self.name!r} at index {where} must be {self.low} to {self.high}, "
                f"not {values[where]}"
            )

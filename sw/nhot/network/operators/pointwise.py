"""Layers that treat each position, or each element, by itself."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index

from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network.node import Node
from nhot.network.tensor import Shape, Tensor
from nhot.network.terms import check_terms, terms_table

__all__ = ["ArgMax", "Clamp", "RoundTerms"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Elementwise(Node):
    """Base of what changes each integer by itself, on the grid of its input."""

    def infer_shape(self, *inputs: Tensor) -> Shape:
        (x,) = inputs
        return x.shape

    def check(self, *inputs: Tensor) -> None:
        super().check(*inputs)
        (x,) = inputs
        self._check_same_type(x)


@dataclass(frozen=True, kw_only=True, eq=False)
class Clamp(Elementwise):
    """Limit to ``low`` to ``high``; the tensor's scale and zero point stay."""

    low: int
    high: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_range(self.low, self.high)


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


@dataclass(frozen=True, kw_only=True, eq=False)
class RoundTerms(Elementwise):
    """n-hot activations: ``x - zero_point`` to the nearest sum of at most ``n`` powers of two.

    Powers have signs, ties go towards zero, and the tensor's type stays: :func:`terms_table`.
    """

    n: int

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "n", index(self.n))
        try:
            check_terms(self.n)
        except NhotError as error:
            raise self.error(str(error)) from None

    @property
    def table(self) -> Ints:
        """What each integer becomes, from the tensor's lowest on."""
        return terms_table(self.output, self.n)

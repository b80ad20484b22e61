"""Layers that join tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nhot.errors import NhotError
from nhot.network.node import Node
from nhot.network.requant import Requant
from nhot.network.tensor import Shape, Tensor

__all__ = ["Add", "Concat"]


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
class Concat(Node):
    """``finish((x_i - zp_i) * M_i)`` of each input, one after the other along the channels.

    ``requant`` has one multiplier an input, and the output's zero point and clamp. An input with
    the output's scale keeps its integers with ``M_i = 2**SHIFT``.
    """

    requant: Requant

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_requant(self.requant, len(self.inputs))

    def _check_count(self) -> None:
        if len(self.inputs) < 2:
            raise self.error(f"it must read at least 2 tensors, not {len(self.inputs)}")

    def infer_shape(self, *inputs: Tensor) -> Shape:
        sizes = {tensor.shape[:2] for tensor in inputs}
        if len(sizes) > 1:
            shapes = ", ".join(f"{tensor.name!r} {tensor.shape}" for tensor in inputs)
            raise NhotError(f"Inputs must have one height and width, not {shapes}")
        return (*inputs[0].shape[:2], sum(tensor.shape[2] for tensor in inputs))

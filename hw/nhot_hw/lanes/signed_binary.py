"""Signed-binary: an activation or nothing."""

from typing import TYPE_CHECKING

from amaranth.hdl import Module, Mux, Value

from nhot_hw.lanes.lane import Lane
from nhot_hw.lanes.register import register

if TYPE_CHECKING:
    pass

__all__ = ["SignedBinaryLane"]


class SignedBinaryLane(Lane):
    """A gate for each input.

    The sign of a filter is in its requantisation. With regions the sign of a step is in the top bit
    of its weights, and the base inverts the sum of the step.
    """

    def product(self, m: Module, x: Value, field: Value, *, fuse: bool) -> Value:
        return register(m, Mux(field[0], x, 0), bits=self.spec.product_bits)

"""int-k: the multiplier that the other lanes are compared with."""

from typing import TYPE_CHECKING

from amaranth.hdl import Module, Value

from nhot_hw.lanes.lane import Lane
from nhot_hw.lanes.register import register

if TYPE_CHECKING:
    pass

__all__ = ["MultiplyLane"]


class MultiplyLane(Lane):
    """A multiplier for each input, in a DSP block or in LUTs as synthesis is told."""

    def product(self, m: Module, x: Value, field: Value, *, fuse: bool) -> Value:
        return register(m, x * field.as_signed(), bits=self.spec.product_bits)

"""n-hot, one term of a weight a cycle."""

from typing import TYPE_CHECKING

from amaranth.hdl import Const, Module, Value

from nhot_hw.lanes.ccu2c import Fused
from nhot_hw.lanes.lane import Lane
from nhot_hw.lanes.shifter import add_term

if TYPE_CHECKING:
    pass

__all__ = ["SerialLane"]


class SerialLane(Lane):
    """One shifter for each input, which ``i_phase`` leads through the n terms of its weight."""

    def product(self, m: Module, x: Value, field: Value, *, fuse: bool) -> Value | Fused:
        format = self.spec.format
        enable, term = Const(1), field.word_select(self.i_phase, format.term_bits)
        if format.n == 1:
            enable, term = field[-1], field[:format.term_bits]
        return add_term(
            m, x, term, enable=enable, max_shift=format.max_shift,
            bits=self.spec.accumulator_bits, fuse=fuse,
        )

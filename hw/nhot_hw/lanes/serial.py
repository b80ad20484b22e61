"""n-hot, one term of a weight a cycle."""

from typing import TYPE_CHECKING

from amaranth.hdl import Module, Mux, Value

from nhot_hw.lanes.lane import Lane, register
from nhot_hw.lanes.shifter import shifted_term

if TYPE_CHECKING:
    from nhot_hw.lanes.spec import LaneSpec

__all__ = ["SerialLane"]


class SerialLane(Lane):
    """One shifter for each input, which ``i_phase`` leads through the n terms of its weight."""

    @staticmethod
    def product_latency(spec: "LaneSpec") -> int:
        return 1

    def product(self, m: Module, x: Value, field: Value) -> Value:
        format = self.spec.format
        if format.n == 1:
            x, term = Mux(field[-1], x, 0), field[:format.term_bits]
        else:
            term = field.word_select(self.i_phase, format.term_bits)
        value = shifted_term(x, term, max_shift=format.max_shift)
        return register(m, value, bits=self.spec.accumulator_bits)

"""n-hot, all terms of a weight in one cycle."""

from functools import cache
from typing import TYPE_CHECKING

from amaranth.hdl import Module, Mux, Value

from nhot.formats import NHot
from nhot_hw.lanes.lane import Lane, add_tree, register
from nhot_hw.lanes.shifter import shifted_term

if TYPE_CHECKING:
    from nhot_hw.lanes.spec import LaneSpec

__all__ = ["ParallelLane"]


class ParallelLane(Lane):
    """n shifters for each input. Ternary is ``n == 1`` with no shift: a gate and an inverter."""

    @staticmethod
    def product_latency(spec: "LaneSpec") -> int:
        return 1 + (spec.format.n - 1).bit_length()

    def product(self, m: Module, x: Value, field: Value) -> Value:
        format, bits = self.spec.format, self.spec.product_bits
        terms = [
            shifted_term(x, field.word_select(i, format.term_bits), max_shift=shift)
            for i, shift in enumerate(max_shifts(format))
        ]
        if format.n == 1:
            # Becomes the synchronous reset of the register: a wide term has no LUT input left.
            terms = [Mux(field[-1], terms[0], 0)]
        return add_tree(m, [register(m, term, bits=bits) for term in terms], bits=bits)


@cache
def max_shifts(format: NHot) -> tuple[int, ...]:
    """The largest shift of each of the n terms of a field."""
    terms = [format.field_terms(int(level)) for level in format.levels]
    return tuple(
        max(of_level[i][1] for of_level in terms if of_level) for i in range(format.n)
    )

"""n-hot, all terms of a weight in one cycle."""

from functools import cache
from typing import TYPE_CHECKING

from amaranth.hdl import Const, Module, Value

from nhot.formats import NHot
from nhot_hw.lanes.ccu2c import Fused
from nhot_hw.lanes.lane import Lane
from nhot_hw.lanes.register import add_tree
from nhot_hw.lanes.shifter import add_term

if TYPE_CHECKING:
    pass

__all__ = ["ParallelLane"]


class ParallelLane(Lane):
    """n shifters for each input. Ternary is ``n == 1`` with no shift: a gate and an inverter."""

    def product(self, m: Module, x: Value, field: Value, *, fuse: bool) -> Value | Fused:
        format, bits = self.spec.format, self.spec.product_bits
        terms = [self.term(m, i, x, field, fuse=fuse) for i in range(format.n)]
        return terms[0] if format.n == 1 else add_tree(m, terms, bits=bits)

    def term(
        self, m: Module, index: int, x: Value, field: Value, *, fuse: bool
    ) -> Value | Fused:
        """Add the circuit of one term of a weight to ``m``. Takes one cycle."""
        format = self.spec.format
        return add_term(
            m, x, field.word_select(index, format.term_bits),
            enable=field[-1] if format.n == 1 else Const(1), max_shift=max_shifts(format)[index],
            bits=self.spec.product_bits, fuse=fuse,
        )


@cache
def max_shifts(format: NHot) -> tuple[int, ...]:
    """The largest shift of each of the n terms of a field."""
    terms = [format.field_terms(int(level)) for level in format.levels]
    return tuple(
        max(of_level[i][1] for of_level in terms if of_level) for i in range(format.n)
    )

"""Pooling and element-wise work: one result a channel instead of one a filter."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.contract.program import Operation

__all__ = ["WindowUnit"]


class WindowUnit(wiring.Component):
    """Reduce a window of activation words channel by channel.

    ``MAX`` and ``ARGMAX`` keep the largest, ``SUM`` adds, ``ADD`` keeps its two operands side by
    side (first in the low byte) for the requantisers. A result holds from the cycle after its last
    step until the first step of the next.

    Members
    -------
    i_operation : In(Operation)
    i_x : In(S signed bytes)
    i_en, i_first : In(1)
    o_result : Out(S signed accumulators)
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__({
            "i_operation": In(Operation),
            "i_x": In(data.ArrayLayout(signed(8), config.inputs)),
            "i_en": In(1),
            "i_first": In(1),
            "o_result": Out(data.ArrayLayout(signed(config.accumulator_bits), config.inputs)),
        })

    def elaborate(self, platform):
        m = Module()
        width = max(self.config.window_bits, 16)  # an addition keeps two bytes
        for i in range(self.config.inputs):
            held = Signal(signed(width), name=f"held_{i}", reset_less=True)
            x = self.i_x[i]
            with m.If(self.i_en):
                with m.If(self.i_first):
                    m.d.sync += held.eq(x)
                with m.Elif(self.i_operation == Operation.SUM):
                    m.d.sync += held.eq(held + x)
                with m.Elif(self.i_operation == Operation.ADD):
                    m.d.sync += held.eq(Cat(held[:8], x).as_signed())
                with m.Else():
                    m.d.sync += held.eq(Mux(x > held[:8].as_signed(), x, held))
            m.d.comb += self.o_result[i].eq(held)
        return m

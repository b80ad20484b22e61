"""The index of the largest channel."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.compiler.config import EngineConfig

__all__ = ["ArgMax"]


class ArgMax(wiring.Component):
    """Follow R bytes at a time and keep the index of the largest; the first of equals wins.

    Members
    -------
    i_valid, i_y : In(R signed bytes), channels in order
    i_row_end : with i_valid: these are the last channels of a position
    i_channels : channels of a position; bytes beyond them are ignored
    o_valid, o_index : Out, the cycle after i_row_end
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__({
            "i_valid": In(1),
            "i_y": In(data.ArrayLayout(signed(8), config.requantisers)),
            "i_row_end": In(1),
            "i_channels": In(16),
            "o_valid": Out(1),
            "o_index": Out(16),
        })

    def elaborate(self, platform):
        m = Module()
        first = Signal(16)  # channel of the first byte
        index, best = Signal(16), Signal(signed(9), init=-129)
        # -129 loses against any byte, so that a position needs no special first channel.
        running_index, running_best = index, best
        for i in range(self.config.requantisers):
            channel = Signal(16, name=f"channel_{i}")
            better = Signal(name=f"better_{i}")
            next_index = Signal(16, name=f"index_{i}")
            next_best = Signal(signed(9), name=f"best_{i}")
            m.d.comb += [
                channel.eq(first + i),
                better.eq((self.i_y[i] > running_best) & (channel < self.i_channels)),
                next_index.eq(Mux(better, channel, running_index)),
                next_best.eq(Mux(better, self.i_y[i], running_best)),
            ]
            running_index, running_best = next_index, next_best
        m.d.sync += self.o_valid.eq(self.i_valid & self.i_row_end)
        with m.If(self.i_valid):
            m.d.sync += [
                index.eq(running_index), best.eq(running_best),
                first.eq(first + self.config.requantisers),
            ]
            with m.If(self.i_row_end):
                m.d.sync += [first.eq(0), best.eq(-129), self.o_index.eq(running_index)]
        return m

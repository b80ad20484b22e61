"""What a register on a stream promises: items in order, none lost or invented."""

from amaranth.hdl import Assert, Cover, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, connect, flipped

from nhot_hw.formal.inside import Inside
from nhot_hw.formal.offered import offered_stays
from nhot_hw.stream_register import StreamRegister

__all__ = ["RegisterKeeps"]


class RegisterKeeps(wiring.Component):
    """It offers what it took last, once, from the next cycle on, and takes whenever it has nothing.

    Members
    -------
    i : In(stream.Signature(8))
    ready : In(1)
    """

    i: In(stream.Signature(8))
    ready: In(1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = StreamRegister(8)
        inside = Inside(m, dut, platform)
        connect(m, flipped(self.i), dut.i)
        m.d.comb += dut.o.ready.eq(self.ready)
        take, give = self.i.valid & dut.i.ready, dut.o.valid & self.ready
        held, last = Signal(2), Signal(8)
        m.d.sync += held.eq(held + take - give)
        with m.If(take):
            m.d.sync += last.eq(self.i.payload)
        m.d.comb += [
            Assert(dut.o.valid == (held == 1), "what was taken must be offered, nothing else"),
            Assert(dut.i.ready == (held == 0), "an item must be taken when there is room"),
            Assert(~dut.o.valid | (dut.o.payload == last), "an item must come out as it was"),
            Assert(inside["full"] == (held == 1), "it is full or empty"),
            Cover(give & (last == 0xA5), "an item"),
        ]
        offered_stays(m, dut.o)
        return m

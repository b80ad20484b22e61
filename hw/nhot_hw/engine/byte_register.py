"""A place for one byte on its way, which ends the paths on both sides of it."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["ByteRegister"]


class ByteRegister(wiring.Component):
    """A stream of bytes, at most one every two cycles: neither side sees the other's logic.

    It takes a byte while it has none, whatever its consumer does. A byte of a serial port takes
    ten times as many cycles, so a second place for one would be waste.

    Members
    -------
    i : In(stream.Signature(8))
    o : Out(stream.Signature(8))
    """

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        full = Signal()
        m.d.comb += [self.i.ready.eq(~full), self.o.valid.eq(full)]
        with m.If(~full):
            m.d.sync += [full.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        with m.Elif(self.o.ready):
            m.d.sync += full.eq(0)
        return m

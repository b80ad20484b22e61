"""A place for one item of a stream on its way, which ends the paths on both sides of it."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["StreamRegister"]


class StreamRegister(wiring.Component):
    """At most an item every two cycles: neither side sees the other's logic.

    It takes an item while it has none, whatever its consumer does. A byte of a serial port takes
    ten times as many cycles, so a second place would be waste.

    Parameters
    ----------
    shape : ShapeLike
        Of an item.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    """

    def __init__(self, shape):
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform):
        m = Module()
        full = Signal()
        m.d.comb += [self.i.ready.eq(~full), self.o.valid.eq(full)]
        with m.If(~full):
            m.d.sync += [full.eq(self.i.valid), self.o.payload.eq(self.i.payload)]
        with m.Elif(self.o.ready):
            m.d.sync += full.eq(0)
        return m

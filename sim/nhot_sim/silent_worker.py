"""A stand-in for an engine's top that works, and says nothing until it is done."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SILENCE", "Worker"]

SILENCE = 5_000_000  # cycles; far more than a board without a busy output goes on for by itself


class Worker(wiring.Component):
    """Works in silence after a falling edge of rx, then sends one byte 0xff.

    That is a start bit and then a high line, so that a start bit is all it has to make.
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)
    busy: Out(1)

    def __init__(self, cycles):
        self.cycles = cycles
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        left = Signal(range(self.cycles + 4))
        m.d.comb += self.busy.eq(left >= 4)
        with m.If(left):
            m.d.sync += [left.eq(left - 1), self.tx.eq(left > 4)]
        with m.Elif(~self.rx):
            m.d.sync += left.eq(self.cycles + 3)
        with m.Else():
            m.d.sync += self.tx.eq(1)
        return m

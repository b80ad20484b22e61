"""What ends a run before its END: a program that the engine cannot run, or that takes too long."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.program import LIMIT_CYCLES, Fault

__all__ = ["Guard"]


class Guard(wiring.Component):
    """Stop the engine at the first fault and keep its kind until the next run.

    Members
    -------
    i_start, i_limit : pulse, and with it the most cycles of the run in units of LIMIT_CYCLES
    i_busy, i_cycles : of the run
    i_illegal : the sequencer has a descriptor that must not be run
    i_beyond : an address beyond its memory was used
    o_fault : Out(Fault), of the run or of the last run
    o_stop : Out(1), the engine goes back to idle two cycles later
    """

    def __init__(self):
        super().__init__({
            "i_start": In(1),
            "i_limit": In(16),
            "i_busy": In(1),
            "i_cycles": In(32),
            "i_illegal": In(1),
            "i_beyond": In(1),
            "o_fault": Out(Fault),
            "o_stop": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        limit = Signal.like(self.i_limit)
        shift = (LIMIT_CYCLES - 1).bit_length()
        m.d.comb += self.o_stop.eq(self.i_busy & (self.o_fault != Fault.NONE))
        with m.If(self.i_start & ~self.i_busy):
            m.d.sync += [limit.eq(self.i_limit), self.o_fault.eq(Fault.NONE)]
        with m.Elif(self.i_busy & (self.o_fault == Fault.NONE)):
            with m.If(self.i_illegal):
                m.d.sync += self.o_fault.eq(Fault.PROGRAM)
            with m.Elif(self.i_beyond):
                m.d.sync += self.o_fault.eq(Fault.ADDRESS)
            with m.Elif(self.i_cycles[shift:] == limit):
                m.d.sync += self.o_fault.eq(Fault.CYCLES)
        return m

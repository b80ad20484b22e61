"""Registers on Wishbone B4, classic cycles."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot_hw.buses.words import ADDRESS_BITS, RegisterBus

__all__ = ["WishboneFront"]

PORTS = {
    "cyc": In(1), "stb": In(1), "we": In(1), "adr": In(ADDRESS_BITS), "dat_w": In(32),
    "sel": In(4), "dat_r": Out(32), "ack": Out(1), "err": Out(1),
}


class WishboneFront(wiring.Component):
    """A cycle of the bus is an access, answered from a register: three clock cycles where it does
    not wait.

    Members
    -------
    signals : those of the bus, as PORTS
    bus : Out(RegisterBus)
    """

    def __init__(self):
        super().__init__({"signals": Out(wiring.Signature(PORTS)), "bus": Out(RegisterBus)})

    def elaborate(self, platform):
        m = Module()
        wb, bus = self.signals, self.bus
        answered = Signal()
        m.d.comb += [
            answered.eq(wb.ack | wb.err),
            bus.valid.eq(wb.cyc & wb.stb & ~answered),
            bus.write.eq(wb.we),
            bus.address.eq(wb.adr),
            bus.data.eq(wb.dat_w),
            bus.whole.eq(wb.sel.all()),
        ]
        done = bus.valid & bus.ready
        m.d.sync += [
            wb.ack.eq(done & ~bus.error),
            wb.err.eq(done & bus.error),
            wb.dat_r.eq(bus.word),
        ]
        return m

"""Registers on AXI4-Lite."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot_hw.buses.words import ADDRESS_BITS, RegisterBus

__all__ = ["OKAY", "SLVERR", "AxiLiteFront"]

OKAY, SLVERR = 0, 2

PORTS = {
    "awaddr": In(ADDRESS_BITS), "awprot": In(3), "awvalid": In(1), "awready": Out(1),
    "wdata": In(32), "wstrb": In(4), "wvalid": In(1), "wready": Out(1),
    "bresp": Out(2), "bvalid": Out(1), "bready": In(1),
    "araddr": In(ADDRESS_BITS), "arprot": In(3), "arvalid": In(1), "arready": Out(1),
    "rdata": Out(32), "rresp": Out(2), "rvalid": Out(1), "rready": In(1),
}


class AxiLiteFront(wiring.Component):
    """A read and a write may be under way at once; they come to their turn alternately.

    Each of the three channels that ask has a register, and each of the two that answer.

    Members
    -------
    signals : those of the bus, as PORTS
    bus : Out(RegisterBus)
    """

    def __init__(self):
        super().__init__({"signals": Out(wiring.Signature(PORTS)), "bus": Out(RegisterBus)})

    def elaborate(self, platform):
        m = Module()
        axi, bus = self.signals, self.bus
        has_write_address, write_address = self._hold(m, "aw", axi.awaddr)
        has_data, data = self._hold(m, "w", axi.wdata)
        has_read, read_address = self._hold(m, "ar", axi.araddr)
        whole = Signal()
        waits = Signal()
        write_waits = Signal()
        with m.If(axi.wvalid & axi.wready):
            m.d.sync += whole.eq(axi.wstrb.all())

        can_write = has_write_address & has_data & ~axi.bvalid
        can_read = has_read & ~axi.rvalid
        m.d.comb += [
            bus.valid.eq(can_write | can_read),
            # What waits keeps the bus, whatever comes. Whose answer is there lets the other pass.
            bus.write.eq(Mux(waits, write_waits, can_write)),
            bus.address.eq(Mux(bus.write, write_address, read_address)),
            bus.data.eq(data),
            bus.whole.eq(whole),
        ]
        m.d.sync += [waits.eq(bus.valid & ~bus.ready), write_waits.eq(bus.write)]
        with m.If(axi.bvalid & axi.bready):
            m.d.sync += axi.bvalid.eq(0)
        with m.If(axi.rvalid & axi.rready):
            m.d.sync += axi.rvalid.eq(0)
        with m.If(bus.valid & bus.ready):
            response = Mux(bus.error, SLVERR, OKAY)
            with m.If(bus.write):
                m.d.sync += [
                    has_write_address.eq(0), has_data.eq(0),
                    axi.bvalid.eq(1), axi.bresp.eq(response),
                ]
            with m.Else():
                m.d.sync += [
                    has_read.eq(0), axi.rvalid.eq(1), axi.rresp.eq(response),
                    axi.rdata.eq(bus.word),
                ]
        return m

    def _hold(self, m, channel, payload):
        """A register of a channel that asks: whether it is full, and its payload."""
        valid, ready = (getattr(self.signals, f"{channel}{name}") for name in ("valid", "ready"))
        full = Signal(name=f"has_{channel}")
        kept = Signal(len(payload), name=f"kept_{channel}")
        m.d.comb += ready.eq(~full)
        with m.If(valid & ready):
            m.d.sync += [full.eq(1), kept.eq(payload)]
        return full, kept

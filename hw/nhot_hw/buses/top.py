"""A whole engine on a bus, with the names of ports that the bus has by convention."""

from typing import Literal

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from nhot.contract.config import EngineConfig
from nhot_hw.buses import axi, wishbone
from nhot_hw.buses.adapter import BusAdapter
from nhot_hw.engine.engine import Engine

__all__ = ["BUSES", "Bus", "EngineOnBus"]

Bus = Literal["axi", "wishbone"]

BUSES = {
    "axi": ("s_axi_", axi.PORTS, axi.AxiLiteFront),
    "wishbone": ("wb_", wishbone.PORTS, wishbone.WishboneFront),
}
"""How the ports of a bus begin, what they are, and what is behind them."""

_STREAMS = {
    "s_axis_tdata": In(32), "s_axis_tvalid": In(1), "s_axis_tready": Out(1),
    "m_axis_tdata": Out(32), "m_axis_tlast": Out(1), "m_axis_tvalid": Out(1),
    "m_axis_tready": In(1),
}


class EngineOnBus(wiring.Component):
    """An :class:`Engine`, its :class:`BusAdapter`, and the bus in front of it.

    Parameters
    ----------
    config : EngineConfig
    bus : {"axi", "wishbone"}
        AXI4-Lite with AXI4-Stream for input and output, or Wishbone B4 in classic cycles.
    buffer : int
        Words of the input buffer.

    Members
    -------
    irq : Out(1), with the ports of the bus
    """

    def __init__(self, config: EngineConfig, bus: Bus, *, buffer: int = 1):
        prefix, ports, front = BUSES[bus]
        self._streams = bus == "axi"
        self._adapter = BusAdapter(config, streams=self._streams, buffer=buffer)
        self._engine = Engine(config)
        self._front = front()
        self._ports = {f"{prefix}{name}": name for name in ports}
        super().__init__(
            {name: ports[short] for name, short in self._ports.items()}
            | (_STREAMS if self._streams else {}) | {"irq": Out(1)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.engine = engine = self._engine
        m.submodules.adapter = adapter = self._adapter
        m.submodules.front = front = self._front
        connect(m, adapter.engine, engine.host)
        connect(m, front.bus, adapter.bus)
        m.d.comb += self.irq.eq(adapter.irq)
        for name, short in self._ports.items():
            self._join(m, name, getattr(front.signals, short))
        if self._streams:
            for name, signal in (
                ("s_axis_tdata", adapter.i.payload), ("s_axis_tvalid", adapter.i.valid),
                ("s_axis_tready", adapter.i.ready), ("m_axis_tdata", adapter.o.p.bytes),
                ("m_axis_tlast", adapter.o.p.last), ("m_axis_tvalid", adapter.o.valid),
                ("m_axis_tready", adapter.o.ready),
            ):
                self._join(m, name, signal)
        return m

    def _join(self, m: Module, name: str, inner: object) -> None:
        """A port and what is behind it, whichever way it goes."""
        outer = getattr(self, name)
        is_input = self.signature.members[name].flow == In
        m.d.comb += inner.eq(outer) if is_input else outer.eq(inner)

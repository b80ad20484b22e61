"""A whole accelerator behind the two wires of a serial port."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect

from nhot.contract.config import EngineConfig
from nhot_hw.engine.engine import Engine
from nhot_hw.io.link import HostLink

__all__ = ["Top"]


class Top(wiring.Component):
    """An :class:`Engine` and the :class:`nhot_hw.io.HostLink` that a host drives it through.

    Parameters
    ----------
    config : EngineConfig
    clock_hz, baud : int
        Of the clock domain ``sync`` and of the serial port.

    Members
    -------
    rx, tx : serial port, idle high
    busy : a program runs
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)
    busy: Out(1)

    def __init__(self, config: EngineConfig, *, clock_hz: int, baud: int):
        self.config = config
        self._engine = Engine(config)
        self._link = HostLink(clock_hz=clock_hz, baud=baud, target_id=config.target_id)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.engine = engine = self._engine
        m.submodules.link = link = self._link
        connect(m, link.engine, engine.host)
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            self.busy.eq(engine.host.busy),
        ]
        return m

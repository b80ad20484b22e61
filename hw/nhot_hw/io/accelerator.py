"""A whole accelerator behind the two wires of a serial port."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nhot.contract.config import EngineConfig
from nhot.contract.contents import Contents
from nhot.device.flash_record import length_bits
from nhot_hw.engine.engine import Engine
from nhot_hw.io.boot import FlashBoot
from nhot_hw.io.flash import FlashPins
from nhot_hw.io.link import HostLink

__all__ = ["Top"]


class Top(wiring.Component):
    """An :class:`Engine` and the :class:`nhot_hw.io.HostLink` that a host drives it through.

    Parameters
    ----------
    config : EngineConfig
    clock_hz, baud : int
        Of the clock domain ``sync`` and of the serial port.
    flash_address : int, optional
        Of a record in a SPI flash, which the engine is loaded from when it is switched on.
    contents : Contents, optional
        What the engine's memories hold when it is switched on.

    Members
    -------
    rx, tx : serial port, idle high
    busy : a program runs
    flash : pins of the flash, if it has an address
    """

    def __init__(
        self, config: EngineConfig, *, clock_hz: int, baud: int, flash_address: int | None = None,
        contents: Contents | None = None,
    ):
        self.config = config
        self._engine = Engine(config, contents)
        self._boot = None
        if flash_address is not None:
            self._boot = FlashBoot(
                target_id=config.target_id, clock_hz=clock_hz, address=flash_address,
                length_bits=length_bits(config),
            )
        self._link = HostLink(
            clock_hz=clock_hz, baud=baud, target_id=config.target_id, boot=self._boot
        )
        super().__init__({
            "rx": In(1, init=1), "tx": Out(1, init=1), "busy": Out(1),
            **({} if self._boot is None else {"flash": Out(FlashPins)}),
        })

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
        if self._boot is not None:
            connect(m, link.flash, flipped(self.flash))
        return m

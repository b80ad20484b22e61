"""The outermost level of a design: an engine, its clock, its serial port and its flash."""

from amaranth.hdl import Elaboratable, Module
from amaranth.lib import io, wiring

from nhot.compiler.targets import Target
from nhot_hw.boards.flash import connect_flash

__all__ = ["BoardTop"]


class BoardTop(Elaboratable):
    """Puts ``engine`` on the board of ``target``: pins of the serial port, clock and reset.

    Parameters
    ----------
    target : Target
    engine : wiring.Component
        With the ports ``rx`` and ``tx``, in the domain ``sync`` that runs at ``target.clock_hz``.
        ``rx`` comes straight from the pin. With ``target.boot`` it also has the port ``flash``.
    """

    def __init__(self, target: Target, engine: wiring.Component):
        self.target = target
        self.engine = engine

    def elaborate(self, platform):
        m = Module()
        m.submodules.engine = self.engine
        platform.add_clock(m, self.target.clock_hz)
        pins = platform.request("uart", dir=dict.fromkeys(platform.uart_lines, "-"))
        m.submodules.rx = rx = io.Buffer("i", pins.rx)
        m.submodules.tx = tx = io.Buffer("o", pins.tx)
        m.d.comb += [self.engine.rx.eq(rx.i), tx.o.eq(self.engine.tx)]
        if self.target.boot:
            connect_flash(m, platform, self.engine.flash)
        return m

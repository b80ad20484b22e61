"""1BitSquared iCEBreaker: iCE40 UP5K, 12 MHz, serial port through the FTDI chip."""

from amaranth.hdl import ClockDomain, Module
from amaranth_boards.icebreaker import ICEBreakerPlatform

from nhot_hw.boards.clocks import Ice40Pll

__all__ = ["ICEBreaker"]


class ICEBreaker(ICEBreakerPlatform):
    """The board with the open tools."""

    family = "ice40"
    uart_lines = ("rx", "tx")

    def __init__(self) -> None:
        super().__init__(toolchain="IceStorm")

    def add_clock(self, m: Module, clock_hz: int) -> None:
        """Make ``sync`` run at ``clock_hz``: the oscillator itself, or through the PLL."""
        input_hz = int(self.default_clk_frequency)
        if clock_hz != input_hz:
            m.domains.sync = ClockDomain()
            pad = self.request(self.default_clk, dir="-").io
            m.submodules.clock = Ice40Pll(pad, input_hz=input_hz, output_hz=clock_hz)

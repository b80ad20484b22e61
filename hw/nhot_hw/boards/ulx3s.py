"""Radiona ULX3S with the 85F: ECP5, 25 MHz, serial port through the FTDI chip."""

from amaranth.hdl import ClockDomain, Module
from amaranth.lib import io
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from nhot_hw.boards.clocks import Ecp5Pll

__all__ = ["ULX3S"]


class ULX3S(ULX3S_85F_Platform):
    """The board with the open tools."""

    family = "ecp5"
    uart_lines = ("rx", "tx", "rts", "dtr")

    def __init__(self) -> None:
        super().__init__(toolchain="Trellis")

    def add_clock(self, m: Module, clock_hz: int) -> None:
        """Make ``sync`` run at ``clock_hz``: the oscillator itself, or through a PLL."""
        input_hz = int(self.default_clk_frequency)
        if clock_hz != input_hz:
            m.domains.sync = ClockDomain()
            m.submodules.oscillator = pin = io.Buffer("i", self.request(self.default_clk, dir="-"))
            m.submodules.clock = Ecp5Pll(pin.i, input_hz=input_hz, output_hz=clock_hz)

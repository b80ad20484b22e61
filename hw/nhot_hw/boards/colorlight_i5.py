"""MuseLab's extension board with a Colorlight i5: ECP5, 25 MHz, serial port through its CMSIS-DAP.

Pins as https://github.com/wuxx/Colorlight-FPGA-Projects and litex-boards have them.
"""

from typing import ClassVar

from amaranth.build import Attrs, Clock, Pins, PinsN, Resource, Subsignal
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.resources import UARTResource

from nhot_hw.families.ecp5 import Ecp5Board

__all__ = ["PLATFORMS", "ColorlightI5"]

_3V3 = Attrs(IO_TYPE="LVCMOS33")


class ColorlightI5(Ecp5Board, LatticeECP5Platform):
    """Revision 7.0 of the module: what of it an engine needs."""

    device = "LFE5U-25F"
    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    resources: ClassVar = [
        Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), _3V3),
        UARTResource(0, rx="H18", tx="J17", attrs=_3V3),
        # The clock of the flash is that of the configuration, and has no pin.
        Resource("spi_flash", 0,
            Subsignal("cs", PinsN("R2", dir="o")),
            Subsignal("copi", Pins("W2", dir="o")),
            Subsignal("cipo", Pins("V2", dir="i")),
            _3V3),
    ]
    connectors: ClassVar = []


PLATFORMS = {"colorlight-i5": ColorlightI5}

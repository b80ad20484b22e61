"""Sipeed Tang Nano 20K: Gowin GW2AR-18, 27 MHz, serial port through the BL616.

Pins as https://wiki.sipeed.com/hardware/en/tang/tang-nano-20k/nano-20k.html and litex-boards have
them.
"""

from typing import ClassVar

from amaranth.build import Attrs, Clock, Pins, Resource
from amaranth.vendor import GowinPlatform
from amaranth_boards.resources import SPIFlashResources, UARTResource

from nhot_hw.families.gowin import GowinBoard

__all__ = ["PLATFORMS"]

_3V3 = Attrs(IO_TYPE="LVCMOS33")


class TangNano20K(GowinBoard, GowinPlatform):
    """What of the board an engine needs."""

    part = "GW2AR-LV18QN88C8/I7"
    family = "GW2AR-18C"
    database = "GW2A-18C"
    default_clk = "clk27"
    resources: ClassVar = [
        Resource("clk27", 0, Pins("4", dir="i"), Clock(27e6), _3V3),
        UARTResource(0, rx="70", tx="69", attrs=_3V3),
        *SPIFlashResources(0, cs_n="60", clk="59", copi="61", cipo="62", attrs=_3V3),
    ]
    connectors: ClassVar = []

    def toolchain_prepare(self, fragment, name, **kwargs):
        """The pins of the flash are the design's, once it runs."""
        return super().toolchain_prepare(
            fragment, name, gowin_pack_opts="--sspi_as_gpio --mspi_as_gpio", **kwargs
        )


PLATFORMS = {"tangnano20k": TangNano20K}

"""OrangeCrab: ECP5, 48 MHz, serial port on the pins of the header that Feathers have it on."""

from typing import ClassVar

from amaranth.build import Attrs
from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform
from amaranth_boards.resources import UARTResource

from nhot_hw.families.ecp5 import Ecp5Board

__all__ = ["PLATFORMS"]


class OrangeCrab(Ecp5Board, OrangeCrabR0_2_25FPlatform):
    """The board as ``amaranth-boards`` describes it, with a serial port."""

    resources: ClassVar = [
        *OrangeCrabR0_2_25FPlatform.resources,
        UARTResource(0, rx="0", tx="1", conn=("io", 0), attrs=Attrs(IO_TYPE="LVCMOS33")),
    ]

    @property
    def required_tools(self) -> list[str]:
        """Without what makes a file for DFU of the bitstream."""
        return [tool for tool in super().required_tools if tool != "dfu-suffix"]

    @property
    def command_templates(self) -> list[str]:
        return super().command_templates[:3]


PLATFORMS = {"orangecrab": OrangeCrab}

"""Radiona ULX3S: ECP5, 25 MHz, serial port through the FTDI chip."""

from amaranth_boards.ulx3s import (
    ULX3S_25F_Platform,
    ULX3S_45F_Platform,
    ULX3S_85F_Platform,
)

from nhot_hw.families.ecp5 import Ecp5Board

__all__ = ["PLATFORMS"]


class ULX3S(Ecp5Board):
    """The board as ``amaranth-boards`` describes it."""

    uart_lines = ("rx", "tx", "rts", "dtr")


class ULX3S25F(ULX3S, ULX3S_25F_Platform):
    """With the smallest FPGA that engines are made for."""


class ULX3S45F(ULX3S, ULX3S_45F_Platform):
    """With the one in the middle."""


class ULX3S85F(ULX3S, ULX3S_85F_Platform):
    """With the largest."""


PLATFORMS = {"ulx3s-25f": ULX3S25F, "ulx3s-45f": ULX3S45F, "ulx3s-85f": ULX3S85F}

"""Icepi Zero: ECP5, 50 MHz, serial port through the FTDI chip."""

from amaranth_boards.icepi_zero import IcepiZero1_3Platform

from nhot_hw.families.ecp5 import Ecp5Board

__all__ = ["PLATFORMS"]


class IcepiZero(Ecp5Board, IcepiZero1_3Platform):
    """The board as ``amaranth-boards`` describes it."""

    uart_lines = ("rx", "tx", "rts", "dtr")


PLATFORMS = {"icepi-zero": IcepiZero}

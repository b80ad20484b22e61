"""Digilent Arty A7: Artix-7, 100 MHz, serial port through the FTDI chip."""

from amaranth_boards.arty_a7 import ArtyA7_35Platform

from nhot_hw.families.series7 import Series7Board

__all__ = ["PLATFORMS"]


class ArtyA7(Series7Board, ArtyA7_35Platform):
    """The board as ``amaranth-boards`` describes it, with the smaller FPGA."""


PLATFORMS = {"arty-a7-35t": ArtyA7}

"""LambdaConcept ECPIX-5: ECP5, 100 MHz, serial port through the FTDI chip."""

from amaranth_boards.ecpix5 import ECPIX545Platform

from nhot_hw.families.ecp5 import Ecp5Board

__all__ = ["PLATFORMS"]


class ECPIX5(Ecp5Board, ECPIX545Platform):
    """The board as ``amaranth-boards`` describes it."""


PLATFORMS = {"ecpix-5": ECPIX5}

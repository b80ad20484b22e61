"""MuseLab iCESugar: iCE40 UP5K, 12 MHz, serial port through iCELink."""

from amaranth_boards.icesugar import ICESugarPlatform

from nhot_hw.families.ice40 import Ice40Board

__all__ = ["PLATFORMS"]


class ICESugar(Ice40Board, ICESugarPlatform):
    """The board as ``amaranth-boards`` describes it."""


PLATFORMS = {"icesugar": ICESugar}

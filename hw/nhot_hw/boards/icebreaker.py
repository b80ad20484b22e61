"""1BitSquared iCEBreaker: iCE40 UP5K, 12 MHz, serial port through the FTDI chip."""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from nhot_hw.families.ice40 import Ice40Board

__all__ = ["PLATFORMS"]


class ICEBreaker(Ice40Board, ICEBreakerPlatform):
    """The board as ``amaranth-boards`` describes it."""


PLATFORMS = {"icebreaker": ICEBreaker}

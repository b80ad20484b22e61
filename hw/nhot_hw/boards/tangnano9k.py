"""Sipeed Tang Nano 9K: Gowin GW1NR-9, 27 MHz, serial port through the BL702."""

from amaranth_boards.tang_nano_9k import TangNano9kPlatform

from nhot_hw.families.gowin import GowinBoard

__all__ = ["PLATFORMS"]


class TangNano9K(GowinBoard, TangNano9kPlatform):
    """The board as ``amaranth-boards`` describes it."""

    database = "GW1N-9C"


PLATFORMS = {"tangnano9k": TangNano9K}

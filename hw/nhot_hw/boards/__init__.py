"""The boards: pins, clocks, and the top that puts an engine on one."""

from amaranth.build import Platform

from nhot.compiler.targets import board
from nhot_hw.boards.top import BoardTop

__all__ = ["BoardTop", "make_platform"]


def make_platform(name: str) -> Platform:
    """A fresh platform of the board called ``name``; each can be built once."""
    board(name)
    if name == "icebreaker":
        from nhot_hw.boards.icebreaker import ICEBreaker

        return ICEBreaker()
    from nhot_hw.boards.ulx3s import ULX3S

    return ULX3S()

"""The boards: pins and clocks, a file each, and the top that puts an engine on one.

A file has ``PLATFORMS``, the class of each of its boards by name, and is called like the board's in
``nhot.boards``.
"""

from importlib import import_module

from amaranth.build import Platform

from nhot.boards import MODULES
from nhot.compiler.targets import board
from nhot_hw.boards.top import BoardTop

__all__ = ["BoardTop", "make_platform"]


def make_platform(name: str) -> Platform:
    """A fresh platform of the board called ``name``; each can be built once."""
    file = MODULES[board(name).name]
    return import_module(f"{__name__}.{file}").PLATFORMS[name]()

"""What a board is: an FPGA, an oscillator, a flash, and the engines that are known to fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nhot.contract.config import EngineConfig

__all__ = ["VENDOR_TOOLS", "Board", "Family", "Flash", "Fpga"]

Family = Literal["ecp5", "gowin", "ice40", "series7"]
"""Families of FPGAs that there is a build flow for, or a project for their maker's tool."""

VENDOR_TOOLS: dict[Family, str] = {"series7": "Vivado"}
"""Their maker's tool, of the families that nhot writes a project for and builds nothing."""


@dataclass(frozen=True, kw_only=True)
class Fpga:
    """What an FPGA has.

    Parameters
    ----------
    name : str
        Its proper name.
    family : {"ecp5", "gowin", "ice40", "series7"}
    luts : int
        LUTs with four inputs (ECP5, Gowin) or six (7 series), or logic cells (iCE40).
    block_memories, dsps : int
        Block memories, and multipliers. Of a 7 series, memories of 36 Kbit.
    """

    name: str
    family: Family
    luts: int
    block_memories: int
    dsps: int


@dataclass(frozen=True, kw_only=True)
class Flash:
    """The SPI flash that a board starts from; its pins are those of the board's platform.

    Parameters
    ----------
    size : int
        Bytes, of the smallest flash that the board is sold with.
    offset : int
        Address from which on no bitstream of the FPGA lies, on a block of 64 KiB.
    second : bool
        The FPGA has one of its own, which openFPGALoader means unless it is told.
    """

    size: int
    offset: int
    second: bool = False


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board and the engines that are known to fit it.

    Parameters
    ----------
    name : str
        What users type.
    title : str
        The board's proper name.
    fpga : Fpga
    input_hz : int
        Frequency of the oscillator on the board.
    loader : str
        What openFPGALoader calls the board (``-b``); empty where it does not know it.
    flash : Flash
    configurations : dict
        The clock of the engine in Hz and its sizes, by name; the first one is the default.
    remark : str
        What else one has to know to use it.
    """

    name: str
    title: str
    fpga: Fpga
    input_hz: int
    loader: str
    flash: Flash
    configurations: dict[str, tuple[int, EngineConfig]]
    remark: str = ""

    @property
    def family(self) -> Family:
        """Of the FPGA."""
        return self.fpga.family

    @property
    def vendor_tool(self) -> str:
        """The tool that builds for the board, where it is its maker's, and so nothing of its
        engines is measured; else empty."""
        return VENDOR_TOOLS.get(self.family, "")

    @property
    def default(self) -> str:
        """The configuration that is meant when none is named."""
        return next(iter(self.configurations))

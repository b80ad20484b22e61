"""What the build flow has to know of a family of FPGAs."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nhot.errors import NhotError

__all__ = ["Blocks", "Family", "OpenFamily", "out_of_reach"]


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """How the text that a bitstream is unpacked to has the contents of block memories.

    Parameters
    ----------
    unpack : str
        The program.
    begin : str
        How the line before the contents of a block begins; behind it come hexadecimal numbers.
    number_bits : int
        Bits of each; bit 0 of the first is bit 0 of the block.
    columns : tuple of (columns, rows) int
        For each width that a block can have, the bits that are one bit of words in a row.
    strides : tuple of int
        Of which words these may be: all, every second, ...
    """

    unpack: str
    begin: str
    number_bits: int
    columns: tuple[np.ndarray, ...]
    strides: tuple[int, ...] = (1,)

    @property
    def rows(self) -> int:
        """Words of a column."""
        return self.columns[0].shape[1]


@dataclass(frozen=True, kw_only=True)
class Family:
    """What any tool has to know of a family.

    Parameters
    ----------
    constraints : str
        Suffix of the file that has them.
    find_dividers : callable
        Settings of the PLL, by the frequencies before and behind it in Hz; :class:`NhotError` where
        it cannot make the second exactly.
    """

    constraints: str
    find_dividers: Callable[[int, int], object]


@dataclass(frozen=True, kw_only=True)
class OpenFamily(Family):
    """How designs for a family are built by open tools, and what these call things.

    Parameters
    ----------
    bitstream : str
        Suffix of its file.
    synthesis_options, place_options : tuple of str
        Of Yosys' ``synth_*``, and of nextpnr.
    synthesis_settings : tuple of str
        Commands of Yosys before it.
    frequency_option : str
        nextpnr's option for the clock of the engine in MHz, where that cannot be a constraint.
    routed : str
        nextpnr's option for the file that it writes.
    leftovers : tuple of str
        Suffixes of files that are large and quickly made again.
    resources : dict
        What nextpnr calls the cells of a kind, by what users call them. Those after the first take
        the place of one of these each.
    cells : dict
        What Yosys' names of such cells begin with, and how many of them each is.
    flip_flops : str
        Yosys' names of flip-flops begin so, where nextpnr counts none by themselves.
    headroom : float
        How many times as fast as the clock of a PLL nextpnr is to make the engine.
    blocks : Blocks, optional
        Where the contents of block memories lie, if they can be given to a bitstream later.
    """

    bitstream: str
    synthesis_options: tuple[str, ...] = ()
    place_options: tuple[str, ...] = ()
    synthesis_settings: tuple[str, ...] = ()
    frequency_option: str = ""
    routed: str
    leftovers: tuple[str, ...]
    resources: dict[str, tuple[str, ...]]
    cells: dict[str, dict[str, int]]
    flip_flops: str = ""
    headroom: float = 1
    blocks: Blocks | None = None


def out_of_reach(what: str, input_hz: int, output_hz: int) -> NhotError:
    """The error of a PLL that cannot make a frequency."""
    return NhotError(
        f"{what} PLL must make the engine's clock from {input_hz / 1e6:g} MHz exactly, "
        f"which it cannot for {output_hz / 1e6:g} MHz"
    )

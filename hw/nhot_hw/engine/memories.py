"""The engine's memories of words: program, requantisation records, weights, timing."""

from collections.abc import Sequence
from itertools import islice

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory, MemoryData
from amaranth.lib.wiring import In, Out

from nhot.contract.memories import parts
from nhot.errors import NhotError
from nhot_hw.delay import delayed
from nhot_hw.engine.host import WordAddress

__all__ = ["WordMemory"]


_WIDE = 256
"""Bits from which on a word lies in so many blocks that their enable takes most of a cycle."""


def _within(address, first: int, end: int):
    """Whether an address is one of a part; from the first part on, nothing is below."""
    return (address < end) & (address >= first) if first else address < end


class WordMemory(wiring.Component):
    """One write port, one read port with a cycle of latency.

    A few words more than whole blocks have are a memory apart, which synthesis makes of LUTs: a
    wide memory of 1,040 words takes the blocks of 1,024.

    Parameters
    ----------
    width, depth : int
    init : sequence of int, optional
        Its first words at power-up. It then lies in blocks, whatever its size: LUTs and flip-flops
        have no contents that a bitstream could be given later.

    Members
    -------
    i_write, i_write_address, i_write_data : a write; beyond the depth it does nothing. A wide
        memory does it a cycle later, and the data must stay for that long
    i_address : read address
    o_word : the word of the cycle before

    Attributes
    ----------
    contents : list of MemoryData, one part behind the other
    """

    def __init__(self, *, width: int, depth: int, init: Sequence[int] | None = None):
        self._attributes = {} if init is None else {"ram_style": "block"}
        words = iter(init or ())
        self.contents = [
            MemoryData(shape=unsigned(width), depth=part, init=list(islice(words, part)))
            for part in parts(depth)
        ]
        if next(words, None) is not None:
            raise NhotError(f"Contents of a memory must be at most {depth} words, not {len(init)}")
        super().__init__({
            "i_write": In(1),
            "i_write_address": In(WordAddress),
            "i_write_data": In(width),
            "i_address": In(WordAddress),
            "o_word": Out(width),
        })

    def row(self, address: int):
        """The word at ``address``, for simulations that look inside."""
        for contents in self.contents:
            if address < contents.depth:
                break
            address -= contents.depth
        return contents[address]

    def elaborate(self, platform):
        m = Module()
        first = 0
        words = []
        for i, contents in enumerate(self.contents):
            memory = m.submodules[f"part_{i}"] = Memory(contents, attrs=self._attributes)
            write, read = memory.write_port(), memory.read_port()
            end = first + contents.depth
            mine, asked = (
                _within(address, first, end) for address in (self.i_write_address, self.i_address)
            )
            place = self.i_write_address - first
            cycles = int(len(self.o_word) > _WIDE)
            m.d.comb += [
                write.en.eq(delayed(m, self.i_write & mine, cycles)),
                write.addr.eq(delayed(m, place[: len(write.addr)], cycles)),
                write.data.eq(self.i_write_data),
                read.en.eq(1),
                read.addr.eq(self.i_address - first),
            ]
            words.append((asked, read.data))
            first = end
        m.d.comb += self.o_word.eq(words[0][1])
        for asked, word in words[1:]:
            late = Signal()
            m.d.sync += late.eq(asked)
            with m.If(late):
                m.d.comb += self.o_word.eq(word)
        return m

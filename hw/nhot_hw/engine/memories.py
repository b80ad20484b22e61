"""The engine's memories of words: program, requantisation records, weights, timing."""

from collections.abc import Sequence
from itertools import islice

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory, MemoryData
from amaranth.lib.wiring import In, Out

from nhot.contract.memories import parts
from nhot.errors import NhotError
from nhot_hw.delay import delayed
from nhot_hw.engine.host import WordAddress

__all__ = ["WordMemory"]


_WIDE = 256
"""Bits from which on a word lies in so many blocks that their enable takes most of a cycle.

So does an address that comes from a register, and which part of a memory it was in: each half of
a word has a register of its own.
"""


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
    waits : int
        Cycles that an address to read waits in registers.

    Members
    -------
    i_write, i_write_address, i_write_data : a write; beyond the depth it does nothing. A wide
        memory does it a cycle later, and the data must stay for that long
    i_address : read address
    o_word : the word of ``1 + waits`` cycles before

    Attributes
    ----------
    contents : list of lists of MemoryData, one part behind the other, and of each the slices of its
        words, low bits first
    """

    def __init__(
        self, *, width: int, depth: int, init: Sequence[int] | None = None, waits: int = 0
    ):
        if init is not None and len(init) > depth:
            raise NhotError(f"Contents of a memory must be at most {depth} words, not {len(init)}")
        self._attributes = {} if init is None else {"ram_style": "block"}
        self._waits = waits
        self._slices = _slices(width, waits > 0)
        words = iter(init or ())
        self.contents = [
            self._part(list(islice(words, part)), part) for part in parts(depth)
        ]
        super().__init__({
            "i_write": In(1),
            "i_write_address": In(WordAddress),
            "i_write_data": In(width),
            "i_address": In(WordAddress),
            "o_word": Out(width),
        })

    def _part(self, words: Sequence[int], depth: int) -> list[MemoryData]:
        """Some words that follow each other, in their slices."""
        slices = []
        for bits in self._slices:
            width = bits.stop - bits.start
            init = [word >> bits.start & ((1 << width) - 1) for word in words]
            slices.append(MemoryData(shape=unsigned(width), depth=depth, init=init))
        return slices

    def row(self, address: int):
        """The word at ``address``, for simulations that look inside."""
        for contents in self.contents:
            if address < contents[0].depth:
                break
            address -= contents[0].depth
        return Cat(part[address] for part in contents)

    def elaborate(self, platform):
        m = Module()
        addresses = self._addresses(m)
        first = 0
        for i, part in enumerate(self.contents):
            end = first + part[0].depth
            mine = _within(self.i_write_address, first, end)
            place = self.i_write_address - first
            cycles = int(len(self.o_word) > _WIDE)
            enable = delayed(m, self.i_write & mine, cycles)
            for j, (contents, bits) in enumerate(zip(part, self._slices, strict=True)):
                name = f"part_{i}_{j}" if j else f"part_{i}"
                memory = m.submodules[name] = Memory(contents, attrs=self._attributes)
                write, read = memory.write_port(), memory.read_port()
                m.d.comb += [
                    write.en.eq(enable),
                    write.addr.eq(delayed(m, place[: len(write.addr)], cycles)),
                    write.data.eq(self.i_write_data[bits]),
                    read.en.eq(1),
                    read.addr.eq(addresses[j] - first),
                ]
                self._give(m, self.o_word[bits], read.data, addresses[j], first, end)
            first = end
        return m

    def _addresses(self, m):
        """What is read of each slice."""
        if not self._waits:
            return [self.i_address]
        before = delayed(m, self.i_address, self._waits - 1)
        addresses = [
            # They begin differently, for synthesis makes one of registers that are always equal.
            Signal(WordAddress, name=f"address_{j}", init=-j, reset_less=True)
            for j in range(len(self._slices))
        ]
        m.d.sync += [address.eq(before) for address in addresses]
        return addresses

    def _give(self, m, output, word, address, first, end):
        """A part's word, if the address was in it; the first part's in all other cases."""
        if not first:
            m.d.comb += output.eq(word)
            return
        for j, bits in enumerate(_slices(len(word), True)):
            late = Signal(name=f"late_{j}" if j else "late", init=j)  # see _addresses
            m.d.sync += late.eq(_within(address, first, end))
            with m.If(late):
                m.d.comb += output[bits].eq(word[bits])


def _within(address, first: int, end: int):
    """Whether an address is one of a part; from the first part on, nothing is below."""
    return (address < end) & (address >= first) if first else address < end


def _slices(width: int, apart: bool) -> list[slice]:
    """The bits of a word that have a register of their own, if they may."""
    middle = width // 2
    wide = apart and width > _WIDE
    return [slice(0, middle), slice(middle, width)] if wide else [slice(0, width)]

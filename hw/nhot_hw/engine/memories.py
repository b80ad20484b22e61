"""The engine's memories: program, requantisation records, weights, activations, timing."""

from amaranth.hdl import Module, Mux, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory, MemoryData
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.contract.program import DESCRIPTOR_WORDS

__all__ = ["ActivationMemory", "WordMemory", "timing_words"]


def timing_words(config: EngineConfig) -> int:
    """Depth of the timing memory: two words for each descriptor the program can hold."""
    return 2 * (config.program_words // DESCRIPTOR_WORDS)


class WordMemory(wiring.Component):
    """One write port, one read port with a cycle of latency.

    Members
    -------
    i_write, i_write_address, i_write_data : a write; beyond the depth it does nothing
    i_address : read address
    o_word : the word of the cycle before

    Attributes
    ----------
    contents : MemoryData, for simulations that look inside
    """

    def __init__(self, *, width: int, depth: int):
        self.contents = MemoryData(shape=unsigned(width), depth=depth, init=[])
        super().__init__({
            "i_write": In(1),
            "i_write_address": In(16),
            "i_write_data": In(width),
            "i_address": In(16),
            "o_word": Out(width),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = Memory(self.contents)
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(self.i_write & (self.i_write_address < self.contents.depth)),
            write.addr.eq(self.i_write_address),
            write.data.eq(self.i_write_data),
            read.en.eq(1),
            read.addr.eq(self.i_address),
            self.o_word.eq(read.data),
        ]
        return m


class ActivationMemory(wiring.Component):
    """T copies of the activations, so that T pixels can be read at any stride without conflict.

    Members
    -------
    i_write, i_write_address, i_write_data : In, S bytes with a write enable each
    i_address : In(T addresses)
    o_words : Out(T words of S bytes), a cycle later

    Attributes
    ----------
    contents : list of MemoryData, the T copies, for simulations that look inside
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        self.contents = [
            MemoryData(shape=unsigned(8 * config.inputs), depth=config.activation_words, init=[])
            for _ in range(config.pixels)
        ]
        super().__init__({
            "i_write": In(config.inputs),
            "i_write_address": In(16),
            "i_write_data": In(8 * config.inputs),
            "i_address": In(data.ArrayLayout(unsigned(16), config.pixels)),
            "o_words": Out(data.ArrayLayout(unsigned(8 * config.inputs), config.pixels)),
        })

    def elaborate(self, platform):
        m = Module()
        in_range = self.i_write_address < self.config.activation_words
        for t, contents in enumerate(self.contents):
            memory = m.submodules[f"copy_{t}"] = Memory(contents)
            write, read = memory.write_port(granularity=8), memory.read_port()
            m.d.comb += [
                write.en.eq(Mux(in_range, self.i_write, 0)),
                write.addr.eq(self.i_write_address),
                write.data.eq(self.i_write_data),
                read.en.eq(1),
                read.addr.eq(self.i_address[t]),
                self.o_words[t].eq(read.data),
            ]
        return m

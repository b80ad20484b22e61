"""The memories of an engine without the engine."""

from functools import reduce
from operator import xor

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot.compiler import EngineConfig
from nhot.contract.contents import Contents
from nhot.contract.memories import filled_memories
from nhot_hw.engine.memories import WordMemory

__all__ = ["Memories"]


class Memories(wiring.Component):
    """The memories that an image fills, and next to nothing else."""

    rx: In(1, init=1)
    tx: Out(1, init=1)

    def __init__(self, config: EngineConfig, contents: Contents):
        self.memories = {
            name: WordMemory(width=width, depth=depth, init=getattr(contents, name))
            for name, (width, depth) in filled_memories(config).items()
        }
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        count = Signal(80)
        m.d.sync += count.eq(Cat(self.rx, count))
        words = []
        for name, memory in self.memories.items():
            m.submodules[name] = memory
            m.d.comb += [
                memory.i_write.eq(count[-1]), memory.i_address.eq(count[:16]),
                memory.i_write_address.eq(count[16:32]), memory.i_write_data.eq(count[32:]),
            ]
            words.append(memory.o_word.xor())
        m.d.sync += self.tx.eq(reduce(xor, words))
        return m

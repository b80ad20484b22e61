"""Memories with a single port, as the large ones of small FPGAs are."""

from amaranth.hdl import Array, Cat, ClockSignal, Instance, Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory, MemoryData
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot_hw.delay import delayed
from nhot_hw.engine.host import WordAddress
from nhot_hw.lanes.ccu2c import is_ice40

__all__ = ["SinglePortActivations", "SinglePortMemory", "SinglePortWeights"]

_SPRAM_BITS = 16
_SPRAM_WORDS = 16384


class SinglePortMemory(wiring.Component):
    """Words of whole bytes; in a cycle one is read, or bytes of one are written.

    On an iCE40 it is made of SB_SPRAM256KA, each 16 bits of 16,384 words (UltraPlus only), whose
    contents are anything at first.

    Members
    -------
    i_address : of the word
    i_write, i_data : the bytes that are written, a bit each, and the word
    o_data : the word that was read in the cycle before; anything after a write

    Attributes
    ----------
    contents : MemoryData, for simulations that look inside
    """

    def __init__(self, *, width: int, depth: int):
        self.contents = MemoryData(shape=unsigned(width), depth=depth, init=[])
        super().__init__({
            "i_address": In(range(depth)),
            "i_write": In(width // 8),
            "i_data": In(width),
            "o_data": Out(width),
        })

    def elaborate(self, platform):
        m = Module()
        if is_ice40(platform):
            self._cells(m)
            return m
        memory = m.submodules.memory = Memory(self.contents)
        write, read = memory.write_port(granularity=8), memory.read_port()
        m.d.comb += [
            write.en.eq(self.i_write), write.addr.eq(self.i_address), write.data.eq(self.i_data),
            read.en.eq(~self.i_write.any()), read.addr.eq(self.i_address),
            self.o_data.eq(read.data),
        ]
        return m

    def _cells(self, m):
        """Columns of 16 bits, and as many of each as the depth takes."""
        count = -(-self.contents.depth // _SPRAM_WORDS)
        address, row = Signal(14), Signal(range(max(2, count)))
        m.d.comb += Cat(address, row).eq(self.i_address)
        rows = []
        for i in range(count):
            columns = [
                self._cell(m, f"spram_{i}_{low}", address, row == i, low)
                for low in range(0, len(self.i_data), _SPRAM_BITS)
            ]
            rows.append(Cat(*columns)[: len(self.o_data)])
        m.d.comb += self.o_data.eq(Array(rows)[delayed(m, row, 1)] if count > 1 else rows[0])

    def _cell(self, m, name, address, here, low):
        """Bits ``low`` and up of a row."""
        enable = self.i_write[low // 8 : low // 8 + 2]
        word = Signal(_SPRAM_BITS, name=f"{name}_word")
        value = Signal(_SPRAM_BITS, name=f"{name}_value")
        nibbles = Signal(4, name=f"{name}_nibbles")
        m.d.comb += [
            value.eq(self.i_data[low : low + _SPRAM_BITS]),
            nibbles.eq(Cat(bit.replicate(2) for bit in enable)),
        ]
        m.submodules[name] = Instance(
            "SB_SPRAM256KA", i_CLOCK=ClockSignal(), i_ADDRESS=address, i_DATAIN=value,
            i_MASKWREN=nibbles, i_WREN=self.i_write.any() & here, i_CHIPSELECT=1,
            i_STANDBY=0, i_SLEEP=0, i_POWEROFF=1, o_DATAOUT=word,
        )
        return word


class SinglePortWeights(wiring.Component):
    """Weights, which none is read of while they are written: that is before a run.

    Members
    -------
    i_write, i_write_address, i_write_data : a write; beyond the depth it does nothing
    i_address : of the word that is read in all other cycles
    o_word : the word of the cycle before
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        self.memory = SinglePortMemory(
            width=8 * -(-config.weight_word_bits // 8), depth=config.weight_words
        )
        super().__init__({
            "i_write": In(1),
            "i_write_address": In(WordAddress),
            "i_write_data": In(config.weight_word_bits),
            "i_address": In(WordAddress),
            "o_word": Out(config.weight_word_bits),
        })

    def row(self, address: int):
        """The word at ``address``, for simulations that look inside."""
        return self.memory.contents[address]

    def elaborate(self, platform):
        m = Module()
        memory = m.submodules.memory = self.memory
        within = self.i_write_address < self.config.weight_words
        m.d.comb += [
            memory.i_address.eq(Mux(self.i_write, self.i_write_address, self.i_address)),
            memory.i_write.eq(Mux(self.i_write & within, -1, 0)),
            memory.i_data.eq(self.i_write_data),
            self.o_word.eq(memory.o_data),
        ]
        return m


class SinglePortActivations(wiring.Component):
    """Activations of an engine of one pixel. A write waits for a cycle in which none is read.

    Members
    -------
    i_read : the word at the address is needed
    i_address : In(one address)
    i_write, i_write_address, i_write_data : S bytes with a write enable each; beyond the depth
        nothing is written
    o_taken : they are written in this cycle
    o_words : Out(one word of S bytes), of the cycle before
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        word = 8 * config.inputs
        self.memory = SinglePortMemory(width=word, depth=config.activation_words)
        super().__init__({
            "i_read": In(1),
            "i_address": In(data.ArrayLayout(WordAddress, 1)),
            "i_used": In(1),
            "i_write": In(config.inputs),
            "i_write_address": In(WordAddress),
            "i_write_data": In(word),
            "o_taken": Out(1),
            "o_words": Out(data.ArrayLayout(unsigned(word), 1)),
        })

    def row(self, address: int):
        """The word at ``address``, for simulations that look inside."""
        return self.memory.contents[address]

    def elaborate(self, platform):
        m = Module()
        memory = m.submodules.memory = self.memory
        writes = self.i_write.any() & ~self.i_read
        within = self.i_write_address < self.config.activation_words
        m.d.comb += [
            self.o_taken.eq(~self.i_read),
            memory.i_address.eq(Mux(writes, self.i_write_address, self.i_address[0])),
            memory.i_write.eq(Mux(writes & within, self.i_write, 0)),
            memory.i_data.eq(self.i_write_data),
            self.o_words[0].eq(memory.o_data),
        ]
        return m

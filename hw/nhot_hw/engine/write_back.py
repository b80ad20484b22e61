"""What is written to the activations: requantised bytes, an index, or a word of the host."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot_hw.engine.argmax import ChannelIndex
from nhot_hw.engine.descriptor import DescriptorLayout
from nhot_hw.engine.destinations import destination_layout
from nhot_hw.engine.host import WordAddress

__all__ = ["WriteBack"]


class WriteBack(wiring.Component):
    """A register in front of the activation memory, which one of three fills.

    Members
    -------
    i_descriptor, i_start : the layer, and a pulse before its first result
    i_valid, i_destination, i_bytes : R bytes of a word
    i_index_valid, i_index : an argmax result; they go to one word after the other
    i_host, i_host_address, i_host_word : a word of the host's
    o_write, o_address, o_word : S bytes with a write enable each, a cycle later
    o_beyond : an argmax result in this cycle lies beyond the memory
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        word = 8 * config.inputs
        super().__init__({
            "i_descriptor": In(DescriptorLayout),
            "i_start": In(1),
            "i_valid": In(1),
            "i_destination": In(destination_layout(config)),
            "i_bytes": In(data.ArrayLayout(signed(8), config.requantisers)),
            "i_index_valid": In(1),
            "i_index": In(ChannelIndex),
            "i_host": In(1),
            "i_host_address": In(WordAddress),
            "i_host_word": In(word),
            "o_write": Out(config.inputs),
            "o_address": Out(WordAddress),
            "o_word": Out(word),
            "o_beyond": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        groups = config.inputs // config.requantisers
        group = (1 << config.requantisers) - 1
        word = Signal(len(self.o_word), reset_less=True)
        m.d.comb += self.o_word.eq(word)
        m.d.sync += [
            self.o_write.eq(0),
            self.o_address.eq(self.i_destination.address),
            word.eq(self.i_bytes.as_value().replicate(groups)),
        ]
        with m.If(self.i_valid):
            m.d.sync += self.o_write.eq(group << (self.i_destination.lanes * config.requantisers))
        if config.inputs >= 2:
            self._index(m, word)
        with m.If(self.i_host):
            m.d.sync += [
                self.o_write.eq(-1),
                self.o_address.eq(self.i_host_address),
                word.eq(self.i_host_word),
            ]
        return m

    def _index(self, m, word):
        """Positions follow each other; their indices are written one word after the other."""
        config = self.config
        address = Signal(config.activation_address_bits + 1)
        with m.If(self.i_start):
            m.d.sync += address.eq(self.i_descriptor.output_address)
        with m.If(self.i_index_valid):
            m.d.sync += [
                self.o_write.eq(0b11), self.o_address.eq(address), word.eq(self.i_index),
                address.eq(address + 1),
            ]
        m.d.comb += self.o_beyond.eq(self.i_index_valid & (address >= config.activation_words))

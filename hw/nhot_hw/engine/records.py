"""Which requantisation record each value takes, and the memory that holds the records."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.contract.contents import Contents
from nhot.network.requant import MAX_TERMS
from nhot_hw.engine.descriptor import DescriptorLayout
from nhot_hw.engine.host import WordAddress
from nhot_hw.engine.memories import WordMemory
from nhot_hw.engine.slot import Ends, SlotLayout

__all__ = ["RecordCounter", "RecordMemory", "TermsLayout"]

TermsLayout = data.ArrayLayout(
    data.StructLayout({"shift": 5, "reserved": 1, "negative": 1, "enable": 1}), MAX_TERMS
)
"""A multiplier: signed powers of two, those that are not enabled last."""


class RecordCounter(wiring.Component):
    """Each pixel starts at the records of its tile; a value moves on by one, or all share one.

    Members
    -------
    i_descriptor, i_start : the layer, and a pulse before its first slot
    i_slot : the slots, when their values are about to be taken
    o_record : number of the record in this cycle
    o_beyond : it lies beyond the memory
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__({
            "i_descriptor": In(DescriptorLayout),
            "i_start": In(1),
            "i_slot": In(SlotLayout),
            "o_record": Out(config.record_address_bits),
            "o_beyond": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        layer, slot = self.i_descriptor, self.i_slot
        # A bit more than an address, to see what is beyond the memory.
        record, first, following, address = (
            Signal(self.config.record_address_bits + 1, name=name)
            for name in ("record", "first", "following", "address")
        )
        m.d.comb += [
            following.eq(record + layer.per_channel),
            address.eq(record + slot.second),
            self.o_record.eq(address),
            self.o_beyond.eq(slot.begin & (address >= self.config.records)),
        ]
        with m.If(self.i_start):
            start = layer.requant_address >> 1
            m.d.sync += [record.eq(start), first.eq(start)]
        with m.Elif(slot.ends >= Ends.TILE):
            m.d.sync += [record.eq(following), first.eq(following)]
        with m.Elif(slot.ends >= Ends.PIXEL):
            m.d.sync += record.eq(first)
        with m.Elif(slot.ends >= Ends.VALUE):
            m.d.sync += record.eq(following)
        return m


class RecordMemory(wiring.Component):
    """Requantisation records, read whole and written by halves: biases, then terms.

    The host knows words of R biases or R terms, in turns; a record is the two of them.
    ``contents``, if given, is what they are at power-up.

    Members
    -------
    i_write, i_write_address, i_write_data : a write of a word
    i_address : word address for reading; which half of the record it names decides ``o_word``
    o_biases, o_terms : the record of the cycle before
    o_word : its half of ``i_address``, which must have been held
    """

    def __init__(self, config: EngineConfig, contents: Contents | None = None):
        self.config = config
        self._init = (None, None) if contents is None else (contents.biases, contents.terms)
        word = 32 * config.requantisers
        super().__init__({
            "i_write": In(1),
            "i_write_address": In(WordAddress),
            "i_write_data": In(word),
            "i_address": In(WordAddress),
            "o_biases": Out(data.ArrayLayout(signed(32), config.requantisers)),
            "o_terms": Out(data.ArrayLayout(TermsLayout, config.requantisers)),
            "o_word": Out(word),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        outputs = (self.o_biases.as_value(), self.o_terms.as_value())
        depths = (config.requant_words - config.records, config.records)
        for half, (output, depth) in enumerate(zip(outputs, depths, strict=True)):
            name = ("biases", "terms")[half]
            memory = m.submodules[name] = WordMemory(
                width=len(output), depth=depth, init=self._init[half]
            )
            m.d.comb += [
                memory.i_write.eq(self.i_write & (self.i_write_address[0] == half)),
                memory.i_write_address.eq(self.i_write_address >> 1),
                memory.i_write_data.eq(self.i_write_data),
                memory.i_address.eq(self.i_address >> 1),
                output.eq(memory.o_word),
            ]
        m.d.comb += self.o_word.eq(Mux(self.i_address[0], outputs[1], outputs[0]))
        return m

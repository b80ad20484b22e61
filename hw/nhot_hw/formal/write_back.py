"""What is written to the activations: what was given, where it was said, and nothing else."""

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from nhot.contract.config import EngineConfig
from nhot_hw.engine.argmax import ChannelIndex
from nhot_hw.engine.destinations import destination_layout
from nhot_hw.engine.host import WordAddress
from nhot_hw.engine.write_back import WriteBack
from nhot_hw.formal.inside import Inside

__all__ = ["WriteBackKeeps"]

#: Words of four bytes, of which two come at a time.
CONFIG = EngineConfig(filters=4, inputs=4, requantisers=2, activation_words=48)


class WriteBackKeeps(wiring.Component):
    """A cycle after bytes, an index or a host's word came, they are written, and nothing else.

    At most one of the three comes in a cycle. Indices go to one word after the other, from that of
    the layer's output on.

    Members
    -------
    start, first : In
        A layer begins, whose output is at word ``first``.
    valid, destination, bytes : In
    index_valid, index : In
    host, host_address, host_word : In
    """

    def __init__(self) -> None:
        super().__init__({
            "start": In(1),
            "first": In(CONFIG.activation_address_bits),
            "valid": In(1),
            "destination": In(destination_layout(CONFIG)),
            "bytes": In(8 * CONFIG.requantisers),
            "index_valid": In(1),
            "index": In(ChannelIndex),
            "host": In(1),
            "host_address": In(WordAddress),
            "host_word": In(8 * CONFIG.inputs),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = WriteBack(CONFIG)
        inside = Inside(m, dut, platform)
        m.d.comb += [
            dut.i_start.eq(self.start), dut.i_descriptor.output_address.eq(self.first),
            dut.i_valid.eq(self.valid), dut.i_destination.eq(self.destination),
            dut.i_bytes.as_value().eq(self.bytes),
            dut.i_index_valid.eq(self.index_valid), dut.i_index.eq(self.index),
            dut.i_host.eq(self.host), dut.i_host_address.eq(self.host_address),
            dut.i_host_word.eq(self.host_word),
            Assume(self.start + self.valid + self.index_valid + self.host <= 1),
        ]
        place = self._place(m)
        written = Signal(CONFIG.inputs)  # which bytes should be, in the next cycle, where, and what
        address, word = Signal(WordAddress), Signal(8 * CONFIG.inputs)
        m.d.sync += written.eq(0)
        with m.If(self.valid):
            lanes = self.destination.lanes
            m.d.sync += [
                address.eq(self.destination.address),
                written.eq(Cat((lanes == i // 2) for i in range(CONFIG.inputs))),
                word.eq(Cat(self.bytes, self.bytes)),
            ]
        with m.If(self.index_valid):
            m.d.sync += [written.eq(0b0011), address.eq(place), word.eq(self.index)]
        with m.If(self.host):
            m.d.sync += [written.eq(0b1111), address.eq(self.host_address),
                         word.eq(self.host_word)]
        m.d.comb += [
            Assert(dut.o_write == written, "what came must be written, and nothing else"),
            Assert((written == 0) | (dut.o_address == address), "its word must be written"),
            *(Assert(~written[i] | (dut.o_word.word_select(i, 8) == word.word_select(i, 8)),
                     "a byte must be written as it was") for i in range(CONFIG.inputs)),
            Assert(dut.o_beyond == (self.index_valid & (place >= CONFIG.activation_words)),
                   "an index beyond the memory must be seen"),
            Assert(inside.signal("address") == place, "the place of indices is counted"),
            Cover(dut.o_write == 0b1100, "the second half of a word"),
            Cover((dut.o_write == 0b0011) & (dut.o_address == 7), "an index"),
        ]
        return m

    def _place(self, m: Module) -> Signal:
        """Where the next index goes: so many words behind the first as indices have come."""
        first, count = Signal.like(self.first), Signal(CONFIG.activation_address_bits + 1)
        place = Signal(CONFIG.activation_address_bits + 1)
        m.d.comb += place.eq(first + count)
        m.d.sync += count.eq(Mux(self.start, 0, count + self.index_valid))
        with m.If(self.start):
            m.d.sync += first.eq(self.first)
        return place

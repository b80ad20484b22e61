"""What is written to a memory that has no port to spare: whole words, when there is a cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot_hw.engine.argmax import ChannelIndex
from nhot_hw.engine.descriptor import DescriptorLayout
from nhot_hw.engine.destinations import destination_layout
from nhot_hw.engine.host import WordAddress

__all__ = ["Collector"]


class Collector(wiring.Component):
    """Collect the bytes of a pixel group to words, and offer these until the memory takes them.

    The members are those of :class:`WriteBack`, and three more. While a word is collected, as many
    wait as a group has: words are whole as often as the walk leaves cycles to their writes, if not
    at the same times, since it does so for each group once.

    Members
    -------
    i_end : with ``i_valid``: these are the last bytes of their word
    i_taken : what is offered is written in this cycle
    o_busy : a word waits to be written
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        word = 8 * config.inputs
        super().__init__({
            "i_descriptor": In(DescriptorLayout),
            "i_start": In(1),
            "i_valid": In(1),
            "i_end": In(1),
            "i_destination": In(destination_layout(config)),
            "i_bytes": In(data.ArrayLayout(signed(8), config.requantisers)),
            "i_index_valid": In(1),
            "i_index": In(ChannelIndex),
            "i_host": In(1),
            "i_host_address": In(WordAddress),
            "i_host_word": In(word),
            "i_taken": In(1),
            "o_write": Out(config.inputs),
            "o_address": Out(WordAddress),
            "o_word": Out(word),
            "o_beyond": Out(1),
            "o_busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        bits = config.activation_address_bits
        layout = data.StructLayout({
            "enable": config.inputs, "address": bits,
            "groups": data.ArrayLayout(
                8 * config.requantisers, config.inputs // config.requantisers
            ),
        })
        word, whole = Signal(layout), Signal()
        queue = [_Place(layout, f"place_{i}") for i in range(config.write_cycles)]
        first = queue[0]
        moves = self._queue(m, queue, word, whole)
        m.d.comb += [
            self.o_write.eq(Mux(first.used, first.word.enable, 0)),
            self.o_address.eq(first.word.address),
            self.o_word.eq(first.word.groups),
            self.o_busy.eq(whole | Cat(place.used for place in queue).any()),
        ]
        self._collect(m, word, whole, Mux(moves, 0, word.enable))
        if config.inputs >= 2:
            self._index(m, word, whole)
        with m.If(self.i_start):  # of what a run that was stopped has left nothing is written
            m.d.sync += [word.enable.eq(0), whole.eq(0)]
        with m.If(self.i_host & (self.i_host_address >> bits == 0)):
            m.d.sync += [
                first.word.enable.eq(-1), first.word.address.eq(self.i_host_address),
                first.word.groups.eq(self.i_host_word), first.used.eq(1),
            ]
        return m

    def _queue(self, m, queue, word, whole):
        """Each place takes what is in the one behind it, the last the collected word."""
        room = self.i_taken
        for place in queue:
            m.d.comb += place.room.eq(~place.used | room)
            room = place.room
        m.d.sync += whole.eq(whole & ~room)
        for place, behind in zip(queue, [*queue[1:], None], strict=True):
            with m.If(place.room):
                m.d.sync += [
                    place.word.eq(behind.word if behind else word),
                    place.used.eq(behind.used if behind else whole),
                ]
        return whole & room

    def _collect(self, m, word, whole, enable):
        """R bytes more, at their place."""
        count = self.config.requantisers
        group = (1 << count) - 1
        lanes = self.i_destination.lanes
        added = Mux(self.i_valid, group << (lanes * count), 0)
        m.d.sync += word.enable.eq(enable | added)
        with m.If(self.i_valid):
            m.d.sync += [
                word.address.eq(self.i_destination.address),
                word.groups[lanes].eq(self.i_bytes),
            ]
            with m.If(self.i_end):
                m.d.sync += whole.eq(1)

    def _index(self, m, word, whole):
        """Positions follow each other; their indices are written one word after the other."""
        config = self.config
        address = Signal(config.activation_address_bits + 1)
        with m.If(self.i_start):
            m.d.sync += address.eq(self.i_descriptor.output_address)
        m.d.comb += self.o_beyond.eq(self.i_index_valid & (address >= config.activation_words))
        with m.If(self.i_index_valid & ~self.o_beyond):
            m.d.sync += [
                word.enable.eq(0b11), word.address.eq(address),
                word.groups.as_value()[:16].eq(self.i_index), whole.eq(1),
                address.eq(address + 1),
            ]


class _Place:
    """A word that waits, and whether there will be room for another in the next cycle."""

    def __init__(self, layout, name):
        self.word = Signal(layout, name=f"{name}_word")
        self.used = Signal(name=f"{name}_used")
        self.room = Signal(name=f"{name}_room")

"""The host's way into the memories: bytes to words and back."""

from itertools import pairwise

from amaranth.hdl import Array, Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.contract.program import Region
from nhot_hw.engine.decoder import CodeDecoder
from nhot_hw.engine.host import AccessLayout, WordAddress

__all__ = ["Loader", "word_bytes"]


def word_bytes(config: EngineConfig) -> dict[Region, int]:
    """Bytes of a word of each memory, but for weights, which are read field by field."""
    return {
        Region.PROGRAM: 4,
        Region.REQUANT: 4 * config.requantisers,
        Region.ACTIVATIONS: config.inputs,
        Region.TIMING: 4,
    }


class Loader(wiring.Component):
    """Serve host accesses while the engine is idle.

    A write takes exactly ``length`` bytes and a read gives exactly ``length``, whatever they are;
    a partial word at the end of a write is dropped, an unknown region reads as zeros.
    Weights arrive as dense codes, packed word by word, and leave as fields of whole bytes.

    Members
    -------
    i_access : stream of AccessLayout
    i_data, o_data : streams of bytes
    o_write : Out(one bit a region), with o_address and o_word or o_weights
    o_address : word address, for reading too
    i_words, i_weights : In, of each memory the word at the address, ``config.memory_latency - 1``
        cycles later
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        self.word_bytes = word_bytes(config)
        self.plain_bits = 8 * max(self.word_bytes.values())
        super().__init__({
            "i_access": In(stream.Signature(AccessLayout)),
            "i_data": In(stream.Signature(8)),
            "o_data": Out(stream.Signature(8)),
            "o_write": Out(len(Region)),
            "o_address": Out(WordAddress),
            "o_word": Out(self.plain_bits),  # a region's word is in the top bytes
            "o_weights": Out(config.weight_word_bits),
            "i_words": In(data.ArrayLayout(unsigned(self.plain_bits), len(Region))),
            "i_weights": In(config.weight_word_bits),
        })

    def elaborate(self, platform):
        m = Module()
        region = Signal(Region)
        left = Signal(16)  # bytes
        places = max(self.plain_bits // 8, self.config.word_codes)
        place = Signal(range(places + 1))  # bytes, or codes, of the present word
        is_weights = region == Region.WEIGHTS
        bits = Signal(range(self.config.weight_format.code_bits))  # of the present code
        plain = Signal(self.plain_bits, reset_less=True)
        fields = Signal(self.config.weight_word_bits, reset_less=True)
        m.submodules.decoder = decoder = CodeDecoder(self.config.weight_format)
        code = Signal(self.config.weight_format.code_bits)
        # The fields, of which there may be thousands, are loaded and moved in cycles of their own:
        # with the states of this machine in front of so many enables, they would set the clock.
        shift, load = Signal(), Signal()
        m.d.comb += decoder.i_code.eq(code)
        m.d.sync += [shift.eq(0), load.eq(0)]
        with m.If(load):
            m.d.sync += fields.eq(self.i_weights)
        with m.Elif(shift):
            m.d.sync += fields.eq(Cat(fields, decoder.o_field) >> len(decoder.o_field))
        write = Signal()
        advance = Signal()  # the address moves on after this cycle
        address = Signal(len(self.o_address) + 1)  # what runs past the last one is nowhere

        m.d.comb += [
            self.o_weights.eq(fields), self.o_word.eq(plain), self.o_address.eq(address),
            self.o_write.eq(Mux(write & ~address[-1], 1 << region, 0)),
        ]
        with m.If(advance):
            m.d.sync += address.eq(address + 1)

        with m.FSM():
            with m.State("Idle"):
                m.d.comb += self.i_access.ready.eq(1)
                m.d.sync += [
                    region.eq(self.i_access.payload.region),
                    address.eq(self.i_access.payload.address),
                    left.eq(self.i_access.payload.length),
                    place.eq(0),
                    bits.eq(0),
                ]
                with m.If(self.i_access.valid & (self.i_access.payload.length != 0)):
                    m.next = "Fetch"
                    with m.If(self.i_access.payload.write):
                        m.next = "Write"
                        with m.If(self.i_access.payload.region == Region.WEIGHTS):
                            m.next = "Codes"
            self._write_plain(m, region, left, place, plain, write, advance)
            self._write_codes(m, code, left, place, bits, shift, write, advance)
            self._read(m, region, is_weights, left, place, plain, fields, shift, load, advance)
        return m

    def _last_byte(self, region):
        """Index of the last byte of a word of ``region``."""
        sizes = [self.word_bytes.get(r, 1) - 1 for r in Region]
        return Array(sizes + [0] * (2 ** len(region) - len(sizes)))[region]

    def _write_plain(self, m, region, left, place, plain, write, advance):
        with m.State("Write"):
            m.d.comb += self.i_data.ready.eq(1)
            with m.If(self.i_data.valid):
                # Bytes enter at the top, so a full word of any size ends there.
                m.d.sync += [
                    plain.eq(Cat(plain, self.i_data.payload) >> 8),
                    left.eq(left - 1), place.eq(place + 1),
                ]
                with m.If(place == self._last_byte(region)):
                    m.next = "Store"
                with m.Elif(left == 1):
                    m.next = "Idle"
        with m.State("Store"):
            m.d.comb += [write.eq(1), advance.eq(1)]
            m.d.sync += place.eq(0)
            m.next = "Write"
            with m.If(left == 0):
                m.next = "Idle"

    def _write_codes(self, m, code, left, place, bits, shift, write, advance):
        """A bit a cycle: the wire brings a byte in a hundred cycles, so a barrel would be waste."""
        fmt = self.config.weight_format
        byte, bit = Signal(8), Signal(range(8))
        with m.State("Codes"):
            m.d.comb += self.i_data.ready.eq(1)
            with m.If(self.i_data.valid):
                m.d.sync += [byte.eq(self.i_data.payload), bit.eq(0), left.eq(left - 1)]
                m.next = "Bits"
        with m.State("Bits"):
            m.d.sync += [byte.eq(byte >> 1), bit.eq(bit + 1), code.eq(Cat(code[1:], byte[0]))]
            code_end = bits == fmt.code_bits - 1
            m.d.sync += bits.eq(Mux(code_end, 0, bits + 1))
            with m.If(bit == 7):
                m.next = "Codes"
                with m.If(left == 0):
                    m.next = "Idle"
            with m.If(code_end):
                m.d.sync += [shift.eq(1), place.eq(place + 1)]
                with m.If(place == self.config.word_codes - 1):
                    m.next = "Last-Code"
        with m.State("Last-Code"):
            m.next = "Store-Codes"
        with m.State("Store-Codes"):  # what is left of the byte is the word's padding
            m.d.comb += [write.eq(1), advance.eq(1)]
            m.d.sync += place.eq(0)
            m.next = "Codes"
            with m.If(left == 0):
                m.next = "Idle"

    def _read(self, m, region, is_weights, left, place, plain, fields, shift, load, advance):
        fmt = self.config.weight_format
        field_bytes = (fmt.field_bits + 7) // 8
        last_field = self.config.word_codes - 1
        part = Signal(range(max(2, field_bytes)))
        field = Signal(8 * field_bytes)
        byte = Mux(is_weights, field.word_select(part, 8), plain[:8])
        part_end = part == field_bytes - 1
        word_end = Mux(is_weights, (place == last_field) & part_end,
                       place == self._last_byte(region))
        # The memories see the address, for as long as the slowest of them takes.
        waits = [f"Wait-{i}" for i in range(1, self.config.memory_latency - 1)]
        for state, following in pairwise(["Fetch", *waits, "Take"]):
            with m.State(state):
                m.next = following
        with m.State("Take"):
            m.d.sync += [
                plain.eq(self.i_words[region]), load.eq(is_weights), place.eq(0), part.eq(0),
            ]
            m.d.comb += advance.eq(1)
            m.next = "Move"
        with m.State("Move"):  # the fields are loaded, or move up
            m.next = "Give"
        with m.State("Give"):
            m.d.comb += [
                field.eq(fields[: fmt.field_bits]),
                self.o_data.valid.eq(1),
                self.o_data.payload.eq(byte),
            ]
            with m.If(self.o_data.ready):
                m.d.sync += [
                    left.eq(left - 1), part.eq(Mux(part_end, 0, part + 1)),
                    # What enters at the top does not matter; shifting as a write does saves logic.
                    plain.eq(Cat(plain, self.i_data.payload) >> 8),
                ]
                with m.If(~is_weights | part_end):
                    m.d.sync += place.eq(place + 1)
                with m.If(is_weights & part_end):
                    m.d.sync += shift.eq(1)
                    m.next = "Move"
                with m.If(left == 1):
                    m.next = "Idle"
                with m.Elif(word_end):
                    m.next = "Fetch"

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
    o_write : Out(one bit a region), with o_address and o_word or o_weights, which stay for a cycle
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
        access = _Access(self)
        m.submodules.decoder = decoder = CodeDecoder(self.config.weight_format)
        m.d.comb += decoder.i_code.eq(access.code)
        m.d.sync += [access.move.eq(0), access.load.eq(0)]
        with m.If(access.move):
            shifted = Cat(access.fields, decoder.o_field) >> len(decoder.o_field)
            m.d.sync += access.fields.eq(Mux(access.load, self.i_weights, shifted))

        address = access.address
        m.d.comb += [
            self.o_weights.eq(access.fields), self.o_word.eq(access.plain),
            self.o_address.eq(address),
            self.o_write.eq(Mux(access.write & ~address[-1], 1 << access.region, 0)),
        ]
        with m.If(access.advance):
            m.d.sync += address.eq(address + 1)

        with m.FSM():
            with m.State("Idle"):
                request = self.i_access.payload
                m.d.comb += self.i_access.ready.eq(1)
                m.d.sync += [
                    access.region.eq(request.region), address.eq(request.address),
                    access.left.eq(request.length), access.place.eq(0), access.bits.eq(0),
                ]
                with m.If(self.i_access.valid & (request.length != 0)):
                    m.next = "Fetch"
                    with m.If(request.write):
                        m.next = "Write"
                        with m.If(request.region == Region.WEIGHTS):
                            m.next = "Codes"
            self._write_plain(m, access)
            self._write_codes(m, access)
            self._read(m, access)
        return m

    def _last_byte(self, region):
        """Index of the last byte of a word of ``region``."""
        sizes = [self.word_bytes.get(r, 1) - 1 for r in Region]
        return Array(sizes + [0] * (2 ** len(region) - len(sizes)))[region]

    def _write_plain(self, m, access):
        with m.State("Write"):
            m.d.comb += self.i_data.ready.eq(1)
            with m.If(self.i_data.valid):
                # Bytes enter at the top, so a full word of any size ends there.
                m.d.sync += [
                    access.plain.eq(Cat(access.plain, self.i_data.payload) >> 8),
                    access.left.eq(access.left - 1), access.place.eq(access.place + 1),
                ]
                with m.If(access.place == self._last_byte(access.region)):
                    m.next = "Store"
                with m.Elif(access.left == 1):
                    m.next = "Idle"
        with m.State("Store"):
            self._store(m, access)
            m.next = "Write"
            with m.If(access.left == 0):
                m.next = "Idle"

    def _store(self, m, access):
        m.d.comb += [access.write.eq(1), access.advance.eq(1)]
        m.d.sync += access.place.eq(0)

    def _write_codes(self, m, access):
        """A bit a cycle: the wire brings a byte in a hundred cycles, so a barrel would be waste."""
        code, bits, place = access.code, access.bits, access.place
        byte = Signal(8)
        bit = Signal(range(8))
        with m.State("Codes"):
            m.d.comb += self.i_data.ready.eq(1)
            with m.If(self.i_data.valid):
                m.d.sync += [
                    byte.eq(self.i_data.payload), bit.eq(0), access.left.eq(access.left - 1),
                ]
                m.next = "Bits"
        with m.State("Bits"):
            m.d.sync += [byte.eq(byte >> 1), bit.eq(bit + 1), code.eq(Cat(code[1:], byte[0]))]
            code_end = bits == len(code) - 1
            m.d.sync += bits.eq(Mux(code_end, 0, bits + 1))
            with m.If(bit == 7):
                m.next = "Codes"
                with m.If(access.left == 0):
                    m.next = "Idle"
            with m.If(code_end):
                m.d.sync += [access.move.eq(1), place.eq(place + 1)]
                with m.If(place == self.config.word_codes - 1):
                    m.next = "Last-Code"
        with m.State("Last-Code"):
            m.next = "Store-Codes"
        with m.State("Store-Codes"):  # what is left of the byte is the word's padding
            self._store(m, access)
            m.next = "Codes"
            with m.If(access.left == 0):
                m.next = "Idle"

    def _read(self, m, access):
        region, left, place = access.region, access.left, access.place
        fmt = self.config.weight_format
        field_bytes = (fmt.field_bits + 7) // 8
        is_weights = region == Region.WEIGHTS
        part = Signal(range(max(2, field_bytes)))
        field = Signal(8 * field_bytes)
        byte = Mux(is_weights, field.word_select(part, 8), access.plain[:8])
        part_end = part == field_bytes - 1
        last_field = self.config.word_codes - 1
        word_end = Mux(
            is_weights, (place == last_field) & part_end, place == self._last_byte(region)
        )
        # The memories see the address, for as long as the slowest of them takes.
        waits = [f"Wait-{i}" for i in range(1, self.config.memory_latency - 1)]
        for state, following in pairwise(["Fetch", *waits, "Take"]):
            with m.State(state):
                m.next = following
        with m.State("Take"):
            m.d.sync += [
                access.plain.eq(self.i_words[region]), place.eq(0), part.eq(0),
                access.load.eq(is_weights), access.move.eq(is_weights),
            ]
            m.d.comb += access.advance.eq(1)
            m.next = "Move"
        with m.State("Move"):  # the fields are loaded, or move up
            m.next = "Give"
        with m.State("Give"):
            m.d.comb += [
                field.eq(access.fields[: fmt.field_bits]),
                self.o_data.valid.eq(1),
                self.o_data.payload.eq(byte),
            ]
            with m.If(self.o_data.ready):
                m.d.sync += [
                    left.eq(left - 1), part.eq(Mux(part_end, 0, part + 1)),
                    # What enters at the top does not matter; shifting as a write does saves logic.
                    access.plain.eq(Cat(access.plain, self.i_data.payload) >> 8),
                ]
                with m.If(~is_weights | part_end):
                    m.d.sync += place.eq(place + 1)
                with m.If(is_weights & part_end):
                    m.d.sync += access.move.eq(1)
                    m.next = "Move"
                with m.If(left == 1):
                    m.next = "Idle"
                with m.Elif(word_end):
                    m.next = "Fetch"


class _Access:
    """The access under way, and the word that it is at."""

    def __init__(self, loader: Loader):
        config = loader.config
        places = max(loader.plain_bits // 8, config.word_codes)
        self.region = Signal(Region)
        self.address = Signal(len(loader.o_address) + 1)  # what runs past the last one is nowhere
        self.left = Signal(16)  # bytes
        self.place = Signal(range(places + 1))  # bytes, or codes, of the present word
        self.bits = Signal(range(config.weight_format.code_bits))  # of the present code
        self.code = Signal(config.weight_format.code_bits)
        self.plain = Signal(loader.plain_bits, reset_less=True)
        self.fields = Signal(config.weight_word_bits, reset_less=True)
        # The fields, of which there may be thousands, move up or are loaded in cycles of their own,
        # by a register: with any logic in front of so many enables, they would set the clock.
        self.move = Signal()
        self.load = Signal()
        self.write = Signal()
        self.advance = Signal()  # the address moves on after this cycle

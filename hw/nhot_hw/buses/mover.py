"""Words of a memory to the engine and from it, one access each."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.contract.memories import timing_words
from nhot.contract.program import Region
from nhot_hw.engine.host import AccessLayout, WordAddress

__all__ = ["Mover", "MoveLayout", "depths", "word_sizes"]

MoveLayout = data.StructLayout({
    "write": 1, "region": 3, "address": WordAddress, "words": 17,
})
"""``words`` words to a memory or from it, from ``address`` on."""

OutputLayout = data.StructLayout({"bytes": 32, "last": 1})
"""Four bytes, the first in the low bits, and whether they are the last of a job."""


def depths(config: EngineConfig) -> dict[Region, int]:
    """Words of each memory."""
    return {
        Region.PROGRAM: config.program_words, Region.REQUANT: config.requant_words,
        Region.WEIGHTS: config.weight_words, Region.ACTIVATIONS: config.activation_words,
        Region.TIMING: timing_words(config),
    }


def word_sizes(config: EngineConfig, *, write: bool) -> dict[Region, int]:
    """Bytes of a word of each memory, as it is written or read."""
    return {
        Region.PROGRAM: 4, Region.REQUANT: 4 * config.requantisers,
        Region.WEIGHTS: config.code_bytes if write else config.field_bytes,
        Region.ACTIVATIONS: config.inputs, Region.TIMING: 4,
    }


class Mover(wiring.Component):
    """Move words, and say before whether they lie within their memory.

    Input comes four bytes at a time; what is left of the last four is dropped. The bytes of output
    leave one by one.

    Members
    -------
    i_load, i_move : take this to be moved; not while it is busy
    o_fits : all that was taken the cycle before lies within a memory that can be written, or read
    i_go : move it
    o_idle : nothing is under way, in the engine's loader neither
    i_word, i_word_valid, o_word_taken : the next four bytes of input; a pulse when they are used
    o_byte : stream of the bytes of output
    o_byte_last : the byte is the last one of the move
    access, write, read : streams to the engine and from it, as of its host
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__({
            "i_load": In(1),
            "i_move": In(MoveLayout),
            "o_fits": Out(1),
            "i_go": In(1),
            "o_idle": Out(1),
            "i_word": In(32),
            "i_word_valid": In(1),
            "o_word_taken": Out(1),
            "o_byte": Out(stream.Signature(8)),
            "o_byte_last": Out(1),
            "access": Out(stream.Signature(AccessLayout)),
            "write": Out(stream.Signature(8)),
            "read": In(stream.Signature(8)),
        })

    def elaborate(self, platform):
        m = Module()
        move = Signal(MoveLayout)
        left = Signal(9)  # bytes of the present word
        size = Signal(9)
        ends = Signal()  # this byte is the last of the last word
        idle = Signal()
        m.d.comb += [
            size.eq(Mux(move.write, self._sizes(move.region, write=True),
                        self._sizes(move.region, write=False))),
            ends.eq((left == 1) & (move.words == 0)),
            # The loader is ready for an access when it is done with the one before.
            self.o_idle.eq(idle & self.access.ready),
            self.access.p.write.eq(move.write),
            self.access.p.region.eq(move.region),
            self.access.p.address.eq(move.address),
            self.access.p.length.eq(size),
        ]
        m.d.sync += self.o_fits.eq(self._fits(move))
        with m.FSM():
            with m.State("Idle"):
                m.d.comb += idle.eq(1)
                with m.If(self.i_load):
                    m.d.sync += move.eq(self.i_move)
                with m.If(self.i_go & (move.words != 0)):
                    m.next = "Access"
            with m.State("Access"):
                m.d.comb += self.access.valid.eq(1)
                with m.If(self.access.ready):
                    m.d.sync += [
                        left.eq(size), move.address.eq(move.address + 1),
                        move.words.eq(move.words - 1),
                    ]
                    m.next = "Bytes"
            with m.State("Bytes"):
                with m.If(self._byte(m, move, ends)):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 1):
                        m.next = "Access"
                    with m.If(ends):
                        m.next = "Idle"
        return m

    def _byte(self, m, move, ends):
        """A byte one way or the other; whether it passes in this cycle."""
        place = Signal(2)  # in the four bytes of input
        written, given = self.write.valid & self.write.ready, self.read.valid & self.read.ready
        m.d.comb += [
            self.write.valid.eq(move.write & self.i_word_valid),
            self.write.payload.eq(self.i_word.word_select(place, 8)),
            self.o_byte.valid.eq(~move.write & self.read.valid),
            self.o_byte.payload.eq(self.read.payload),
            self.o_byte_last.eq(ends),
            self.read.ready.eq(~move.write & self.o_byte.ready),
            self.o_word_taken.eq(written & ((place == 3) | ends)),
        ]
        with m.If(written):
            m.d.sync += place.eq(Mux(ends, 0, place + 1))
        return written | given

    def _fits(self, move):
        regions = Mux(move.write, move.region <= Region.ACTIVATIONS, move.region <= max(Region))
        depth = self._table(move.region, depths(self.config))
        return (move.words == 0) | (regions & (move.address + move.words <= depth))

    def _sizes(self, region, *, write):
        return self._table(region, word_sizes(self.config, write=write))

    @staticmethod
    def _table(region, values):
        return Array(values.get(number, 0) for number in range(2 ** len(region)))[region]

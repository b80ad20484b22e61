"""What the loader promises of weights: each code becomes its field, each field leaves as bytes."""

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Assert, Assume, Cover, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, connect, flipped

from nhot.contract.config import EngineConfig
from nhot.contract.program import Region
from nhot_hw.delay import delayed
from nhot_hw.engine.host import AccessLayout
from nhot_hw.engine.loader import Loader
from nhot_hw.formal.inside import Inside
from nhot_hw.formal.offered import offered_stays

__all__ = ["WeightsRead", "WeightsWrite"]

#: Words of four codes of three bits: the third lies in both bytes, and four bits are padding.
_WRITTEN = EngineConfig(filters=2, inputs=2, format="1hot@3", weight_words=16)
_CODE, _FIELD = _WRITTEN.weight_format.code_bits, _WRITTEN.weight_format.field_bits
#: Words of two fields of twelve bits, which leave as two bytes each.
_READ = EngineConfig(filters=1, inputs=2, format="3hot", weight_words=16)


class WeightsWrite(wiring.Component):
    """Of an access that writes weights: exactly ``length`` bytes are taken, each word is written.

    A word is written once, when all its bytes were taken, to the place behind the one before it,
    with the field of each of its codes. Of a code that stands for no level nothing is said.

    Members
    -------
    access : In(stream.Signature(AccessLayout))
    i : In(stream.Signature(8))
    """

    access: In(stream.Signature(AccessLayout))
    i: In(stream.Signature(8))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = Loader(_WRITTEN)
        inside = Inside(m, dut, platform)
        connect(m, flipped(self.access), dut.i_access)
        connect(m, flipped(self.i), dut.i_data)
        m.d.comb += Assume(
            ~self.access.valid | (self.access.p.write & (self.access.p.region == Region.WEIGHTS))
        )
        begins = self.access.valid & dut.i_access.ready
        taken, stored = self.i.valid & dut.i_data.ready, inside["access"].write
        length, done, at = Signal(16), Signal(16), Signal(17)  # behind the last there is no word
        word, count = Signal(16), Signal(2)  # bytes of the present word, and how many
        with m.If(begins):
            m.d.sync += [length.eq(self.access.p.length), at.eq(self.access.p.address),
                         done.eq(0), count.eq(0)]
        with m.Elif(taken):
            m.d.sync += [done.eq(done + 1), count.eq(count + 1),
                         word.word_select(count[0], 8).eq(self.i.payload)]
        with m.Elif(stored):
            m.d.sync += [count.eq(0), at.eq(at + 1)]
        m.d.comb += [
            Assert(~dut.i_data.ready | (done != length), "no byte may be taken beyond the length"),
            Assert(~dut.i_access.ready | (done == length), "no byte of an access may be left"),
            Assert(~(dut.i_access.ready | dut.i_data.ready) | (count != 2),
                   "a word must be written before another begins"),
            Assert(~stored | (count == 2), "a word must be whole"),
            Assert(dut.o_write == Mux(stored & ~at[-1], 1 << Region.WEIGHTS, 0),
                   "weights must be written, and nothing else"),
            Assert(~stored | at[-1] | (dut.o_address == at[:16]), "its word must be written"),
            *(Assert(~stored | _decodes(word, i, dut.o_weights.word_select(i, _FIELD)),
                     "a code must become its field") for i in range(4)),
            Cover(stored & (dut.o_weights[:_FIELD] == 0b101), "a word"),
            Cover(dut.i_access.ready & (done == 1), "a word that is not whole"),
        ]
        self._invariants(m, dut, inside, word, count, at, length, done)
        return m

    def _invariants(self, m, dut, inside, word, count, at, length, done):
        access = inside["access"]
        place, bits, code, move, fields = (
            getattr(access, name) for name in ("place", "bits", "code", "move", "fields")
        )
        byte, bit = inside.signal("byte"), inside.signal("bit")
        works = ~dut.i_access.ready
        codes, in_bits = inside.state("Codes"), inside.state("Bits")
        last, stores = inside.state("Last-Code"), inside.state("Store-Codes")
        passed, there = Signal(5), Signal(3)  # bits of the word; fields in their register
        m.d.comb += [passed.eq(place * _CODE + bits), there.eq(place - move)]
        m.d.comb += [
            Assert(dut.i_access.ready | codes | in_bits | last | stores, "it writes codes alone"),
            Assert(~works | (access.region == Region.WEIGHTS), "the region is that"),
            Assert(~works | (access.left == (length - done)[:16]), "left is what is to come"),
            Assert(~codes | (done != length), "a byte is to come"),
            Assert(~works | (access.address == at), "the address is that of the word"),
            Assert(~access.load, "nothing is loaded"),
            Assert(~works | ((place <= 4) & (bits < _CODE) & (count <= 2)), "a word has room"),
            Assert(~codes | ((count < 2) & (passed == 8 * count)), "a byte has passed"),
            Assert(~in_bits | ((count != 0) & (place < 4) & (passed == 8 * (count - 1) + bit)),
                   "bits pass"),
            Assert(~in_bits | (byte == (word.word_select((count - 1)[0], 8) >> bit)),
                   "those of the last byte"),
            Assert(~last | ((place == 4) & (bits == 0) & move & (count == 2)), "the last code"),
            Assert(~stores | ((place == 4) & ~move & (count == 2)), "all fields are there"),
            Assert(~(works & move) | ((bits == 0) & (place != 0)
                   & (code == (word >> (passed - _CODE)[:4])[:_CODE])), "a code is whole"),
            Assert(~works | ((code >> (_CODE - bits)[:2])
                             == ((word >> (place * _CODE)[:4]) & ((1 << bits) - 1)[:_CODE])),
                   "bits of a code move down"),
            *(Assert(~(works & (there == many))
                     | _decodes(word, i, fields.word_select(4 - many + i, _FIELD)),
                     "fields move up") for many in range(5) for i in range(many)),
        ]


def _decodes(word: Value, index: int, field: Value) -> Value:
    """Whether ``field`` is that of a code of the word, if that stands for a level."""
    fmt = _WRITTEN.weight_format
    table = [int(value) for value in fmt.field_table]
    code = word[index * fmt.code_bits :][: fmt.code_bits]
    return (code >= len(table)) | (field == Array(table)[code])


class WeightsRead(wiring.Component):
    """Of an access that reads weights: exactly ``length`` bytes, each of its field of its word.

    The memory holds any word at one address, which is any.

    Members
    -------
    access : In(stream.Signature(AccessLayout))
    words : In
        What the memory gives.
    ready : In(1)
    """

    def __init__(self) -> None:
        super().__init__({
            "access": In(stream.Signature(AccessLayout)),
            "words": In(_READ.weight_word_bits),
            "ready": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = Loader(_READ)
        inside = Inside(m, dut, platform)
        connect(m, flipped(self.access), dut.i_access)
        here, word = AnyConst(16), AnyConst(_READ.weight_word_bits)
        asked = delayed(m, dut.o_address, 1)
        m.d.comb += [
            dut.i_weights.eq(self.words), dut.o_data.ready.eq(self.ready),
            Assume(~self.access.valid
                   | (~self.access.p.write & (self.access.p.region == Region.WEIGHTS))),
            Assume((asked != here) | (self.words == word)),
        ]
        gives = dut.o_data.valid & self.ready
        at, lane, length, done = Signal(16), Signal(2), Signal(16), Signal(16)
        with m.If(self.access.valid & dut.i_access.ready):
            m.d.sync += [at.eq(self.access.p.address), lane.eq(0), done.eq(0),
                         length.eq(self.access.p.length)]
        with m.Elif(gives):
            m.d.sync += [done.eq(done + 1), lane.eq(lane + 1), at.eq(at + (lane == 3))]
        bits = _READ.weight_format.field_bits
        field = word.word_select(lane[1], bits)
        value = Mux(lane[0], field[8:], field[:8])
        m.d.comb += [
            Assert(~dut.o_data.valid | (done != length), "no byte may be given beyond the length"),
            Assert(~dut.i_access.ready | (done == length), "no byte of an access may be left"),
            Assert(~(dut.o_data.valid & (at == here)) | (dut.o_data.payload == value),
                   "a byte must be that of its field"),
            Cover(gives & (at == here) & (done == 4), "a second word"),
        ]
        offered_stays(m, dut.o_data)
        self._invariants(m, dut, inside, asked, at, lane, length, done, here, word)
        return m

    def _invariants(self, m, dut, inside, asked, at, lane, length, done, here, word):
        access = inside["access"]
        works, bits = ~dut.i_access.ready, _READ.weight_format.field_bits
        moves, gives = inside.state("Move"), inside.state("Give")
        low, high = access.fields[:bits], access.fields[bits:]
        mine = at == here
        m.d.comb += [
            Assert(dut.i_access.ready | inside.state("Fetch", "Take") | moves | gives,
                   "it reads alone"),
            Assert(~works | (access.region == Region.WEIGHTS), "the region is that"),
            Assert(~works | (done != length), "a byte is to come"),
            Assert(~works | (access.left == (length - done)[:16]), "left is what is to come"),
            Assert(~works | (access.address[:16] == (at + (moves | gives))[:16]),
                   "the address is that of the word"),
            Assert(~inside.state("Take") | (asked == at), "the word has been asked for"),
            Assert(~inside.state("Fetch", "Take") | (lane == 0), "a word is given as a whole"),
            Assert(~moves | access.move, "fields move"), Assert(~gives | ~access.move, "or stay"),
            Assert(~moves | (access.load == (lane == 0)), "or are loaded"),
            Assert(~(moves & access.load) | (asked == at), "with the word of the address"),
            Assert(~moves | ~lane[0], "a field is given as a whole"),
            Assert(~(moves | gives) | (access.place == lane[1]), "the place is that of the field"),
            Assert(~(moves | gives) | (inside.signal("part") == lane[0]), "the part of the byte"),
            Assert(~(moves & (lane == 2) & mine) | (high == word[bits:]), "the second field"),
            Assert(~(gives & ~lane[1] & mine) | (access.fields == word), "both fields"),
            Assert(~(gives & lane[1] & mine) | (low == word[bits:]), "the second field has moved"),
        ]

"""What the COBS decoder and encoder promise."""

from amaranth.hdl import Assert, Cover, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, connect, flipped

from nhot_hw.formal.inside import Inside
from nhot_hw.formal.offered import offered_stays
from nhot_hw.io import CobsDecoder, CobsEncoder
from nhot_hw.io.cobs import FrameLayout

__all__ = ["DecoderUnstuffs", "EncoderCodes", "EncoderKeeps"]


class DecoderUnstuffs(wiring.Component):
    """Each byte taken gives the item that it stands for, and no other.

    Where codes are follows from the first byte of a frame on: each says how many bytes ahead the
    next is. The decoder counts these down; here the bytes behind a code are counted up.

    Members
    -------
    i : In(stream.Signature(8))
    ready : In(1)
    """

    i: In(stream.Signature(8))
    ready: In(1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = CobsDecoder()
        inside = Inside(m, dut, platform)
        connect(m, flipped(self.i), dut.i)
        m.d.comb += dut.o.ready.eq(self.ready)

        byte, item = self.i.payload, dut.o.p
        begins, code, behind = Signal(init=1), Signal(8), Signal(9, init=0)
        at_code = begins | (behind == code)
        end, zero = byte == 0, ~begins & (code != 0xFF)
        with m.If(self.i.valid & dut.i.ready):
            m.d.sync += [begins.eq(end), behind.eq(behind + 1)]
            with m.If(at_code):
                m.d.sync += [code.eq(byte), behind.eq(1)]

        gives = Mux(end, 1, Mux(at_code, zero, 1))
        m.d.comb += [
            Assert(dut.i.ready == self.ready, "a byte must be taken whenever an item is"),
            Assert(dut.o.valid == (self.i.valid & gives), "a byte must give one item or none"),
            Assert(~dut.o.valid | (item.end == end), "zero must end the frame, and nothing else"),
            Assert(~dut.o.valid | end | (item.data == Mux(at_code, 0, byte)),
                   "a byte must be given as it was, and a code as zero"),
            Assert(~dut.o.valid | ~end | (item.torn == ~at_code),
                   "a frame must be torn if it ends before its next code"),
            Cover(dut.o.valid & ~end & at_code, "a zero"),
            Cover(dut.o.valid & item.end & item.torn, "a torn frame"),
        ]
        m.d.comb += [
            Assert(inside["left"] == Mux(begins, 1, (code - behind + 1)[:8]),
                   "left counts down to the next code"),
            Assert(inside["zero"] == zero, "zero is as the last code says"),
            Assert(begins | ((code != 0) & (behind != 0) & (behind <= code)), "a code is ahead"),
        ]
        return m


class _Encoder(wiring.Component):
    """An encoder whose ring is followed by one picked place: what it must hold, and when it leaves.

    Members
    -------
    i : In(stream.Signature(FrameLayout))
    ready, pick : In(1)
    """

    i: In(stream.Signature(FrameLayout))
    ready: In(1)
    pick: In(1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = CobsEncoder()
        inside = Inside(m, dut, platform)
        connect(m, flipped(self.i), dut.i)
        m.d.comb += dut.o.ready.eq(self.ready)
        offered_stays(m, dut.o)
        self._claim(m, dut, inside, self._ring(m, dut, inside))
        return m

    def _ring(self, m: Module, dut: CobsEncoder, inside: Inside) -> Value:
        """Head, open slot and tail follow each other; returns how far the tail is ahead."""
        head, slot, tail, run = (inside[name] for name in ("head", "slot", "tail", "run"))
        closed, bits = Signal.like(head), len(head)  # places between head and open slot
        leaves = dut.o.valid & self.ready
        m.d.comb += [
            closed.eq(slot - head),
            Assert((slot + run)[:bits] == tail, "the run lies between slot and tail"),
            Assert((run != 0) & (closed + run <= 1 << bits), "the ring is not overfull"),
            Assert(~inside["delimit"] | (run == 1), "a delimiter has a run of its own"),
            Assert(~dut.o.valid | (closed != 0), "what leaves must have been closed"),
            Assert(~leaves | (inside["head"] != slot), "no open slot may leave"),
        ]
        return closed + run


class EncoderKeeps(_Encoder):
    """A byte that is not zero leaves as it was, in the place in which it was taken.

    Places are given and left one after the other, so that none is passed over or left twice.
    """

    def _claim(self, m: Module, dut: CobsEncoder, inside: Inside, filled: Value) -> None:
        head, tail = inside["head"], inside["tail"]
        place, value, live = Signal.like(tail), Signal(8), Signal()
        leaves = dut.o.valid & self.ready & (head == place)
        taken = self.i.valid & dut.i.ready & ~self.i.p.end & (self.i.p.data != 0)
        with m.If(live):
            m.d.sync += live.eq(~leaves)
        with m.Elif(taken & self.pick):
            m.d.sync += [live.eq(1), place.eq(tail), value.eq(self.i.p.data)]
        ahead = Signal.like(tail)
        word = inside.word("ring", place)
        m.d.comb += [
            ahead.eq(place - head),
            Assert(~(live & leaves) | (dut.o.payload == value), "a byte must leave as it was"),
            Assert(~live | (ahead < filled), "the picked byte is in the ring"),
            Assert(~live | (place != inside["slot"]), "the picked byte is in no slot"),
            Assert(~live | (word == value), "the ring holds the picked byte"),
            Cover(live & leaves & (place == 3), "a byte behind another"),
        ]


class EncoderCodes(_Encoder):
    """A code is one more than the bytes that were taken since it was opened, or the delimiter.

    A slot is picked when it is opened. The next is opened by a zero, by the end of the frame, or
    behind 254 bytes, and then the code is known; behind the end of a frame the delimiter is.
    """

    def _claim(self, m: Module, dut: CobsEncoder, inside: Inside, filled: Value) -> None:
        head, slot, tail = inside["head"], inside["slot"], inside["tail"]
        place, code = Signal.like(slot), Signal(8)
        live, open_ = Signal(name="live"), Signal(name="open")
        item = self.i.p
        taken = self.i.valid & dut.i.ready
        byte = taken & ~item.end & (item.data != 0)
        opens = (taken & ~byte) | (inside["close"] & ~taken)
        delimiter = Signal()  # the picked slot is that
        leaves = dut.o.valid & self.ready & (head == place)
        with m.If(live):
            with m.If(open_):
                m.d.sync += [code.eq(code + byte), open_.eq(~opens)]
            with m.If(leaves):
                m.d.sync += live.eq(0)
        with m.Elif(opens & self.pick):
            m.d.sync += [
                live.eq(1), open_.eq(1), place.eq(tail), delimiter.eq(taken & item.end),
                code.eq(~(taken & item.end)),
            ]
        ahead = Signal.like(slot)
        word = inside.word("ring", place)
        m.d.comb += [
            ahead.eq(place - head),
            Assert(~(live & leaves) | (~open_ & (dut.o.payload == code)),
                   "a code must be one more than the bytes behind it"),
            Assert(~(live & open_ & delimiter) | ~byte, "no byte may follow the end"),
            Assert(~live | (ahead < filled), "the picked slot is in the ring"),
            Assert(~(live & open_) | ((place == slot) & (inside["delimit"] == delimiter)
                   & (inside["run"] == Mux(delimiter, 1, code))), "the picked slot is open"),
            Assert(~live | open_ | ((place != slot) & (word == code)), "the ring holds the code"),
            Assert(~live | (delimiter == (code == 0)), "only the delimiter is zero"),
            Cover(live & leaves & (code == 2) & (place != 0), "a code of one byte"),
            Cover(live & leaves & delimiter, "a delimiter"),
        ]

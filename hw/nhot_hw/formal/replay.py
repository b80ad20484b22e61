"""What a replay queue promises: bytes in order, none lost, again after a rewind."""

from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, connect, flipped

from nhot_hw.formal.inside import Inside
from nhot_hw.formal.offered import offered_stays
from nhot_hw.io import ReplayFifo

__all__ = ["ReplayKeeps"]


class ReplayKeeps(wiring.Component):
    """Any byte comes out after those before it and as it was, in each reading.

    One byte is picked at any time, and the bytes in front of it are counted: nothing that is said
    of it depends on which one it is, so it is said of all. The queue never offers what was not
    written, takes a byte whenever it holds fewer than ``depth - 1``, and offers one within three
    cycles while there is one.

    Members
    -------
    i : In(stream.Signature(8))
    ready, forget, rewind : In(1)
    pick : In(1)
    """

    i: In(stream.Signature(8))
    ready: In(1)
    forget: In(1)
    rewind: In(1)
    pick: In(1)

    def __init__(self, depth: int = 8):
        self.depth = depth
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = ReplayFifo(self.depth)
        inside = Inside(m, dut, platform)
        connect(m, flipped(self.i), dut.i)
        m.d.comb += [
            dut.o.ready.eq(self.ready), dut.i_forget.eq(self.forget), dut.i_rewind.eq(self.rewind),
            Assume(~(self.forget & self.rewind)),
        ]
        write, read = self.i.valid & dut.i.ready, dut.o.valid & self.ready
        kept, unread = self._count(m, write, read)
        place, value, live = self._follow(m, write, kept, unread, read)
        m.d.comb += [
            Assert(dut.i.ready == (kept + unread < self.depth - 1), "room must be taken"),
            Assert(~dut.o.valid | (unread != 0), "a byte must have been written"),
            Assert(~(live & dut.o.valid & (kept == place)) | (dut.o.payload == value),
                   "a byte must come out as it was"),
            Cover(live & read & (kept == place) & (place == 2), "a byte behind two others"),
        ]
        waited = Signal(2)  # cycles in which there was a byte and none was offered
        m.d.sync += waited.eq(Mux((unread == 0) | dut.o.valid | self.rewind, 0, waited + 1))
        m.d.comb += Assert((waited < 2) | dut.o.valid, "a byte must be offered within three cycles")
        again = Signal()
        with m.If(self.rewind & live & (kept > place)):
            m.d.sync += again.eq(1)
        m.d.comb += Cover(again & live & read & (kept == place), "a byte for the second time")
        offered_stays(m, dut.o, unless=self.rewind)
        self._invariants(m, inside, dut, kept, unread, place, value, live, waited)
        return m

    def _count(self, m, write, read):
        """Bytes that were read and not yet forgotten, and those that were not read."""
        kept, unread = Signal(range(self.depth)), Signal(range(self.depth))
        m.d.sync += [unread.eq(unread + write - read), kept.eq(kept + read)]
        with m.If(self.forget):
            m.d.sync += kept.eq(read)
        with m.If(self.rewind):
            m.d.sync += [unread.eq(unread + kept + write), kept.eq(0)]
        return kept, unread

    def _follow(self, m, write, kept, unread, read):
        """The picked byte: how many are in front of it, its value, whether it is in the queue."""
        place, value, live = Signal.like(kept), Signal(8), Signal()
        left = Mux(self.forget, kept, 0)  # bytes that leave for good
        with m.If(live):
            m.d.sync += [place.eq(place - left), live.eq(place >= left)]
        with m.Elif(write & self.pick):
            m.d.sync += [
                live.eq(1), value.eq(self.i.payload), place.eq(kept + unread - left),
            ]
        return place, value, live

    def _invariants(self, m, inside, dut, kept, unread, place, value, live, waited):
        oldest, head, tail = (inside[name] for name in ("oldest", "head", "tail"))
        at = Signal.like(oldest)
        m.d.comb += at.eq(oldest + place)
        word = inside.word("memory", at)
        m.d.comb += [
            Assert((oldest + kept)[:len(head)] == head, "head is behind what was read"),
            Assert((head + unread)[:len(head)] == tail, "tail is behind what was not read"),
            Assert(kept + unread < self.depth, "the queue is not overfull"),
            Assert(~live | (place < kept + unread), "the picked byte is in the queue"),
            Assert(~live | (word == value), "the memory holds the picked byte"),
            Assert(~inside["fetched"] | (~dut.o.valid & (unread != 0)), "one is fetched"),
            Assert((waited == 1) == inside["fetched"], "it is fetched in the second cycle"),
        ]

"""Consistent-overhead byte stuffing: frames of any bytes, told apart by a byte that is zero."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory, MemoryData
from amaranth.lib.wiring import In, Out

from nhot.errors import NhotError

__all__ = ["CobsDecoder", "CobsEncoder", "DecodedLayout", "FrameLayout"]

#: A byte of a frame, or, with ``end`` set, the frame's end (``data`` is then ignored).
FrameLayout = data.StructLayout({"data": 8, "end": 1})

#: The same from a decoder, which marks the end of a frame that lacks bytes as ``torn``.
DecodedLayout = data.StructLayout({"data": 8, "end": 1, "torn": 1})


class CobsDecoder(wiring.Component):
    """Frames out of stuffed bytes; combinational from ``i`` to ``o``, a byte a cycle.

    It takes nothing while ``o`` is not ready, not even a byte that gives no item: after the end of
    a frame, what is before it has left ``i`` and what is behind it has not. So ``o`` must be ready
    without waiting for it to be valid.

    Members
    -------
    i : In(stream.Signature(8))
    o : Out(stream.Signature(DecodedLayout))
        The bytes of a frame, then an item with ``end`` set. Two delimiters in a row make an
        empty frame.
    """

    i: In(stream.Signature(8))
    o: Out(stream.Signature(DecodedLayout))

    def elaborate(self, platform):
        m = Module()

        left = Signal(8, init=1)  # bytes up to the next code, itself included
        zero = Signal()  # the next code stands for a zero, unless the frame ends there
        at_code = Signal()
        at_end = Signal()
        m.d.comb += [
            at_code.eq(left == 1),
            at_end.eq(self.i.payload == 0),
            self.o.p.data.eq(Mux(at_code, 0, self.i.payload)),
            self.o.p.end.eq(at_end),
            self.o.p.torn.eq(~at_code),
        ]

        m.d.comb += [
            self.o.valid.eq(self.i.valid & (~at_code | zero | at_end)),
            self.i.ready.eq(self.o.ready),
        ]

        with m.If(self.i.valid & self.i.ready):
            with m.If(at_end):
                m.d.sync += [left.eq(1), zero.eq(0)]
            with m.Elif(at_code):
                m.d.sync += [left.eq(self.i.payload), zero.eq(self.i.payload != 0xFF)]
            with m.Else():
                m.d.sync += left.eq(left - 1)

        return m


class CobsEncoder(wiring.Component):
    """Stuffed bytes out of frames, and a queue for them.

    A code is known only once its run of bytes has ended, so bytes are put into a ring memory behind
    a slot that is filled later; whatever lies before the open slot may leave. While one frame
    leaves the next can be written. Takes a byte a cycle, less one cycle for each 254 bytes without
    a zero and one for each end; gives a byte in two cycles.

    Parameters
    ----------
    depth : int
        Bytes of the ring, a power of two, at least 512: a run of 255 must never fill it.

    Members
    -------
    i : In(stream.Signature(FrameLayout))
    o : Out(stream.Signature(8))
        Each frame is followed by its delimiter.
    """

    i: In(stream.Signature(FrameLayout))
    o: Out(stream.Signature(8))

    def __init__(self, depth: int = 512):
        if depth < 512 or depth & (depth - 1):
            raise NhotError(f"Encoder depth must be a power of two from 512, not {depth!r}")
        self._ring = MemoryData(shape=8, depth=depth, init=[])
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        m.submodules.ring = ring = Memory(self._ring)
        write, read = ring.write_port(), ring.read_port()
        pointer = range(self._ring.depth)
        slot = Signal(pointer)  # of the code of the open run
        tail = Signal(pointer, init=1)  # where the next byte goes, or the next run's slot
        head = Signal(pointer)  # the next byte to leave
        run = Signal(8, init=1)  # the open run's code

        room = Signal()
        take = Signal()
        close = Signal()
        delimit = Signal()  # the slot is the delimiter's
        ends_run = self.i.p.end | (self.i.p.data == 0)
        wait = ~self.i.p.end & (run == 0xFF)  # a full run stands for no zero: close it first
        m.d.comb += [
            room.eq(tail != head),
            self.i.ready.eq(room & ~delimit & ~wait),
            take.eq(self.i.valid & self.i.ready),
            close.eq(room & (delimit | (self.i.valid & (wait | ends_run)))),
            write.en.eq(take | close),
            write.addr.eq(Mux(close, slot, tail)),
            write.data.eq(Mux(close, Mux(delimit, 0, run), self.i.p.data)),
        ]
        with m.If(write.en):
            m.d.sync += [tail.eq(tail + 1), run.eq(run + 1)]
        with m.If(close):
            m.d.sync += [slot.eq(tail), run.eq(1), delimit.eq(take & self.i.p.end)]

        leave = self.o.valid & self.o.ready
        m.d.comb += [read.addr.eq(head), self.o.payload.eq(read.data)]
        m.d.sync += [head.eq(head + leave), self.o.valid.eq((head != slot) & ~leave)]

        return m

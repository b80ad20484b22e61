"""A queue that can be read twice: once to check a frame, once to use it."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory, MemoryData
from amaranth.lib.wiring import In, Out

from nhot.errors import NhotError

__all__ = ["ReplayFifo"]


class ReplayFifo(wiring.Component):
    """A first-in first-out queue of bytes that keeps what was read until told to forget it.

    A byte a cycle in; a byte in three cycles out, from a register. It holds ``depth - 1`` bytes,
    those read and not yet forgotten included.

    Parameters
    ----------
    depth : int
        Bytes of the memory, a power of two.

    Members
    -------
    i : In(stream.Signature(8))
    o : Out(stream.Signature(8))
    i_forget : In(1)
        Release the bytes read before this cycle.
    i_rewind : In(1)
        Read again from the oldest byte not released. ``o`` may break off a transfer it offers. Not
        together with ``i_forget``.
    """

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))
    i_forget: In(1)
    i_rewind: In(1)

    def __init__(self, depth: int = 512):
        if depth < 4 or depth & (depth - 1):
            raise NhotError(f"Queue depth must be a power of two from 4, not {depth!r}")
        self._memory = MemoryData(shape=8, depth=depth, init=[])
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        m.submodules.memory = memory = Memory(self._memory)
        write, read = memory.write_port(), memory.read_port()
        pointer = range(self._memory.depth)
        tail = Signal(pointer)
        head = Signal(pointer)
        oldest = Signal(pointer)

        after = Signal(pointer)
        m.d.comb += [
            after.eq(tail + 1),
            self.i.ready.eq(after != oldest),
            write.addr.eq(tail),
            write.data.eq(self.i.payload),
            write.en.eq(self.i.valid & self.i.ready),
        ]
        with m.If(write.en):
            m.d.sync += tail.eq(after)

        fetched = Signal()
        m.d.comb += read.addr.eq(head)
        m.d.sync += fetched.eq(~self.o.valid & ~fetched & (head != tail))
        with m.If(fetched):
            m.d.sync += [self.o.payload.eq(read.data), self.o.valid.eq(1)]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [head.eq(head + 1), self.o.valid.eq(0)]
        with m.If(self.i_rewind):
            m.d.sync += [head.eq(oldest), self.o.valid.eq(0), fetched.eq(0)]
        with m.If(self.i_forget):
            m.d.sync += oldest.eq(head)

        return m

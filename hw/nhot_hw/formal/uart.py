"""What the serial port promises: each byte is on the line, bit by bit, and comes from it."""

from amaranth.hdl import Assert, Assume, Cat, Const, Cover, Module, Mux, ResetSignal, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, connect, flipped

from nhot_hw.delay import delayed
from nhot_hw.formal.inside import Inside
from nhot_hw.io import UartReceiver, UartTransmitter

__all__ = ["ReceiverTakes", "TransmitterSends"]

_STOP = 9  # number of the last bit of a frame, which the start bit begins

#: A byte on its way over a line: which bit, and which of its cycles.
_OnLine = data.StructLayout({"active": 1, "bit": 4, "cycle": 4, "byte": 8})


def _level(state: Value) -> Value:
    """The line: high while idle, a start bit, eight bits, low one first, a stop bit."""
    bits = Cat(Const(0, 1), state.byte, Const(1, 1))
    return Mux(state.active, bits.bit_select(state.bit, 1), 1)


def _advance(m: Module, state: Value, divisor: int) -> Signal:
    """A cycle on; returns whether it is the last one of the byte."""
    last = Signal()
    bit_end = state.cycle == divisor - 1
    m.d.comb += last.eq(state.active & bit_end & (state.bit == _STOP))
    with m.If(state.active):
        m.d.sync += state.cycle.eq(Mux(bit_end, 0, state.cycle + 1))
        with m.If(bit_end):
            m.d.sync += state.bit.eq(state.bit + 1)
        with m.If(last):
            m.d.sync += state.active.eq(0)
    return last


class TransmitterSends(wiring.Component):
    """Each byte taken is on the line from the next cycle on, each bit for ``divisor`` cycles.

    The next one is taken in the last cycle of its stop bit, or later. Between bytes it is idle.

    Members
    -------
    i : In(stream.Signature(8))
    """

    i: In(stream.Signature(8))

    def __init__(self, divisor: int = 4):
        self.divisor = divisor
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = UartTransmitter(self.divisor)
        inside = Inside(m, dut, platform)
        connect(m, flipped(self.i), dut.i)
        state = Signal(_OnLine)
        last = _advance(m, state, self.divisor)
        with m.If(self.i.valid & dut.i.ready):
            m.d.sync += [
                state.active.eq(1), state.bit.eq(0), state.cycle.eq(0),
                state.byte.eq(self.i.payload),
            ]
        to_come = Cat(Const(0, 1), state.byte, Const(-1, 10)) >> state.bit
        m.d.comb += [
            Assert(dut.tx == _level(state), "each bit must be on the line for its time"),
            Assert(dut.i.ready == (~state.active | last), "a byte must be taken when one may be"),
            Cover(last & (state.byte == 0xA5) & self.i.valid, "a byte behind another"),
        ]
        m.d.comb += [
            Assert(state.bit <= 10, "a frame has ten bits"),
            Assert(state.cycle < self.divisor, "a bit has so many cycles"),
            Assert(~state.active | (state.bit <= _STOP), "there is a bit"),
            Assert(inside["bits"] == Mux(state.active, 10 - state.bit, 0), "bits are counted down"),
            Assert(~state.active | (inside["timer"] == self.divisor - 1 - state.cycle),
                   "cycles are counted down"),
            Assert(inside["shift"] == Mux(state.active, to_come[:9], 0x1FF), "bits move down"),
        ]
        return m


class ReceiverTakes(wiring.Component):
    """Each byte on the line is offered once, unchanged, and no other; the line's clock is exact.

    The line is idle for as long as it likes between bytes, or not at all. A byte that ends while
    the one before it has not been taken is dropped. There is no reset after the first cycle.

    Members
    -------
    send, byte : In
        A byte begins, if the line is free.
    ready : In(1)
    """

    send: In(1)
    byte: In(8)
    ready: In(1)

    def __init__(self, divisor: int = 4):
        self.divisor = divisor
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = UartReceiver(self.divisor)
        inside = Inside(m, dut, platform)
        line = Signal(_OnLine)
        last = _advance(m, line, self.divisor)
        with m.If(self.send & (~line.active | last)):
            m.d.sync += [
                line.active.eq(1), line.bit.eq(0), line.cycle.eq(0), line.byte.eq(self.byte),
            ]
        m.d.comb += [
            dut.rx.eq(_level(line)), dut.o.ready.eq(self.ready),
            Assume(~ResetSignal()),  # in the midst of a byte it would be read from there on
        ]
        # Behind the synchroniser, two cycles later.
        seen = Signal(_OnLine)
        m.d.comb += seen.as_value().eq(delayed(m, line.as_value(), 2))

        middle = self.divisor // 2
        arrives = seen.active & (seen.bit == _STOP) & (seen.cycle == middle)
        offered, value, lost = Signal(), Signal(8), Signal()
        m.d.comb += lost.eq(arrives & offered & ~self.ready)
        with m.If(arrives & ~lost):
            m.d.sync += [offered.eq(1), value.eq(seen.byte)]
        with m.Elif(self.ready):
            m.d.sync += offered.eq(0)
        m.d.comb += [
            Assert(dut.o.valid == offered, "each byte must be offered once, and no other"),
            Assert(~offered | (dut.o.payload == value), "a byte must come as it was"),
            Cover(arrives & (seen.byte == 0xA5) & offered & ~lost, "a byte behind another"),
            Cover(lost, "a byte that is dropped"),
        ]
        self._invariants(m, inside, line, seen, middle)
        return m

    def _invariants(self, m: Module, inside: Inside, line: Value, seen: Value, middle: int) -> None:
        bit, cycle = seen.bit, seen.cycle
        late = cycle > middle  # the bit has been sampled
        sampled = Signal(4)  # bits behind the start bit
        m.d.comb += sampled.eq(Mux(late, bit, bit - 1))
        starts = seen.active & (bit == 0) & ~late
        recovers = seen.active & (bit == _STOP) & (cycle == middle + 1)
        done = seen.active & (bit == _STOP) & (cycle > middle + 1)
        idle = ~seen.active | (starts & (cycle == 0)) | done
        in_bits = seen.active & ~starts & ~recovers & ~done
        timer = inside["timer"]
        m.d.comb += [
            *(Assert((state.bit <= 10) & (state.cycle < self.divisor), "a frame has its bits")
              for state in (line, seen)),
            *(Assert(~state.active | (state.bit <= _STOP), "there is a bit")
              for state in (line, seen)),
            Assert(inside["rx"] == _level(seen), "the line is seen two cycles later"),
            Assert(inside.state("Idle") == idle, "it is idle between bytes"),
            Assert(inside.state("Start") == (starts & (cycle != 0)), "a start bit is seen"),
            Assert(inside.state("Bits") == in_bits, "bits are seen"),
            Assert(inside.state("Recover") == recovers, "the stop bit is seen"),
            Assert(~inside.state("Start", "Bits")
                   | (timer == Mux(in_bits & late, middle + self.divisor, middle) - cycle),
                   "the middle of a bit is awaited"),
            Assert(~inside.state("Start") | (inside["bit"] == 9), "nine bits are to come"),
            Assert(~in_bits | (inside["bit"] == 9 - sampled), "bits are counted down"),
            Assert(~in_bits | ((inside["shift"] >> (8 - sampled)[:4])
                               == (seen.byte & ((1 << sampled) - 1)[:8])), "bits move down"),
        ]

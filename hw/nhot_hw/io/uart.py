"""A serial port, 8N1: a receiver and a transmitter that carry back-to-back frames without loss."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from nhot.errors import NhotError

__all__ = ["UartReceiver", "UartTransmitter", "uart_divisor"]

#: Largest relative error of the bit time; the other side needs its share of the 5 % there are.
TOLERANCE = 0.015


def uart_divisor(clock_hz: int, baud: int) -> int:
    """Clock cycles a bit takes.

    Raises :class:`NhotError` where the nearest whole number misses ``baud`` by more than 1.5 %.
    """
    if clock_hz < 1 or baud < 1:
        raise NhotError(f"Clock and baud rate must be positive, not {clock_hz} and {baud}")
    divisor = round(clock_hz / baud)
    if divisor < 4 or abs(clock_hz / (divisor * baud) - 1) > TOLERANCE:
        raise NhotError(
            f"Baud rate must divide the clock of {clock_hz} Hz within {TOLERANCE:.1%} "
            f"and by at least 4, not {baud} ({clock_hz / baud:.2f} cycles a bit)"
        )
    return divisor


class UartReceiver(wiring.Component):
    """Bytes from a serial line.

    Each bit is sampled once, in its middle. A start bit that is gone by its middle is a glitch; a
    byte without its stop bit is dropped, and the line must idle before the next one. The receiver
    is ready for a start bit right after the middle of the stop bit, so a sender may be faster by
    4 %. A byte that arrives while the one before it has not been taken is dropped.

    Parameters
    ----------
    divisor : int
        Clock cycles a bit takes, at least 4.

    Members
    -------
    rx : In(1)
        The line, idle high, asynchronous to the clock.
    o : Out(stream.Signature(8))
    """

    rx: In(1, init=1)
    o: Out(stream.Signature(8))

    def __init__(self, divisor: int):
        self.divisor = _check_divisor(divisor)
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        rx = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.rx, rx, init=1)

        timer = Signal(range(self.divisor))
        bit = Signal(range(10))
        shift = Signal(8)
        last = Signal()
        m.d.comb += last.eq(timer == 0)
        m.d.sync += timer.eq(timer - 1)

        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        with m.FSM():
            with m.State("Idle"):
                m.d.sync += [timer.eq(self.divisor // 2 - 1), bit.eq(9)]
                with m.If(~rx):
                    m.next = "Start"
            with m.State("Start"):
                with m.If(last):
                    m.d.sync += timer.eq(self.divisor - 1)
                    with m.If(rx):
                        m.next = "Idle"
                    with m.Else():
                        m.next = "Bits"
            with m.State("Bits"):
                with m.If(last):
                    m.d.sync += [timer.eq(self.divisor - 1), bit.eq(bit - 1)]
                    with m.If(bit != 1):
                        m.d.sync += shift.eq(Cat(shift[1:], rx))
                    with m.Else():
                        m.next = "Recover"
                        with m.If(rx & (~self.o.valid | self.o.ready)):
                            m.d.sync += [self.o.payload.eq(shift), self.o.valid.eq(1)]
            with m.State("Recover"):
                with m.If(rx):
                    m.next = "Idle"

        return m


class UartTransmitter(wiring.Component):
    """Bytes to a serial line: one stop bit, exactly ``10 * divisor`` cycles a byte.

    Parameters
    ----------
    divisor : int
        Clock cycles a bit takes, at least 4.

    Members
    -------
    i : In(stream.Signature(8))
    tx : Out(1)
        The line, idle high.
    """

    i: In(stream.Signature(8))
    tx: Out(1, init=1)

    def __init__(self, divisor: int):
        self.divisor = _check_divisor(divisor)
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        timer = Signal(range(self.divisor))
        bits = Signal(range(11))  # still to be sent, the one on the line included
        shift = Signal(9, init=0x1FF)
        last = Signal()
        m.d.comb += [
            last.eq(timer == 0),
            # The next byte is taken in the last cycle of a stop bit, so its start bit follows it.
            self.i.ready.eq((bits == 0) | ((bits == 1) & last)),
        ]

        m.d.comb += self.tx.eq(shift[0])
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [shift.eq(Cat(0, self.i.payload)), bits.eq(10), timer.eq(self.divisor - 1)]
        with m.Elif(last & (bits != 0)):
            m.d.sync += [shift.eq(Cat(shift[1:], 1)), bits.eq(bits - 1), timer.eq(self.divisor - 1)]
        with m.Elif(bits != 0):
            m.d.sync += timer.eq(timer - 1)

        return m


def _check_divisor(divisor: int) -> int:
    if not isinstance(divisor, int):
        raise TypeError(f"Divisor must be an int, not {divisor!r}")
    if divisor < 4:
        raise NhotError(f"Divisor must be at least 4 cycles a bit, not {divisor}")
    return divisor

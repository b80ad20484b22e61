"""A SPI flash, read from an address on."""

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from nhot.errors import NhotError

__all__ = ["FLASH_BYTES", "FlashPins", "FlashReader"]

FlashPins = wiring.Signature({
    "cs_n": Out(1, init=1), "clk": Out(1), "copi": Out(1), "cipo": In(1),
})
"""A flash, from the side of what reads it."""

FLASH_BYTES = 1 << 24
"""What three bytes of an address reach."""

_RELEASE, _READ = 0xAB, 0x03
_PAUSE_SECONDS = 1e-3
_MOST_HZ = 20e6


class FlashReader(wiring.Component):
    """Bytes of a flash from an address on, for as long as they are taken.

    JEDEC's commands that every SPI flash knows: 0xAB, as whatever configured the FPGA may have put
    the flash to sleep, then 0x03, which has no dummy cycles and is good for 20 MHz. A millisecond
    before each is more than any flash needs after power-up or to wake. SPI mode 0: bits change
    with the falling edge, and are looked at right before the next one. The clock pauses while a
    byte waits.

    It reads for as long as it is not in reset: what uses it puts it there with a
    ``ResetInserter``, and begins anew.

    Parameters
    ----------
    clock_hz : int

    Members
    -------
    pins : Out(FlashPins)
    o : Out(stream.Signature(8))
    i_address : In(24)
        Where to begin; held while it reads.
    """

    pins: Out(FlashPins)
    o: Out(stream.Signature(8))
    i_address: In(24)

    def __init__(self, *, clock_hz: int):
        if clock_hz < 1:
            raise NhotError(f"Clock must be positive, not {clock_hz} Hz")
        self._half = max(1, -int(-clock_hz // (2 * _MOST_HZ)))  # cycles of half a bit
        self._pause = max(1, round(clock_hz * _PAUSE_SECONDS))
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        timer = Signal(range(self._pause), init=self._pause - 1)
        awake = Signal()  # the flash has been told to wake
        selected = Signal()
        out = Signal(32)
        bits = Signal(range(41))  # still to be shifted
        m.d.comb += [self.pins.cs_n.eq(~selected), self.pins.copi.eq(out[-1])]
        m.d.sync += timer.eq(timer - 1)

        with m.FSM():
            with m.State("Pause"):
                with m.If(timer == 0):
                    m.d.sync += [selected.eq(1), timer.eq(self._half - 1)]
                    m.d.sync += [out.eq(_RELEASE << 24), bits.eq(8)]
                    with m.If(awake):
                        m.d.sync += [out.eq(Cat(self.i_address, Const(_READ, 8))), bits.eq(32 + 8)]
                    m.next = "Shift"
            with m.State("Shift"):
                with m.If(timer == 0):
                    m.d.sync += [timer.eq(self._half - 1), self.pins.clk.eq(~self.pins.clk)]
                    with m.If(self.pins.clk):
                        m.d.sync += [
                            self.o.payload.eq(Cat(self.pins.cipo, self.o.payload)),
                            out.eq(out << 1), bits.eq(bits - 1),
                        ]
                        with m.If(bits == 1):
                            m.next = "Give"
            with m.State("Give"):
                m.d.comb += self.o.valid.eq(awake)
                m.d.sync += [timer.eq(self._half - 1), bits.eq(8)]
                with m.If(~awake):
                    m.d.sync += [awake.eq(1), selected.eq(0), timer.eq(self._pause - 1)]
                    m.next = "Pause"
                with m.Elif(self.o.ready):
                    m.next = "Shift"

        return m

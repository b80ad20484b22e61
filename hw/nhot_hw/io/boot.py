"""What loads an engine from a flash when it is switched on, in the place of a host."""

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nhot.device.flash_record import HEADER, MAGIC
from nhot.device.protocol import Boot
from nhot.errors import NhotError
from nhot_hw.io.crc import SerialCrc
from nhot_hw.io.flash import FLASH_BYTES, FlashPins, FlashReader

__all__ = ["FlashBoot"]

_CRC_BYTES = 4
_TRIES = 3
#: Cycles until a frame has its answer, when all of it is there; the longest takes 3,500 of them.
_PATIENCE = 1 << 13


class FlashBoot(wiring.Component):
    """Reads a record (:func:`nhot.device.flash_record.flash_record`) twice: to check, then to obey.

    Nothing is written before magic, target id, length and checksum of the whole record are right.
    On the second pass its frames go to the request server as if a host had sent them, each when the
    one before has been answered: one that comes otherwise than before has no answer, and ends it.
    The frame with the first word of the program is the last.

    A record that is not right the first time is read again, three times in all: a flash may be slow
    to wake. Then, or when the engine is loaded, the line is the host's.

    Parameters
    ----------
    target_id : int
    clock_hz : int
    address : int
        Of the record in the flash.
    length_bits : int
        Bits that the length of its frames may have.

    Members
    -------
    flash : Out(FlashPins)
    o : Out(stream.Signature(8))
        Frames for the request server.
    i_answered : In(1)
        An answer ends in this cycle.
    o_busy : Out(1)
        From power-up on, until nothing more will come.
    o_outcome : Out(Boot)
        What came of it; final when it is no longer busy.
    """

    flash: Out(FlashPins)
    o: Out(stream.Signature(8))
    i_answered: In(1)
    o_busy: Out(1)
    o_outcome: Out(Boot)

    def __init__(self, *, target_id: int, clock_hz: int, address: int, length_bits: int):
        last = FLASH_BYTES - HEADER.size - _CRC_BYTES - (1 << length_bits)
        if not 0 <= address <= last:
            raise NhotError(
                f"Address of a record of up to {1 << length_bits} bytes in a flash must be 0 to "
                f"{last}, not {address}"
            )
        self._known = int.from_bytes(MAGIC, "little") | target_id << 32
        self._addresses = address, address + HEADER.size  # of the record, and of its frames
        self._length_bits = length_bits
        self._reader = FlashReader(clock_hz=clock_hz)
        self._crc = SerialCrc()
        self._reading = Signal()
        self._again = Signal()  # the second pass
        self._length = Signal(32)
        self._left = Signal(length_bits + 1)  # bytes
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        m.submodules.reader = reader = ResetInserter(~self._reading)(self._reader)
        m.submodules.crc = self._crc
        connect(m, reader.pins, flipped(self.flash))
        m.d.comb += [
            self.o_busy.eq(1),
            reader.i_address.eq(Mux(self._again, self._addresses[1], self._addresses[0])),
            self._crc.i.payload.eq(reader.o.payload),
            self.o.payload.eq(reader.o.payload),
        ]
        with m.FSM():
            self._begin(m)
            self._check(m)
            self._obey(m)

        return m

    def _begin(self, m):
        """A cycle without reading, before each try."""
        tries = Signal(range(_TRIES), init=_TRIES - 1)
        with m.State("Begin"):
            with m.If(self._crc.i.ready):
                m.d.comb += self._crc.i_start.eq(1)
                m.d.sync += self._reading.eq(1)
                m.next = "Header"
        with m.State("Fail"):
            m.d.sync += [self._reading.eq(0), tries.eq(tries - 1)]
            m.next = "Begin"
            with m.If(tries == 0):
                m.next = "Done"
        with m.State("Done"):
            m.d.comb += self.o_busy.eq(0)
            m.d.sync += self._reading.eq(0)

    def _check(self, m):
        """The first pass: header, frames and checksum."""
        crc, length, left = self._crc, self._length, self._left
        place = Signal(range(HEADER.size))
        differs = Signal(2)  # magic, target id
        known = Const(self._known, 64).word_select(place[:3], 8)

        with m.State("Header"):
            byte = self._sum(m, 1)
            with m.If(byte.valid & byte.ready):
                m.d.sync += place.eq(place + 1)
                with m.If(place[3]):
                    m.d.sync += length.eq(Cat(length[8:], byte.payload))
                with m.Elif(byte.payload != known):
                    m.d.sync += differs.bit_select(place[2], 1).eq(1)
                with m.If(place == HEADER.size - 1):
                    m.next = "Judge"

        with m.State("Judge"):
            m.d.sync += [place.eq(0), differs.eq(0)]
            m.d.sync += left.eq(length[:self._length_bits] + _CRC_BYTES)
            m.next = "Rest"
            with m.If(differs[0]):
                self._fail(m, Boot.NONE)
            with m.Elif(differs[1]):
                self._fail(m, Boot.FOREIGN)
            with m.Elif(length[self._length_bits:].any() | ~length.any()):
                self._fail(m, Boot.DAMAGED)

        with m.State("Rest"):
            byte = self._sum(m, left != 0)
            with m.If(byte.valid & byte.ready):
                m.d.sync += left.eq(left - 1)
            with m.If((left == 0) & crc.i.ready):
                m.d.sync += self._reading.eq(0)
                m.next = "Again"
                with m.If(~crc.o_match):
                    self._fail(m, Boot.DAMAGED)

    def _sum(self, m, more):
        """The next byte of the flash, which goes through the checksum."""
        byte, crc = self._reader.o, self._crc.i
        m.d.comb += [crc.valid.eq(byte.valid & more), byte.ready.eq(crc.ready & more)]
        return byte

    def _fail(self, m, outcome):
        m.d.sync += self.o_outcome.eq(outcome)
        m.next = "Fail"

    def _obey(self, m):
        """The second pass: frames to the server, one at a time."""
        byte, left = self._reader.o, self._left
        patience = Signal(range(_PATIENCE))

        with m.State("Again"):
            m.d.sync += [self._again.eq(1), self._reading.eq(1), left.eq(self._length)]
            m.d.sync += self.o_outcome.eq(Boot.DAMAGED)
            m.next = "Feed"

        with m.State("Feed"):
            m.d.comb += [self.o.valid.eq(byte.valid), byte.ready.eq(self.o.ready)]
            m.d.sync += patience.eq(_PATIENCE - 1)
            with m.If(byte.valid & byte.ready):
                m.d.sync += left.eq(left - 1)
                with m.If(byte.payload == 0):
                    m.next = "Answer"
                with m.Elif(left == 1):
                    m.next = "Done"

        with m.State("Answer"):
            m.d.sync += patience.eq(patience - 1)
            with m.If(self.i_answered):
                m.next = "Feed"
                with m.If(left == 0):
                    m.d.sync += self.o_outcome.eq(Boot.LOADED)
                    m.next = "Done"
            with m.Elif(patience == 0):
                m.next = "Done"

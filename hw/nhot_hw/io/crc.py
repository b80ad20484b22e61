"""The checksum of a frame, a bit at a time: a byte on the wire lasts longer than eight cycles."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

__all__ = ["SerialCrc"]


class SerialCrc(wiring.Component):
    """CRC-32 (``zlib.crc32``) of a stream of bytes, eight cycles a byte.

    ``o_crc`` and ``o_match`` hold for the bytes taken so far whenever ``i`` is ready.

    Members
    -------
    i : In(stream.Signature(8))
    i_start : In(1)
        Forget the bytes so far. Only while ``i`` is ready and not valid.
    i_drain : In(1)
        The bytes are those of the checksum itself, low byte first, taken from ``o_crc[:8]``: after
        each of them ``o_crc`` has moved down by one byte. Held from the first of them until ``i``
        is ready again after the last.
    o_crc : Out(32)
    o_match : Out(1)
        The last four bytes were the checksum of the ones before.
    """

    i: In(stream.Signature(8))
    i_start: In(1)
    i_drain: In(1)
    o_crc: Out(32)
    o_match: Out(1)

    def elaborate(self, platform):
        m = Module()

        m.submodules.crc = crc = CRC32_ISO_HDLC(data_width=1).create()
        bits = Signal(8)
        left = Signal(4)
        m.d.comb += [
            self.i.ready.eq(left == 0),
            crc.start.eq(self.i_start),
            crc.valid.eq(left != 0),
            # The register's own low bit cancels the feedback: it only shifts.
            crc.data.eq(bits[0] ^ self.i_drain),
            self.o_crc.eq(crc.crc),
            self.o_match.eq(crc.match_detected),
        ]
        with m.If(left != 0):
            m.d.sync += [bits.eq(Cat(bits[1:], 0)), left.eq(left - 1)]
        with m.Elif(self.i.valid):
            m.d.sync += [bits.eq(self.i.payload), left.eq(8)]

        return m

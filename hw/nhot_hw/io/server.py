"""What the board does with the bytes of a host: frames to accesses of the engine, and answers."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nhot.device.protocol import (
    BUFFER_BYTES,
    HEADER_BYTES,
    MAX_PAYLOAD,
    VERSION,
    Boot,
    Fault,
    Opcode,
    Region,
    Status,
)
from nhot.errors import NhotError
from nhot_hw.engine.host import HostSignature
from nhot_hw.io.cobs import CobsDecoder, CobsEncoder, FrameLayout
from nhot_hw.io.crc import SerialCrc
from nhot_hw.io.replay import ReplayFifo
from nhot_hw.stream_register import StreamRegister

__all__ = ["RequestServer"]

_HeaderLayout = data.StructLayout({
    "opcode": 8, "sequence": 8, "region": 8, "address": 16, "length": 16,
})
_CRC_BYTES = 4
_ANSWER_BYTES = 3  # of the header
_HELLO_BYTES, _STATE_BYTES = 7, 14
_ANSWER = 0x80


class RequestServer(wiring.Component):
    """Check requests, have the engine carry them out, answer each of them.

    Requests wait in a queue of 511 bytes, stuffed as they came. Each is read twice: once to check
    it, and, where it writes and its checksum was right, once more to carry it out. So a frame that
    is torn, altered or overlong changes nothing; it is counted and gets no answer. Answers wait in
    a queue of their own, so neither direction of the line pauses for the other. A byte takes nine
    cycles to check and three to carry out.

    Parameters
    ----------
    target_id : int
        32 bits that HELLO reports: which images this engine can run.
    boots : bool
        Whether the engine may have been loaded from a flash, of which BOOT then reports.

    Members
    -------
    i : In(stream.Signature(8))
    o : Out(stream.Signature(8))
    engine : Out(HostSignature)
    i_boot : In(Boot), if it boots
    """

    def __init__(self, *, target_id: int, boots: bool = False):
        if not 0 <= target_id < 2**32:
            raise NhotError(f"Target id must have 32 bits, not {target_id!r}")
        self.target_id = target_id
        self._boots = boots
        self._queue = ReplayFifo(BUFFER_BYTES + 1)
        self._decoder = CobsDecoder()
        self._crc = SerialCrc()
        self._encoder = CobsEncoder(512)
        self._reply = StreamRegister(FrameLayout)
        self._header = Signal(_HeaderLayout)
        # Bytes so far, of the payload where not negative: the header is counted from below zero.
        self._count = Signal(signed(10), init=-HEADER_BYTES - _CRC_BYTES)
        self._status = Signal(Status)
        self._dropped = Signal(8)
        self._at_end = Signal()
        super().__init__({
            "i": In(stream.Signature(8)), "o": Out(stream.Signature(8)),
            "engine": Out(HostSignature), **({"i_boot": In(Boot)} if boots else {}),
        })

    def elaborate(self, platform):
        m = Module()

        for name in ("queue", "decoder", "crc", "encoder", "reply"):
            m.submodules[name] = getattr(self, f"_{name}")
        connect(m, flipped(self.i), self._queue.i)
        connect(m, self._queue.o, self._decoder.i)
        connect(m, self._reply.o, self._encoder.i)
        connect(m, self._encoder.o, flipped(self.o))

        m.d.comb += self._at_end.eq(self._count == self._header.length[:9])
        table = self._payload(m, self._count_runs(m))
        m.d.sync += [self.engine.start.eq(0), self.engine.reset.eq(0)]

        with m.FSM():
            self._receive(m)
            self._execute(m)
            self._write(m)
            self._answer(m, table)

        return m

    def _count_runs(self, m):
        """Finished runs; one that a reset or a fault broke off is none."""
        runs = Signal(8)
        before = Signal()
        aborted = Signal()
        m.d.sync += before.eq(self.engine.busy)
        with m.If(before & ~self.engine.busy & ~aborted & (self.engine.fault == Fault.NONE)):
            m.d.sync += runs.eq(runs + 1)
        with m.If(self.engine.reset):
            m.d.sync += aborted.eq(1)
        with m.Elif(self.engine.start):
            m.d.sync += aborted.eq(0)
        return runs

    def _receive(self, m):
        """Read a frame for the first time: header to registers, all of it through the checksum."""
        item, count, crc = self._decoder.o, self._count, self._crc
        first = -HEADER_BYTES - _CRC_BYTES
        overlong = Signal()
        m.d.comb += overlong.eq(count == MAX_PAYLOAD + 1)

        with m.State("Receive"):
            m.d.comb += [
                item.ready.eq(crc.i.ready),
                crc.i.valid.eq(item.valid & ~item.p.end),
                crc.i.payload.eq(item.p.data),
                # An endless frame must not fill the queue, or its end would never fit.
                self._queue.i_forget.eq(overlong),
            ]
            with m.If(item.valid & item.ready):
                with m.If(item.p.end):
                    m.next = "Drop"
                    with m.If(crc.o_match & ~item.p.torn & (count >= 0) & ~overlong):
                        m.next = "Execute"
                with m.Elif(~overlong):
                    m.d.sync += count.eq(count + 1)
                with m.If(~item.p.end & (count < -_CRC_BYTES)):
                    bits = self._header.as_value()
                    m.d.sync += bits.eq(Cat(bits[8:], item.p.data))

        with m.State("Drop"):
            with m.If(count != first):  # two delimiters in a row are no frame
                m.d.sync += self._dropped.eq(self._dropped + 1)
            self._finish(m)

    def _finish(self, m):
        m.d.comb += [self._crc.i_start.eq(1), self._queue.i_forget.eq(1)]
        m.d.sync += self._count.eq(-HEADER_BYTES - _CRC_BYTES)
        m.next = "Receive"

    def _execute(self, m):
        """Decide what becomes of a good frame, and begin it."""
        header, count, status = self._header, self._count, self._status
        length = header.length
        is_write = Signal()
        fits = Signal()
        m.d.comb += [
            is_write.eq(header.opcode == Opcode.WRITE),
            fits.eq(
                ~length[9:].any() & ~(length[8] & length[:8].any())  # at most MAX_PAYLOAD
                & (header.region <= max(Region)) & (count == Mux(is_write, length[:9], 0))
            ),
            self.engine.access.p.write.eq(is_write),
            self.engine.access.p.region.eq(header.region),
            self.engine.access.p.address.eq(header.address),
            self.engine.access.p.length.eq(length),
            self.engine.limit.eq(header.address),
        ]

        with m.State("Execute"):
            m.d.comb += self._crc.i_start.eq(1)
            # From here on the length is that of the answer's payload, unless a write is to follow.
            m.d.sync += [status.eq(Status.OK), count.eq(-_ANSWER_BYTES), length.eq(0)]
            m.next = "Answer"
            with m.If(~fits):
                m.d.sync += status.eq(Status.BAD_REQUEST)
            with m.Else():
                self._obey(m)

        with m.State("Access"):
            m.d.comb += self.engine.access.valid.eq(1)
            with m.If(self.engine.access.ready):
                m.next = "Answer"
                with m.If(is_write):
                    m.d.comb += self._queue.i_rewind.eq(1)
                    m.d.sync += count.eq(-HEADER_BYTES)
                    m.next = "Write"

    def _obey(self, m):
        header, status = self._header, self._status
        last_run = Signal(8)
        has_run = Signal()
        with m.Switch(header.opcode):
            with m.Case(Opcode.WRITE, Opcode.READ):
                with m.If(self.engine.busy):
                    m.d.sync += status.eq(Status.BUSY)
                with m.Elif(header.length != 0):
                    m.d.sync += header.length.eq(header.length)
                    m.next = "Access"
            with m.Case(Opcode.RUN):
                with m.If(has_run & (header.sequence == last_run)):
                    pass  # a repeat, because the answer was lost
                with m.Elif(self.engine.busy):
                    m.d.sync += status.eq(Status.BUSY)
                with m.Else():
                    m.d.sync += self.engine.start.eq(1)
                    m.d.sync += [last_run.eq(header.sequence), has_run.eq(1)]
            with m.Case(Opcode.HELLO):
                m.d.sync += [has_run.eq(0), header.length.eq(_HELLO_BYTES)]
            with m.Case(Opcode.STATUS):
                m.d.sync += header.length.eq(_STATE_BYTES)
            with m.Case(Opcode.RESET):
                m.d.sync += self.engine.reset.eq(1)
                m.d.sync += has_run.eq(0)
            if self._boots:
                with m.Case(Opcode.BOOT):
                    m.d.sync += header.length.eq(1)
            with m.Default():
                m.d.sync += status.eq(Status.BAD_REQUEST)

    def _write(self, m):
        """Read the frame again: past its header, payload to the engine, past its checksum."""
        item, count = self._decoder.o, self._count
        wanted = Signal()
        m.d.comb += [
            wanted.eq(item.valid & (count >= 0) & ~self._at_end & ~item.p.end),
            self.engine.write.payload.eq(item.p.data),
        ]
        with m.State("Write"):
            m.d.comb += [
                self.engine.write.valid.eq(wanted),
                item.ready.eq(self.engine.write.ready | ~wanted),
            ]
            with m.If(item.valid & item.ready):
                with m.If((count < 0) | wanted):
                    m.d.sync += count.eq(count + 1)
                with m.If(item.p.end):
                    m.d.sync += [count.eq(-_ANSWER_BYTES), self._header.length.eq(0)]
                    m.next = "Answer"

    def _answer(self, m, table):
        """Send header, payload and checksum, each byte to the encoder and through the checksum."""
        count, crc, reply, at_end = self._count, self._crc, self._reply.i, self._at_end
        read = self.engine.read
        header = Array([0, self._header.opcode | _ANSWER, self._header.sequence, self._status])
        in_payload = Signal()
        from_engine = Signal()
        m.d.comb += [
            in_payload.eq(count >= 0),
            from_engine.eq(in_payload & (self._header.opcode == Opcode.READ)),
        ]

        with m.State("Answer"):
            byte = Mux(from_engine, read.payload, Mux(in_payload, table, header[count[:2]]))
            sent = self._send(m, byte, ~at_end & (read.valid | ~from_engine))
            m.d.comb += read.ready.eq(from_engine & ~at_end & crc.i.ready & reply.ready)
            with m.If(sent):
                m.d.sync += count.eq(count + 1)
            with m.If(at_end & crc.i.ready):
                m.d.sync += count.eq(-_CRC_BYTES)
                m.next = "Checksum"

        with m.State("Checksum"):
            m.d.comb += crc.i_drain.eq(1)
            sent = self._send(m, crc.o_crc[:8], ~in_payload)
            with m.If(sent):
                m.d.sync += count.eq(count + 1)
            with m.If(in_payload & crc.i.ready):
                m.d.comb += [reply.valid.eq(1), reply.p.end.eq(1)]
                with m.If(reply.ready):
                    self._finish(m)

    def _send(self, m, byte, valid):
        crc, reply = self._crc, self._reply.i
        m.d.comb += [
            crc.i.payload.eq(byte),
            crc.i.valid.eq(valid & reply.ready),
            reply.p.data.eq(byte),
            reply.valid.eq(valid & crc.i.ready),
        ]
        return valid & crc.i.ready & reply.ready

    def _payload(self, m, runs):
        """The byte of a payload that the engine has no part in."""
        opcode, count = self._header.opcode, self._count
        table = Signal(8)
        engine = self.engine
        hello = Const(VERSION | self.target_id << 8 | MAX_PAYLOAD << 40, 64)
        state = Cat(engine.busy, Const(0, 7), runs, engine.fault, Const(0, 6), self._dropped,
                    engine.cycles, engine.stalls, engine.layers, Const(0, 16))
        with m.If(opcode == Opcode.HELLO):
            m.d.comb += table.eq(hello.word_select(count[:3], 8))
        if self._boots:
            with m.Elif(opcode == Opcode.BOOT):
                m.d.comb += table.eq(self.i_boot)
        with m.Else():
            word = state.word_select(count[2:4], 32)
            m.d.comb += table.eq(word.word_select(count[:2], 8))
        return table

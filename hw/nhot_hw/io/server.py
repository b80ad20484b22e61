"""What the board does with the bytes of a host: frames to accesses of the engine, and answers."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from nhot.device.protocol import (
    BUFFER_BYTES,
    HEADER_BYTES,
    MAX_PAYLOAD,
    VERSION,
    Fault,
    Opcode,
    Region,
    Status,
)
from nhot.errors import NhotError
from nhot_hw.engine.access import AccessLayout
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

    Members
    -------
    i : In(stream.Signature(8))
    o : Out(stream.Signature(8))
    o_access : Out(stream.Signature(AccessLayout))
    o_data : Out(stream.Signature(8))
        Exactly ``length`` bytes after an access that writes.
    i_data : In(stream.Signature(8))
        Exactly ``length`` bytes are taken after an access that reads.
    o_start, o_reset : Out(1)
        Pulses.
    o_limit : Out(16)
        With o_start: the most cycles of the run, in units of LIMIT_CYCLES.
    i_busy : In(1)
        A run is under way. Memories cannot be reached meanwhile.
    i_cycles, i_stalls, i_fault, i_layer : In
        Of the last run: cycles, stalls, why it ended early, layers it finished.
    """

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))
    o_access: Out(stream.Signature(AccessLayout))
    o_data: Out(stream.Signature(8))
    i_data: In(stream.Signature(8))
    o_start: Out(1)
    o_limit: Out(16)
    o_reset: Out(1)
    i_busy: In(1)
    i_cycles: In(32)
    i_stalls: In(32)
    i_fault: In(Fault)
    i_layer: In(16)

    def __init__(self, *, target_id: int):
        if not 0 <= target_id < 2**32:
            raise NhotError(f"Target id must have 32 bits, not {target_id!r}")
        self.target_id = target_id
        super().__init__()

    def elaborate(self, platform):
        m = Module()

        m.submodules.queue = self._queue = queue = ReplayFifo(BUFFER_BYTES + 1)
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.crc = self._crc = SerialCrc()
        m.submodules.encoder = encoder = CobsEncoder(512)
        m.submodules.reply = reply = StreamRegister(FrameLayout)
        connect(m, reply.o, encoder.i)
        connect(m, flipped(self.i), queue.i)
        connect(m, queue.o, decoder.i)
        connect(m, encoder.o, flipped(self.o))

        self._item, self._reply = decoder.o, reply.i
        self._header = Signal(_HeaderLayout)
        # Bytes so far, of the payload where not negative: the header is counted from below zero.
        self._count = Signal(signed(10), init=-HEADER_BYTES - _CRC_BYTES)
        self._status = Signal(2)
        self._dropped = Signal(8)
        self._at_end = Signal()
        m.d.comb += self._at_end.eq(self._count == self._header.length[:9])
        table = self._payload(m, self._count_runs(m))
        m.d.sync += [self.o_start.eq(0), self.o_reset.eq(0)]

        with m.FSM():
            self._receive(m)
            self._execute(m)
            self._write(m)
            self._answer(m, table)

        return m

    def _count_runs(self, m):
        """Finished runs; one that a reset or a fault broke off is none."""
        runs, before, aborted = Signal(8), Signal(), Signal()
        m.d.sync += before.eq(self.i_busy)
        with m.If(before & ~self.i_busy & ~aborted & (self.i_fault == Fault.NONE)):
            m.d.sync += runs.eq(runs + 1)
        with m.If(self.o_reset):
            m.d.sync += aborted.eq(1)
        with m.Elif(self.o_start):
            m.d.sync += aborted.eq(0)
        return runs

    def _receive(self, m):
        """Read a frame for the first time: header to registers, all of it through the checksum."""
        item, count, crc = self._item, self._count, self._crc
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
        is_write, fits = Signal(), Signal()
        m.d.comb += [
            is_write.eq(header.opcode == Opcode.WRITE),
            fits.eq(
                ~length[9:].any() & ~(length[8] & length[:8].any())  # at most MAX_PAYLOAD
                & (header.region <= max(Region)) & (count == Mux(is_write, length[:9], 0))
            ),
            self.o_access.p.write.eq(is_write),
            self.o_access.p.region.eq(header.region),
            self.o_access.p.address.eq(header.address),
            self.o_access.p.length.eq(length),
            self.o_limit.eq(header.address),
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
            m.d.comb += self.o_access.valid.eq(1)
            with m.If(self.o_access.ready):
                m.next = "Answer"
                with m.If(is_write):
                    m.d.comb += self._queue.i_rewind.eq(1)
                    m.d.sync += count.eq(-HEADER_BYTES)
                    m.next = "Write"

    def _obey(self, m):
        header, status, last_run, has_run = self._header, self._status, Signal(8), Signal()
        with m.Switch(header.opcode):
            with m.Case(Opcode.WRITE, Opcode.READ):
                with m.If(self.i_busy):
                    m.d.sync += status.eq(Status.BUSY)
                with m.Elif(header.length != 0):
                    m.d.sync += header.length.eq(header.length)
                    m.next = "Access"
            with m.Case(Opcode.RUN):
                with m.If(has_run & (header.sequence == last_run)):
                    pass  # a repeat, because the answer was lost
                with m.Elif(self.i_busy):
                    m.d.sync += status.eq(Status.BUSY)
                with m.Else():
                    m.d.sync += self.o_start.eq(1)
                    m.d.sync += [last_run.eq(header.sequence), has_run.eq(1)]
            with m.Case(Opcode.HELLO):
                m.d.sync += [has_run.eq(0), header.length.eq(_HELLO_BYTES)]
            with m.Case(Opcode.STATUS):
                m.d.sync += header.length.eq(_STATE_BYTES)
            with m.Case(Opcode.RESET):
                m.d.sync += self.o_reset.eq(1)
                m.d.sync += has_run.eq(0)
            with m.Default():
                m.d.sync += status.eq(Status.BAD_REQUEST)

    def _write(self, m):
        """Read the frame again: past its header, payload to the engine, past its checksum."""
        item, count = self._item, self._count
        wanted = Signal()
        m.d.comb += [
            wanted.eq(item.valid & (count >= 0) & ~self._at_end & ~item.p.end),
            self.o_data.payload.eq(item.p.data),
        ]
        with m.State("Write"):
            m.d.comb += [
                self.o_data.valid.eq(wanted),
                item.ready.eq(self.o_data.ready | ~wanted),
            ]
            with m.If(item.valid & item.ready):
                with m.If((count < 0) | wanted):
                    m.d.sync += count.eq(count + 1)
                with m.If(item.p.end):
                    m.d.sync += [count.eq(-_ANSWER_BYTES), self._header.length.eq(0)]
                    m.next = "Answer"

    def _answer(self, m, table):
        """Send header, payload and checksum, each byte to the encoder and through the checksum."""
        count, crc, reply, at_end = self._count, self._crc, self._reply, self._at_end
        header = Array([0, self._header.opcode | _ANSWER, self._header.sequence, self._status])
        in_payload, from_engine = Signal(), Signal()
        m.d.comb += [
            in_payload.eq(count >= 0),
            from_engine.eq(in_payload & (self._header.opcode == Opcode.READ)),
        ]

        with m.State("Answer"):
            byte = Mux(from_engine, self.i_data.payload, Mux(in_payload, table, header[count[:2]]))
            sent = self._send(m, byte, ~at_end & (self.i_data.valid | ~from_engine))
            m.d.comb += self.i_data.ready.eq(
                from_engine & ~at_end & crc.i.ready & reply.ready
            )
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
        crc, reply = self._crc, self._reply
        m.d.comb += [
            crc.i.payload.eq(byte),
            crc.i.valid.eq(valid & reply.ready),
            reply.p.data.eq(byte),
            reply.valid.eq(valid & crc.i.ready),
        ]
        return valid & crc.i.ready & reply.ready

    def _payload(self, m, runs):
        """The byte of a payload that the engine has no part in."""
        opcode, count, table = self._header.opcode, self._count, Signal(8)
        hello = Const(VERSION | self.target_id << 8 | MAX_PAYLOAD << 40, 64)
        state = Cat(self.i_busy, Const(0, 7), runs, self.i_fault, Const(0, 6), self._dropped,
                    self.i_cycles, self.i_stalls, self.i_layer, Const(0, 16))
        with m.If(opcode == Opcode.HELLO):
            m.d.comb += table.eq(hello.word_select(count[:3], 8))
        with m.Else():
            word = state.word_select(count[2:4], 32)
            m.d.comb += table.eq(word.word_select(count[:2], 8))
        return table

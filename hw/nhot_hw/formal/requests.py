"""What the request server promises: a good frame is carried out and answered once, others never."""

from amaranth.asserts import AnyConst, AnySeq
from amaranth.hdl import Assert, Assume, Cat, Const, Cover, Fragment, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from nhot.device.protocol import HEADER_BYTES, MAX_PAYLOAD, Opcode
from nhot_hw.engine.host import HostSignature
from nhot_hw.formal.inside import Inside
from nhot_hw.formal.offered import offered_stays
from nhot_hw.io import RequestServer

__all__ = ["ServerObeys"]

_LEAST = HEADER_BYTES + 4  # bytes of a frame, its checksum included
_MOST = _LEAST + MAX_PAYLOAD
_ANSWER = 3  # bytes of its header


class _Any(wiring.Component):
    """In place of a part: ports that do anything, but for what is assumed of them."""

    def __init__(self, part: wiring.Component):
        self._part = part
        super().__init__(part.signature)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        Fragment.get(self._part, platform)  # Amaranth warns of a part that is not used
        for _, member, port in self.signature.flatten(self):
            if member.flow == Out:
                value = Value.cast(port)
                m.d.comb += value.eq(AnySeq(len(value)))
        return m


class ServerObeys(wiring.Component):
    """A frame that is whole and right is obeyed once and answered once; of any other nothing comes.

    An access is that of the frame's header. A write hands the payload's bytes to the engine, all
    of them and no other, as they come at the second reading; a read takes as many bytes of the
    engine as it asks for, and each goes into the answer.

    Queue, decoder, checksum and encoder have proofs of their own, or tests. Here they do anything,
    but for this: an item stays until it is taken, and the second reading has as many as the first.

    Members
    -------
    engine : Out(HostSignature)
    """

    def __init__(self) -> None:
        super().__init__({"engine": Out(HostSignature)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = RequestServer(target_id=0x89ABCDEF)
        for name in ("_queue", "_decoder", "_crc", "_encoder", "_reply"):
            setattr(dut, name, _Any(getattr(dut, name)))
        inside = Inside(m, dut, platform)
        wiring.connect(m, dut.engine, wiring.flipped(self.engine))
        self._items_stay(m, dut)
        frame = self._first_reading(m, dut, inside)
        self._access(m, dut, inside, frame)
        self._payload(m, dut, inside, frame)
        self._answer(m, dut, inside, frame)
        return m

    def _items_stay(self, m: Module, dut: RequestServer) -> None:
        item, payload = dut._decoder.o, Value.cast(dut._decoder.o.payload)
        waits, before = Signal(), Signal(len(payload))
        m.d.sync += [
            waits.eq(item.valid & ~item.ready & ~dut._queue.i_rewind), before.eq(payload),
        ]
        m.d.comb += Assume(~waits | (item.valid & (payload == before)))

    def _first_reading(self, m: Module, dut: RequestServer, inside: Inside) -> dict:
        """How many bytes the frame has, one of its header's, and whether an answer is owed."""
        item = dut._decoder.o
        taken = item.valid & item.ready & inside.state("Receive")
        count, owed = Signal(9), Signal()
        place, value = AnyConst(3), Signal(8)
        good = dut._crc.o_match & ~item.p.torn & (count >= _LEAST) & (count <= _MOST)
        answered = dut._reply.i.valid & dut._reply.i.ready & dut._reply.i.p.end
        with m.If(taken & item.p.end):
            m.d.sync += owed.eq(good)
        with m.Elif(taken & (count <= _MOST)):
            m.d.sync += count.eq(count + 1)
        with m.If(taken & ~item.p.end & (count == place)):
            m.d.sync += value.eq(item.p.data)
        with m.If(inside.state("Drop") | answered):
            m.d.sync += [count.eq(0), owed.eq(0)]
        receives = inside.state("Receive")
        header = dut._header.as_value()
        whole = Mux(count < HEADER_BYTES, count, HEADER_BYTES)[:3]
        here = (HEADER_BYTES - whole + place)[:3]  # bytes enter at the top
        m.d.comb += [
            Assume(place < HEADER_BYTES),
            Assert(~answered | owed, "a frame must be answered once, and a bad one never"),
            Assert(~taken | ~owed, "the next frame must wait for the answer"),
            Assert(receives | inside.state("Drop") | owed, "what is obeyed is owed"),
            Assert(~(receives | inside.state("Drop")) | ~owed, "nothing is owed between frames"),
            Assert(count <= _MOST + 1, "no more is counted"),
            Assert(~receives | (dut._count == count - _LEAST), "bytes are counted"),
            Assert(~owed | ((count >= _LEAST) & (count <= _MOST)), "a good frame has a size"),
            Assert(~receives | (place >= whole) | (header.word_select(here, 8) == value),
                   "a byte of the header moves down"),
        ]
        # The rest of the header goes on as it came, but for the length, which becomes the answer's.
        kept = owed & ((place < 5) | inside.state("Execute", "Access", "Write"))
        m.d.comb += Assert(~kept | (header.word_select(place, 8) == value), "the header stays")
        return {"count": count, "owed": owed, "place": place, "value": value}

    def _access(self, m: Module, dut: RequestServer, inside: Inside, frame: dict) -> None:
        """Only what a good frame says, and in full."""
        access, header = dut.engine.access, dut._header
        place, value = frame["place"], frame["value"]
        region = Value.cast(access.p.region)
        said = Cat(Const(0, 16), region, Const(0, 8 - len(region)), access.p.address,
                   access.p.length)  # where it is in a header
        executes = inside.state("Execute")
        was = {opcode: Signal(name=f"was_{opcode.name}") for opcode in (Opcode.RUN, Opcode.RESET)}
        for opcode, before in was.items():
            m.d.sync += before.eq(executes & (header.opcode == opcode))
        reads = header.opcode == Opcode.READ
        m.d.comb += [
            Assert(~access.valid | frame["owed"], "an access must be that of a good frame"),
            Assert(~access.valid | (place < 2) | (said.word_select(place, 8) == value),
                   "an access must be that of its header"),
            Assert(~access.valid | (place != 0)
                   | (value == Mux(access.p.write, Opcode.WRITE, Opcode.READ)),
                   "it must write or read, as its opcode says"),
            Assert(~dut.engine.start | was[Opcode.RUN], "a run must be asked for"),
            Assert(~dut.engine.reset | was[Opcode.RESET], "a reset must be asked for"),
            Assert(~access.valid | (access.p.length <= MAX_PAYLOAD), "an access fits a frame"),
            Assert(~access.valid | reads | (header.opcode == Opcode.WRITE), "no other has one"),
            Assert(~access.valid | reads | (frame["count"] == access.p.length + _LEAST),
                   "a write has its bytes in the frame"),
            Assert(~executes | (dut._count == frame["count"] - _LEAST), "bytes are counted"),
            Cover(access.valid & access.p.write & (access.p.length == 1), "a write"),
        ]
        offered_stays(m, access)

    def _payload(self, m: Module, dut: RequestServer, inside: Inside, frame: dict) -> None:
        """The second reading: bytes behind the header to the engine, as many as it says."""
        item, write, header = dut._decoder.o, dut.engine.write, dut._header
        writes = inside.state("Write")
        again, given = Signal(9), Signal(9)  # items so far, and bytes that the engine took
        taken = writes & item.valid & item.ready
        with m.If(~writes):
            m.d.sync += [again.eq(0), given.eq(0)]
        with m.Elif(taken):
            m.d.sync += [again.eq(again + 1), given.eq(given + (write.valid & write.ready))]
        mine = (again >= HEADER_BYTES) & (again < HEADER_BYTES + header.length) & ~item.p.end
        m.d.comb += [
            Assume(~writes | ~item.valid | (item.p.end == (again == frame["count"]))),
            Assert(~write.valid | writes, "a byte must be of a write"),
            Assert(~writes | (write.valid == (item.valid & mine)), "of its payload, all of that"),
            Assert(~write.valid | (write.payload == item.p.data), "a byte must be as it came"),
            Assert(~(write.valid & writes) | (item.ready == write.ready), "and be taken once"),
            Assert(~(taken & item.p.end) | (given == header.length), "a write must have all bytes"),
            Cover(writes & (again == 3), "a second reading"),
            Assert(~writes | ((header.length + _LEAST == frame["count"]) & (given <= again)
                              & (header.opcode == Opcode.WRITE)), "a write's length is that of it"),
            Assert(~writes | (again <= frame["count"]), "the frame is read to its end"),
            Assert(~writes | (given == Mux(again < HEADER_BYTES, 0, Mux(
                again < HEADER_BYTES + header.length, again - HEADER_BYTES, header.length))),
                "bytes are given"),
            Assert(~writes | (dut._count == Mux(
                again < HEADER_BYTES, again - HEADER_BYTES, given)), "and counted"),
        ]
        offered_stays(m, write)

    def _answer(self, m: Module, dut: RequestServer, inside: Inside, frame: dict) -> None:
        """Each byte goes to the encoder and through the checksum; those of a read are the engine's.
        """
        read, reply, crc, header = dut.engine.read, dut._reply.i, dut._crc, dut._header
        answers, sums = inside.state("Answer"), inside.state("Checksum")
        sent = reply.valid & reply.ready
        got = Signal(9)  # bytes of the engine
        take = read.valid & read.ready
        with m.If(~(answers | sums)):
            m.d.sync += got.eq(0)
        with m.Else():
            m.d.sync += got.eq(got + take)
        reads = header.opcode == Opcode.READ
        m.d.comb += [
            Assert(~take | (answers & sent & (reply.p.data == read.payload) & ~reply.p.end),
                   "a byte of the engine must go into the answer"),
            Assert(~take | reads, "a byte must be of a read"),
            Assert(~(sent & ~reply.p.end) | (crc.i.valid & crc.i.ready
                   & (crc.i.payload == reply.p.data)), "what is sent must be in the checksum"),
            Assert(~sent | answers | sums, "nothing is sent but answers"),
            Assert(~(sent & sums & ~reply.p.end) | (reply.p.data == crc.o_crc[:8]),
                   "and the checksum behind them"),
            Assert(~sums | ~reads | (got == header.length), "a read must have all its bytes"),
            Cover(take & (got == 0), "a byte of the engine"),
            Assert(~answers | (header.length <= MAX_PAYLOAD), "an answer fits a frame"),
            Assert(~answers | ((dut._count >= -_ANSWER) & (dut._count <= header.length)),
                   "bytes are counted"),
            Assert(~inside.state("Access") | (dut._count == -_ANSWER), "from its header on"),
            Assert(~(answers & reads) | (got == Mux(dut._count < 0, 0, dut._count)[:9]),
                   "those of the engine are"),
            Assert(~sums | ((dut._count >= -4) & (dut._count <= 0)), "the checksum has four bytes"),
        ]

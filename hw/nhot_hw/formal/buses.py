"""What the buses promise: each access is done and answered once, and what is offered stays."""

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from nhot_hw.buses.axi import OKAY, PORTS, SLVERR, AxiLiteFront
from nhot_hw.buses.packer import Packer
from nhot_hw.buses.wishbone import PORTS as WISHBONE
from nhot_hw.buses.wishbone import WishboneFront
from nhot_hw.formal.inside import Inside
from nhot_hw.formal.offered import offered_stays

__all__ = ["AxiAnswers", "PackerPacks", "WishboneAnswers"]

_REGISTERS = {"ready": In(1), "error": In(1), "word": In(32)}


def _inputs(ports, *names):
    """Those of the ports that a master drives, as inputs of a specification."""
    return {name: member for name, member in ports.items() if member.flow == In} | _REGISTERS


def _stays(m: Module, valid, ready, payload, text: str, kind=Assert) -> None:
    """What is offered stays as it is until it is taken: promised, or assumed of the other side."""
    waits, before = Signal(), Signal(len(payload))
    m.d.sync += [waits.eq(valid & ~ready), before.eq(payload)]
    holds = ~waits | (valid & (payload == before))
    m.d.comb += Assume(holds) if kind is Assume else Assert(holds, text)


def _attach(m: Module, spec, ports, dut) -> None:
    for name, member in ports.items():
        if member.flow == In:
            m.d.comb += getattr(dut.signals, name).eq(getattr(spec, name))
    m.d.comb += [
        dut.bus.ready.eq(spec.ready), dut.bus.error.eq(spec.error), dut.bus.word.eq(spec.word),
    ]


class AxiAnswers(wiring.Component):
    """Any master that keeps the rules of AXI4-Lite, and registers that do what they like.

    Members
    -------
    the inputs of ``PORTS``, and ready, error and word of the registers
    """

    def __init__(self):
        super().__init__(_inputs(PORTS))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = AxiLiteFront()
        inside = Inside(m, dut, platform)
        _attach(m, self, PORTS, dut)
        axi, bus = dut.signals, dut.bus
        for channel, payload in (
            ("aw", axi.awaddr), ("w", Cat(axi.wdata, axi.wstrb)), ("ar", axi.araddr),
        ):
            valid, ready = getattr(axi, f"{channel}valid"), getattr(axi, f"{channel}ready")
            _stays(m, valid, ready, payload, "", Assume)
        _stays(m, axi.bvalid, axi.bready, axi.bresp, "an answer to a write must stay")
        answer = Cat(axi.rresp, axi.rdata)
        _stays(m, axi.rvalid, axi.rready, answer, "an answer to a read must stay")
        done = bus.valid & bus.ready
        access = Cat(bus.write, bus.address, Mux(bus.write, Cat(bus.data, bus.whole), 0))
        _stays(m, bus.valid, bus.ready, access, "an access must stay until it is done")

        address = self._asked(m, axi.awvalid & axi.awready, done & bus.write, axi.awaddr, "aw")
        data = self._asked(m, axi.wvalid & axi.wready, done & bus.write,
                           Cat(axi.wdata, axi.wstrb), "w")
        read = self._asked(m, axi.arvalid & axi.arready, done & ~bus.write, axi.araddr, "ar")
        for name, (owed, kept) in (("aw", address), ("w", data), ("ar", read)):
            m.d.comb += Assert(owed == ~getattr(axi, f"{name}ready"), "one at a time is taken")
            if name != "w":
                m.d.comb += Assert(~owed | (inside.signal(f"kept_{name}") == kept), "as it came")
        m.d.comb += [
            Assert(~owed_pair(bus, address, data) | (bus.address == address[1]),
                   "a write must be of its address"),
            Assert(~owed_pair(bus, address, data) | (Cat(bus.data, bus.whole)
                   == Cat(data[1][:32], data[1][32:].all())), "and of its data"),
            Assert(~(bus.valid & bus.write) | (address[0] & data[0]), "which must both be there"),
            Assert(~(bus.valid & ~bus.write) | read[0], "a read must be asked for"),
            Assert(~(bus.valid & ~bus.write) | (bus.address == read[1]), "of its address"),
            Assert(~data[0] | ((inside.signal("kept_w") == data[1][:32])
                   & (inside.signal("whole") == data[1][32:].all())), "data stay"),
        ]
        can_write = address[0] & data[0] & ~axi.bvalid
        can_read = read[0] & ~axi.rvalid
        may = Mux(inside["write_waits"], can_write, can_read)
        m.d.comb += Assert(~inside["waits"] | may, "what waits may go on")
        self._answered(m, axi, bus, done)
        self._in_turns(m, bus, done, can_write, can_read, inside)
        m.d.comb += [
            Cover(axi.bvalid & (axi.bresp == SLVERR), "a write that is refused"),
            Cover(axi.rvalid & ~axi.rready & axi.bvalid & ~axi.bready, "answers to nobody"),
        ]
        return m

    @staticmethod
    def _asked(m, taken, done, payload, name):
        """Whether something is taken and not done, and what."""
        owed = Signal(name=f"owed_{name}")
        kept = Signal(len(payload), name=f"said_{name}")
        with m.If(done):
            m.d.sync += owed.eq(0)
        with m.If(taken):
            m.d.sync += [owed.eq(1), kept.eq(payload)]
        m.d.comb += Assert(~taken | ~owed, "nothing is taken twice")
        return owed, kept

    @staticmethod
    def _answered(m, axi, bus, done):
        """An answer comes in the cycle after the access, with what the registers said."""
        for write, valid, ready, resp in (
            (1, axi.bvalid, axi.bready, axi.bresp), (0, axi.rvalid, axi.rready, axi.rresp),
        ):
            mine = done & (bus.write == write)
            came = Signal(name=f"came_{write}")
            gone = Signal(name=f"gone_{write}")
            refused = Signal(name=f"refused_{write}")
            word = Signal(32, name=f"word_{write}")
            m.d.sync += [
                came.eq(mine), gone.eq(valid & ready), refused.eq(bus.error), word.eq(bus.word),
            ]
            before = Signal(name=f"before_{write}")
            m.d.sync += before.eq(valid)
            m.d.comb += [
                Assert(valid == (came | (before & ~gone)), "an access has one answer"),
                Assert(~came | (resp == Mux(refused, SLVERR, OKAY)), "which says what it was"),
                Assert(~mine | ~valid, "no answer is lost"),
            ]
            if not write:
                m.d.comb += Assert(~came | refused | (axi.rdata == word), "a word as it was read")

    @staticmethod
    def _in_turns(m, bus, done, can_write, can_read, inside):
        """Neither waits for more than one of the other kind."""
        for write, waits, other in ((1, can_write, can_read), (0, can_read, can_write)):
            passed = Signal(name=f"passed_{write}")  # one of the other kind has been done since
            with m.If(~waits | (done & (bus.write == write))):
                m.d.sync += passed.eq(0)
            with m.Elif(done):
                m.d.sync += passed.eq(1)
            m.d.comb += [
                Assert(~(passed & waits & done) | (bus.write == write), "they must take turns"),
                Assert(~(passed & waits) | Mux(
                    inside["waits"], inside["write_waits"] == write, ~other), "its turn comes"),
            ]


def owed_pair(bus, address, data):
    """A write is on its way to the registers."""
    return bus.valid & bus.write & address[0] & data[0]


class WishboneAnswers(wiring.Component):
    """Any master of classic cycles that waits for its answer, and registers that do what they like.

    Members
    -------
    the inputs of ``PORTS``, and ready, error and word of the registers
    """

    def __init__(self):
        super().__init__(_inputs(WISHBONE))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = WishboneFront()
        Inside(m, dut, platform)
        _attach(m, self, WISHBONE, dut)
        wb, bus = dut.signals, dut.bus
        asked = wb.cyc & wb.stb
        answered = wb.ack | wb.err
        _stays(m, asked, answered, Cat(wb.we, wb.adr, wb.dat_w, wb.sel), "", Assume)
        access = Cat(bus.write, bus.address, bus.data, bus.whole)
        _stays(m, bus.valid, bus.ready, access, "an access must stay until it is done")
        done = bus.valid & bus.ready
        came, refused = Signal(), Signal()
        word = Signal(32)
        m.d.sync += [came.eq(done), refused.eq(bus.error), word.eq(bus.word)]
        m.d.comb += [
            Assert(~(wb.ack & wb.err), "an answer is one of two"),
            Assert(answered == came, "an access has one answer, in the next cycle"),
            Assert(~came | (wb.err == refused), "which says what it was"),
            Assert(~wb.ack | (wb.dat_r == word), "a word must be as it was read"),
            Assert(bus.valid == (asked & ~answered), "what is asked for is done, and nothing else"),
            Assert(~bus.valid | (access == Cat(wb.we, wb.adr, wb.dat_w, wb.sel.all())),
                   "as it was asked for"),
            Cover(wb.err & wb.we, "a write that is refused"),
            Cover(wb.ack & (wb.dat_r == 0x600D), "a read"),
        ]
        return m


class PackerPacks(wiring.Component):
    """Any bytes, taken by the stream or by the register at any time, and cleared at any time.

    Members
    -------
    the inputs of the packer
    """

    def __init__(self):
        super().__init__({
            "byte": In(8), "valid": In(1), "last": In(1), "to_stream": In(1), "clear": In(1),
            "ready": In(1), "take": In(1),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = Packer()
        inside = Inside(m, dut, platform)
        m.d.comb += [
            dut.i.valid.eq(self.valid), dut.i.payload.eq(self.byte), dut.i_last.eq(self.last),
            dut.i_stream.eq(self.to_stream), dut.i_clear.eq(self.clear),
            dut.o.ready.eq(self.ready), dut.i_take.eq(self.take),
            Assume(~self.take | dut.o_valid),
        ]
        taken = self.valid & dut.i.ready
        gone = (dut.o.valid & self.ready) | self.take
        bytes_ = Signal(32)  # that were taken for the present word
        count = Signal(3)
        whole = Signal()
        ended, stream = Signal(), Signal()
        with m.If(gone | (self.clear & ~dut.o.valid)):
            m.d.sync += [count.eq(0), whole.eq(0), bytes_.eq(0)]
        with m.Elif(taken):
            m.d.sync += [
                count.eq(count + 1), bytes_.word_select(count[:2], 8).eq(self.byte),
                whole.eq((count == 3) | self.last), ended.eq(self.last),
            ]
            with m.If(count == 0):
                m.d.sync += stream.eq(self.to_stream)
        m.d.comb += [
            Assert(dut.i.ready == ~whole, "a byte must be taken while the word is not whole"),
            Assert(dut.o.valid == (whole & stream), "a whole word must be offered"),
            Assert(dut.o_valid == (whole & ~stream), "to one of two"),
            Assert(~whole | (dut.o_word == bytes_), "with its bytes, and zeros"),
            Assert(~whole | (dut.o.p.last == ended), "and whether it is the last"),
            Assert(dut.o_empty == (count == 0), "it is empty if it has no byte"),
            Assert((count <= 4) & (whole | (count < 4)), "a word has four bytes"),
            Assert(~whole | (count != 0), "at most"),
            Assert(whole | (inside["place"] == count[:2]), "bytes are counted"),
            Assert(~whole | (inside["place"] == 0), "from the first on"),
            Assert((count == 0) | (inside["to_stream"] == stream), "the way stays"),
            Assert((count == 0) | whole | (dut.o_word == bytes_), "bytes stay"),
            Assert((count != 0) | (bytes_ == 0), "a word begins with none"),
            Cover(dut.o.valid & dut.o.p.last & (count == 2), "a word of two bytes"),
            Cover(self.clear & dut.o.valid & ~self.ready, "a clear that leaves a word"),
        ]
        offered_stays(m, dut.o)
        return m

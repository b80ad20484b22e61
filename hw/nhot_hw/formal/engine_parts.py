"""What the parts around the engine's memories promise: no byte and no sum is lost."""

from amaranth.asserts import AnyConst
from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, connect, flipped

from nhot.contract.config import EngineConfig
from nhot.contract.program import Region
from nhot_hw.delay import delayed
from nhot_hw.engine.host import AccessLayout
from nhot_hw.engine.loader import Loader, word_bytes
from nhot_hw.engine.readout import Readout
from nhot_hw.formal.inside import Inside
from nhot_hw.formal.offered import offered_stays

__all__ = ["LoaderReads", "LoaderWrites", "ReadoutKeeps"]

#: Small, with words of several bytes and several shifts of each pixel.
CONFIG = EngineConfig(filters=4, inputs=4, requantisers=2, pixels=2, accumulator_bits=16)


class LoaderWrites(wiring.Component):
    """Of an access that writes: exactly ``length`` bytes are taken, each lands in its place.

    A byte is picked and followed to its word. Regions of plain words are written; weights pass a
    decoder and are not in this proof.

    Members
    -------
    access : In(stream.Signature(AccessLayout))
    i : In(stream.Signature(8))
    pick : In(1)
    """

    access: In(stream.Signature(AccessLayout))
    i: In(stream.Signature(8))
    pick: In(1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = Loader(CONFIG)
        inside = Inside(m, dut, platform)
        connect(m, flipped(self.access), dut.i_access)
        connect(m, flipped(self.i), dut.i_data)
        request = self.access.p
        m.d.comb += Assume(
            ~self.access.valid
            | (request.write & (request.region <= max(Region)) & (request.region != Region.WEIGHTS))
        )
        region, first, length, done, active = self._follow(m, dut)
        size = _size(m, region)
        self._claims(m, dut, inside, region, first, length, done, active, size)
        return m

    def _follow(self, m: Module, dut: Loader) -> tuple[Signal, ...]:
        """The access under way, and how many of its bytes were taken."""
        region, first = Signal(Region), Signal(16)
        length, done, active = Signal(16), Signal(16), Signal()
        with m.If(self.access.valid & dut.i_access.ready):
            m.d.sync += [
                region.eq(self.access.p.region), first.eq(self.access.p.address),
                length.eq(self.access.p.length), done.eq(0),
            ]
        with m.Elif(self.i.valid & dut.i_data.ready):
            m.d.sync += done.eq(done + 1)
        m.d.comb += active.eq(done != length)
        return region, first, length, done, active

    def _claims(self, m, dut, inside, region, first, length, done, active, size):
        access = inside["access"]
        place, left, address = access.place, access.left, access.address
        word, lane, value, live = Signal(17), Signal(4), Signal(8), Signal()
        taken, write = self.i.valid & dut.i_data.ready, access.write
        with m.If(taken & self.pick & ~live):
            m.d.sync += [live.eq(1), word.eq(address), lane.eq(place), value.eq(self.i.payload)]
        with m.Elif(write | dut.i_access.ready):
            m.d.sync += live.eq(0)
        words = dut.o_word
        top = len(words) // 8 - size
        held = Signal(8)
        behind = Signal(4)  # bytes of the word taken after the picked one
        m.d.comb += [
            behind.eq(place - lane - 1),
            held.eq(words.word_select((len(words) // 8 - 1 - behind)[:4], 8)),
            Assert(~dut.i_data.ready | active, "no byte may be taken beyond the length"),
            Assert(~dut.i_access.ready | ~active, "no byte of an access may be left"),
            Assert(~(live & write) | (words.word_select((top + lane)[:4], 8) == value),
                   "a byte must be written as it was, in its place"),
            Assert(~write | (dut.o_write == Mux(address[-1], 0, 1 << region)),
                   "its region must be written"),
            Assert(~(live & write) | (dut.o_address == word[:16]), "its word must be written"),
            Cover(live & write & (lane == 1), "the second byte of a word"),
        ]
        m.d.comb += [
            Assert(inside.state("Idle", "Write", "Store"), "it writes plain words alone"),
            Assert(~inside["access"].move, "no field of a weight moves"),
            Assert(dut.i_access.ready | (left == (length - done)[:16]), "left is what is to come"),
            Assert(dut.i_access.ready | (inside["access"].region == region), "the region is that"),
            Assert(~live | ((lane < place) & (place <= size) & (held == value)),
                   "the picked byte moves up"),
            Assert(~live | (word == address), "the picked byte is of this word"),
            Assert(dut.i_access.ready | (place <= size), "a word is not overfull"),
            Assert(~write | (place == size), "a word is full"),
            Assert(~dut.i_data.ready | (place < size), "a word has room"),
        ]


class LoaderReads(wiring.Component):
    """Of an access that reads: exactly ``length`` bytes are given, each of its place of its word.

    The memory holds any word at one address, which is any. Weights, which leave as fields, are not
    in this proof.

    Members
    -------
    access : In(stream.Signature(AccessLayout))
    words : In
        What the memory gives.
    ready : In(1)
    garbage : In(8)
    """

    def __init__(self) -> None:
        self._dut = Loader(CONFIG)
        super().__init__({
            "access": In(stream.Signature(AccessLayout)),
            "words": In(self._dut.plain_bits),
            "ready": In(1),
            "garbage": In(8),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = self._dut
        inside = Inside(m, dut, platform)
        connect(m, flipped(self.access), dut.i_access)
        request = self.access.p
        m.d.comb += [
            dut.i_words[region].eq(self.words) for region in range(len(Region))
        ]
        m.d.comb += [
            dut.o_data.ready.eq(self.ready), dut.i_data.payload.eq(self.garbage),
            Assume(
                ~self.access.valid
                | (~request.write & (request.region <= max(Region))
                   & (request.region != Region.WEIGHTS))
            ),
        ]
        at, lane, region, length, done, size = self._follow(m, dut)
        place, here, word = AnyConst(3), AnyConst(16), AnyConst(dut.plain_bits)
        value = word.word_select(place, 8)
        asked = [dut.o_address]  # now, and in the cycles before, back to that whose word is there
        for _ in range(CONFIG.memory_latency - 1):
            asked.append(delayed(m, asked[-1], 1))
        m.d.comb += Assume((asked[-1] != here) | (self.words == word))
        waits = [*(f"Wait-{i}" for i in range(1, CONFIG.memory_latency - 1)), "Take"]
        m.d.comb += [
            Assert(~inside.state(*waits[i:]) | (past == dut.o_address), "the address stays")
            for i, past in enumerate(asked[1:])
        ]
        gives = dut.o_data.valid & self.ready
        m.d.comb += [
            Assert(~dut.o_data.valid | (done != length), "no byte may be given beyond the length"),
            Assert(~dut.i_access.ready | (done == length), "no byte of an access may be left"),
            Assert(~(dut.o_data.valid & (at == here) & (lane == place))
                   | (dut.o_data.payload == value), "a byte must be given as it was"),
            Cover(gives & (at == here) & (lane == 1) & (place == 1) & (done == 5), "a second word"),
        ]
        offered_stays(m, dut.o_data)
        giving = inside.state("Move", "Give")
        m.d.comb += [
            Assert(inside.state("Idle", "Fetch", *waits, "Move", "Give"),
                   "it reads alone"),
            Assert(~inside["access"].move, "no field of a weight moves"),
            Assert(dut.i_access.ready | (done != length), "a byte is to come"),
            Assert(dut.i_access.ready | (inside["access"].left == (length - done)[:16]),
                   "left is what is to come"),
            Assert(dut.i_access.ready | (inside["access"].region == region), "the region is that"),
            Assert(dut.i_access.ready | (inside["access"].address[:16] == (at + giving)[:16]),
                   "the address is that of the word"),
            Assert(dut.i_access.ready | giving | (lane == 0), "a word is given as a whole"),
            Assert(~giving | (inside["access"].place == lane), "the place is that of the byte"),
            Assert(~(giving & (at == here) & (lane <= place) & (place < size))
                   | (inside["access"].plain.word_select((place - lane)[:3], 8) == value),
                   "the picked byte moves down"),
            Assert(dut.i_access.ready | (lane < size), "it is of the word"),
        ]
        return m

    def _follow(self, m: Module, dut: Loader) -> tuple[Signal, ...]:
        """The word and the byte of it that are to be given, and how many were."""
        at, lane, region = Signal(16), Signal(3), Signal(Region)
        size = _size(m, region)
        length, done = Signal(16), Signal(16)
        with m.If(self.access.valid & dut.i_access.ready):
            m.d.sync += [
                at.eq(self.access.p.address), lane.eq(0), region.eq(self.access.p.region),
                length.eq(self.access.p.length), done.eq(0),
            ]
        with m.Elif(dut.o_data.valid & self.ready):
            m.d.sync += [done.eq(done + 1), lane.eq(lane + 1)]
            with m.If(lane == size - 1):
                m.d.sync += [lane.eq(0), at.eq(at + 1)]
        return at, lane, region, length, done, size


def _size(m: Module, region: Value) -> Signal:
    """Bytes of a word of a plain region."""
    size = Signal(4)
    with m.Switch(region):
        for place, bytes_of in word_bytes(CONFIG).items():
            with m.Case(place):
                m.d.comb += size.eq(bytes_of)
    return size


class ReadoutKeeps(wiring.Component):
    """Each sum that is captured is at the head after its pixel was moved on often enough.

    Members
    -------
    sums : In(T x P signed accumulators)
    capture, shift, pixel : In
    pick_pixel, pick_filter : In
        Which sum is followed from a capture on.
    """

    def __init__(self) -> None:
        config = CONFIG
        lines = data.ArrayLayout(signed(config.accumulator_bits), config.filters)
        super().__init__({
            "sums": In(data.ArrayLayout(lines, config.pixels)),
            "capture": In(1),
            "shift": In(1),
            "pixel": In(range(config.pixels)),
            "pick_pixel": In(range(config.pixels)),
            "pick_filter": In(range(config.filters)),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = CONFIG
        dut = Readout(config)
        inside = Inside(m, dut, platform)
        m.d.comb += [
            dut.i_sums.eq(self.sums), dut.i_capture.eq(self.capture),
            dut.i_shift.eq(self.shift << self.pixel), dut.i_pixel.eq(self.pixel),
        ]
        pixel, place, live = Signal.like(self.pick_pixel), Signal(range(config.filters)), Signal()
        value = Signal(config.accumulator_bits)
        with m.If(self.capture):
            m.d.sync += [
                live.eq(1), pixel.eq(self.pick_pixel), place.eq(self.pick_filter),
                value.eq(Value.cast(self.sums[self.pick_pixel][self.pick_filter])),
            ]
        with m.Elif(self.shift & (self.pixel == pixel)):
            m.d.sync += [
                live.eq(live & (place >= config.requantisers)),
                place.eq(place - config.requantisers),
            ]
        at_head = live & (self.pixel == pixel) & (place < config.requantisers)
        head = Value.cast(dut.o_head).word_select(place[:1], config.accumulator_bits)
        m.d.comb += [
            Assert(~at_head | (head == value), "a sum must come to the head as it was"),
            Cover(at_head & self.shift & (self.pick_filter == 0), "a sum at the head"),
        ]
        for t in range(config.pixels):
            held = inside["heads"][t].value
            word = held.word_select(place, config.accumulator_bits)
            m.d.comb += Assert(~(live & (pixel == t)) | (word == value), "it is held at its place")
        return m

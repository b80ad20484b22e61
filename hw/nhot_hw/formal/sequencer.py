"""What the sequencer promises: each descriptor is whole, and stays as long as it is used."""

from amaranth.asserts import AnyConst
from amaranth.hdl import Array, Assert, Assume, Cover, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from nhot.contract.config import EngineConfig
from nhot.contract.memories import timing_words
from nhot.contract.program import DESCRIPTOR_WORDS
from nhot_hw.delay import delayed
from nhot_hw.engine.descriptor import kept
from nhot_hw.engine.sequencer import Sequencer
from nhot_hw.formal.inside import Inside

__all__ = ["SequencerKeeps"]

CONFIG = EngineConfig(program_words=64)


class SequencerKeeps(wiring.Component):
    """A layer starts with the words of its place in the program, when nothing is under way.

    The walk has its descriptor until it is over, all else until the layer has ended, whatever is
    fetched meanwhile. Each layer that ends is timed by two words, in their places.

    Of a descriptor one word is looked at, which is any, and of the program memory the word at one
    address, which is any. Walks and layers take any time.

    Members
    -------
    start, stalled, words : In
    walk_ends, layer_ends : In
        Where a walk, or what it left, is under way, that is over in the next cycle.
    """

    start: In(1)
    stalled: In(1)
    words: In(32)
    walk_ends: In(1)
    layer_ends: In(1)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        dut = Sequencer(CONFIG)
        inside = Inside(m, dut, platform)
        m.d.comb += [
            dut.i_start.eq(self.start), dut.i_stalled.eq(self.stalled), dut.i_word.eq(self.words),
        ]
        walking, busy = Signal(), Signal()
        m.d.comb += [dut.i_walking.eq(walking), dut.i_layer_busy.eq(busy)]
        with m.If(dut.o_start):
            m.d.sync += [walking.eq(1), busy.eq(1)]
        with m.Else():
            m.d.sync += [
                walking.eq(walking & ~self.walk_ends), busy.eq(busy & (walking | ~self.layer_ends)),
            ]
        pick = AnyConst(4)
        m.d.comb += Assume(pick < DESCRIPTOR_WORDS)
        picked, of_layer = (
            port.as_value().word_select(pick, 32) for port in (dut.o_descriptor, dut.o_layer)
        )
        self._keeps(m, dut, inside, walking, busy, picked, of_layer)
        self._fetches(m, dut, inside, pick, picked)
        self._times(m, dut, inside, busy)
        return m

    def _keeps(self, m: Module, dut: Sequencer, inside: Inside, walking: Value, busy: Value,
               picked: Value, of_layer: Value) -> None:
        """The descriptor with which a layer started is there until it is no more used."""
        started = Signal(32)
        with m.If(dut.o_start):
            m.d.sync += started.eq(picked)
        m.d.comb += [
            Assert(~dut.o_start | ~busy, "a layer may start when none is under way"),
            Assert(~inside.state("Decide") | (of_layer == picked),
                   "both must be there as a layer starts"),
            Assert(~walking | (picked == started), "a walk keeps its layer"),
            Assert(~busy | (of_layer == started), "a layer keeps its descriptor"),
            Assert(~walking | busy, "a walk is of a layer"),
            Assert(~walking | inside.state("Walk"), "nothing is fetched while it is"),
            Assert(~busy | inside.state("Walk", "Fetch", "Finish"), "nor decided while a layer is"),
            Cover(busy & inside.state("Fetch"), "the next one is fetched meanwhile"),
        ]

    def _fetches(self, m: Module, dut: Sequencer, inside: Inside, pick: Value, picked: Value
                 ) -> None:
        """Word ``i`` of the n-th descriptor is that at the address 14 n + i."""
        known, word = AnyConst(len(dut.o_address)), AnyConst(32)
        asked = delayed(m, dut.o_address, 1)
        m.d.comb += Assume((asked != known) | (self.words == word))
        first = Signal.like(dut.o_address)  # of the descriptor that is fetched
        with m.If(dut.o_start):
            m.d.sync += first.eq(first + DESCRIPTOR_WORDS)
        with m.Elif(inside.state("Idle")):
            m.d.sync += first.eq(0)
        index = inside.signal("index")
        fetches, there = inside.state("Fetch"), inside.state("Finish", "Decide")
        count = Mux(index < DESCRIPTOR_WORDS, index, DESCRIPTOR_WORDS)
        mask = Array(kept(i, CONFIG) for i in range(DESCRIPTOR_WORDS))[pick]
        bits = len(first)
        m.d.comb += [
            Assert(~(there | (fetches & (index > pick + 1)))
                   | (known != (first + pick)[:bits]) | (picked == (word & mask)),
                   "each word must be that of its address"),
            Assert(~fetches | (dut.o_address == (first + count)[:bits]), "words in order"),
            Assert(~fetches | (index == 0) | (index > DESCRIPTOR_WORDS)
                   | (asked == (first + index - 1)[:bits]), "a word comes a cycle later"),
            Assert(~there | (dut.o_address == (first + DESCRIPTOR_WORDS)[:bits]),
                   "all words were asked for"),
            Assert(~inside.state("Walk") | (dut.o_address == first),
                   "the next descriptor is behind this one"),
            Assert(fetches | (index == 0) | (index > DESCRIPTOR_WORDS), "no word comes"),
            Assert(~inside.state("Idle", "Decide", "Walk") | (index == 0), "nothing is fetched"),
        ]

    def _times(self, m: Module, dut: Sequencer, inside: Inside, busy: Value) -> None:
        """The n-th layer gives words 2 n and 2 n + 1: when it ended, and the stalls until then."""
        layers, written = Signal(8), Signal(2)
        with m.If(inside.state("Idle")):
            m.d.sync += [layers.eq(0), written.eq(0)]
        with m.If(dut.o_start):
            m.d.sync += [layers.eq(layers + 1), written.eq(0)]
        with m.Elif(dut.o_timing_write):
            m.d.sync += written.eq(written + 1)
        decides, ran = inside.state("Decide"), layers != 0
        runs = inside.state("Walk", "Fetch", "Finish", "Decide")
        ends = inside.state("Finish") & ~busy
        last = (2 * layers - 2)[: len(dut.o_timing_address)]
        m.d.comb += [
            Assert(dut.o_timing_write == (ran & (ends | decides)), "each layer is timed"),
            Assert(~dut.o_timing_write | (dut.o_timing_address == last + decides),
                   "in its two words"),
            Assert(dut.o_timing_data == Mux(decides, dut.o_stalls, dut.o_cycles),
                   "with cycles and stalls"),
            Assert(~inside.state("Walk", "Fetch", "Finish") | (written == 0), "not yet"),
            Assert(~inside.state("Walk") | ran, "a walk is of a layer that started"),
            Assert(~runs | (inside["ran"] == ran), "the first descriptor times no layer"),
            Assert(~runs | (dut.o_timing_address == Mux(ran, last + decides, 0)), "words in order"),
            Assert(layers <= timing_words(CONFIG) // 2, "no more than have room"),
        ]

"""Fetches descriptors, starts layers, counts cycles."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.contract.memories import timing_words
from nhot.contract.program import DESCRIPTOR_WORDS, Operation
from nhot_hw.engine.descriptor import DescriptorLayout, excess, illegal, kept
from nhot_hw.engine.host import WordAddress

__all__ = ["Sequencer"]


class Sequencer(wiring.Component):
    """Run the program in the program memory from word 0 to its ``END``.

    A descriptor is fetched as soon as the walk of the layer before it is over. What is still under
    way of that layer has a copy of its own descriptor, which is made as a layer starts. An engine
    that does not fetch ahead saves the copy, and waits until nothing is under way.

    Members
    -------
    i_start : pulse; ignored while busy
    o_busy : a program runs
    o_address, i_word : program memory, whose word comes a cycle after its address
    o_descriptor : the layer of the walk, stable while ``i_walking``
    o_layer : the layer of all that follows the walk, stable while ``i_layer_busy``
    o_start : pulse: the layer starts; both are there
    o_illegal : pulse: the descriptor cannot be run, or the program went on to the memory's end;
        the sequencer waits to be reset
    i_walking : the layer's walk is under way, from the cycle after its start
    i_layer_busy : the walk, or anything it left on the way, is under way
    i_fault : the run has one, and is about to be reset: no layer ends any more
    i_stalled : the array waits in this cycle
    o_cycles, o_stalls : of the run so far, or of the last run, broken off or not
    o_timing_write, o_timing_address, o_timing_data : end cycle and stalls of each layer, as two
        words of the timing memory; like the counts, the address outlives a reset
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__({
            "i_start": In(1),
            "o_busy": Out(1),
            "o_address": Out(range(config.program_words)),
            "i_word": In(32),
            "o_descriptor": Out(DescriptorLayout),
            "o_layer": Out(DescriptorLayout),
            "o_start": Out(1),
            "o_illegal": Out(1),
            "i_walking": In(1),
            "i_layer_busy": In(1),
            "i_fault": In(1),
            "i_stalled": In(1),
            "o_cycles": Out(32),
            "o_stalls": Out(32),
            "o_timing_write": Out(1),
            "o_timing_address": Out(WordAddress),
            "o_timing_data": Out(32),
        })

    def elaborate(self, platform):
        m = Module()
        cycles = Signal(32, reset_less=True)
        stalls = Signal(32, reset_less=True)
        timing_address = Signal(range(timing_words(self.config) + 2), reset_less=True)
        ahead = self.config.fetches_ahead
        layer = self.o_descriptor
        if ahead:
            layer = Signal(DescriptorLayout, reset_less=True)
        ran, timed = Signal(), Signal()  # a layer, which is timed as it ends
        fetch = Signal()
        fetched, wrong = self._fetch(m, fetch)
        end = self.o_descriptor.operation == Operation.END
        m.d.comb += [
            self.o_layer.eq(layer), timed.eq(ran & ~self.i_fault),
            self.o_cycles.eq(cycles), self.o_stalls.eq(stalls),
            self.o_timing_address.eq(timing_address),
            self.o_timing_data.eq(cycles),
        ]
        with m.If(self.o_busy):
            m.d.sync += cycles.eq(cycles + 1)
            with m.If(self.i_stalled):
                m.d.sync += stalls.eq(stalls + 1)
        with m.If(self.o_timing_write):
            m.d.sync += timing_address.eq(timing_address + 1)

        with m.FSM():
            with m.State("Idle"):
                with m.If(self.i_start):
                    m.d.sync += [
                        self.o_busy.eq(1), cycles.eq(0), stalls.eq(0), ran.eq(0),
                        self.o_address.eq(0), timing_address.eq(0),
                    ]
                    m.next = "Fetch"
            with m.State("Fetch"):
                m.d.comb += fetch.eq(1)
                with m.If(fetched):
                    m.next = "Finish"
            with m.State("Finish"):
                with m.If(~self.i_layer_busy):
                    m.d.comb += self.o_timing_write.eq(timed)
                    if ahead:
                        m.d.sync += layer.eq(self.o_descriptor)
                    m.next = "Decide"
            with m.State("Decide"):
                none_left = timing_address == timing_words(self.config) - 1
                m.d.comb += [
                    self.o_timing_write.eq(timed), self.o_timing_data.eq(stalls),
                    self.o_illegal.eq(none_left | wrong),
                ]
                with m.If(self.o_illegal):
                    m.next = "Refused"
                with m.Elif(end):
                    m.d.sync += self.o_busy.eq(0)
                    m.next = "Idle"
                with m.Else():
                    m.d.comb += self.o_start.eq(1)
                    m.d.sync += ran.eq(1)
                    m.next = "Walk"
            with m.State("Walk"):
                with m.If(~(self.i_walking if ahead else self.i_layer_busy)):
                    m.next = "Fetch"
            with m.State("Refused"):
                pass
        return m

    def _fetch(self, m, fetch):
        """A word a cycle while ``fetch`` holds, from the address on; then what they say settles.

        Whether that is so, and then, whether the descriptor cannot be run.
        """
        words = [Signal(32, name=f"word_{i}") for i in range(DESCRIPTOR_WORDS)]
        last = DESCRIPTOR_WORDS + self.config.pixels - 1  # multiples of the strides form
        index = Signal(range(last + 1))
        too_much = Signal()  # a word says more than is kept of it
        wrong = Signal()  # so is the descriptor of a layer, once all of it is there
        m.d.comb += self.o_descriptor.as_value().eq(Cat(*words))
        m.d.sync += [
            index.eq(Mux(fetch, index + 1, 0)),
            wrong.eq(illegal(self.o_descriptor, self.config)),
        ]
        with m.If(fetch & (index < DESCRIPTOR_WORDS)):
            m.d.sync += self.o_address.eq(self.o_address + 1)
        with m.Switch(index):
            for i, word in enumerate(words):
                with m.Case(i + 1):  # a cycle after its address
                    m.d.sync += [
                        word.eq(self.i_word & kept(i, self.config)),
                        too_much.eq(too_much | excess(i, self.i_word, self.config)),
                    ]
        end = self.o_descriptor.operation == Operation.END
        return fetch & (index == last), too_much | (~end & wrong)

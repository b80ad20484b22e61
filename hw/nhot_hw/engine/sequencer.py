"""Fetches descriptors, starts layers, counts cycles."""

from amaranth.hdl import Cat, Module, Signal
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

    Members
    -------
    i_start : pulse; ignored while busy
    o_busy : a program runs
    o_address, i_word : program memory, whose word comes a cycle after its address
    o_descriptor : the present layer
    o_start : pulse: the layer starts
    o_illegal : the descriptor cannot be run, or the program went on to the memory's end; the
        sequencer waits to be reset
    i_layer_busy : the layer's walk, or anything it left on the way, is under way
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
            "o_start": Out(1),
            "o_illegal": Out(1),
            "i_layer_busy": In(1),
            "i_stalled": In(1),
            "o_cycles": Out(32),
            "o_stalls": Out(32),
            "o_timing_write": Out(1),
            "o_timing_address": Out(WordAddress),
            "o_timing_data": Out(32),
        })

    def elaborate(self, platform):
        m = Module()
        index = Signal(range(DESCRIPTOR_WORDS + 1))
        arriving = Signal()
        arriving_index = Signal.like(index)
        words = [Signal(32, name=f"word_{i}") for i in range(DESCRIPTOR_WORDS)]
        settle = Signal(range(self.config.pixels + 2))
        cycles = Signal(32, reset_less=True)
        stalls = Signal(32, reset_less=True)
        timing_address = Signal(range(timing_words(self.config) + 2), reset_less=True)
        wrong = Signal()  # so is the descriptor of a layer, once all of it is there
        too_much = Signal()  # a word of the descriptor says more than is kept of it
        m.d.comb += [
            self.o_descriptor.as_value().eq(Cat(*words)),
            self.o_cycles.eq(cycles), self.o_stalls.eq(stalls),
            self.o_timing_address.eq(timing_address),
        ]
        m.d.sync += [arriving.eq(0), arriving_index.eq(index)]
        m.d.sync += wrong.eq(illegal(self.o_descriptor, self.config))
        with m.If(arriving):
            with m.Switch(arriving_index):
                for i, word in enumerate(words):
                    with m.Case(i):
                        m.d.sync += word.eq(self.i_word & kept(i, self.config))
                        m.d.sync += too_much.eq(too_much | excess(i, self.i_word, self.config))

        with m.If(self.o_busy):
            m.d.sync += cycles.eq(cycles + 1)
            with m.If(self.i_stalled):
                m.d.sync += stalls.eq(stalls + 1)

        with m.FSM():
            with m.State("Idle"):
                with m.If(self.i_start):
                    m.d.sync += [
                        self.o_busy.eq(1), cycles.eq(0), stalls.eq(0),
                        self.o_address.eq(0), timing_address.eq(0), index.eq(0),
                    ]
                    m.next = "Fetch"
            with m.State("Fetch"):
                m.d.sync += [arriving.eq(1), index.eq(index + 1)]
                m.d.sync += self.o_address.eq(self.o_address + 1)
                with m.If(index == DESCRIPTOR_WORDS - 1):
                    m.d.sync += settle.eq(self.config.pixels)
                    m.next = "Settle"
            with m.State("Settle"):  # the last word arrives; multiples of the strides form
                m.d.sync += settle.eq(settle - 1)
                with m.If(settle == 0):
                    m.next = "Decide"
            with m.State("Decide"):
                end = self.o_descriptor.operation == Operation.END
                m.d.comb += self.o_illegal.eq(
                    (timing_address == timing_words(self.config))  # no whole descriptor is left
                    | too_much | (~end & wrong)
                )
                with m.If(end & ~self.o_illegal):
                    m.d.sync += self.o_busy.eq(0)
                    m.next = "Idle"
                with m.Elif(~self.o_illegal):
                    m.d.comb += self.o_start.eq(1)
                    m.next = "Launch"
            with m.State("Launch"):  # busy rises a cycle after the start
                m.next = "Run"
            with m.State("Run"):
                with m.If(~self.i_layer_busy):
                    m.next = "Time-Cycles"
            with m.State("Time-Cycles"):
                m.d.comb += [self.o_timing_write.eq(1), self.o_timing_data.eq(cycles)]
                m.d.sync += timing_address.eq(timing_address + 1)
                m.next = "Time-Stalls"
            with m.State("Time-Stalls"):
                m.d.comb += [self.o_timing_write.eq(1), self.o_timing_data.eq(stalls)]
                m.d.sync += timing_address.eq(timing_address + 1)
                m.d.sync += index.eq(0)
                m.next = "Fetch"
        return m

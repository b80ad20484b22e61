"""An array of lanes with registers around it, for synthesis and timing only."""

from amaranth.hdl import Cat, Module, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Harness", "Lanes"]


class Lanes(wiring.Component):
    """Lanes side by side as the engine has them: activations and control shared, weights not.

    Members
    -------
    i_x : In, the activations of one step
    i_w : In, one word of fields a lane, first lane in the low bits
    i_en, i_first, i_phase : In
    o_sum : Out, one sum a lane, first lane in the low bits
    """

    def __init__(self, spec, count: int):
        lane = spec.create()
        self.lanes = [lane, *(spec.create() for _ in range(count - 1))]
        shapes = {name: member.shape for name, member in lane.signature.members.items()}
        super().__init__({
            "i_x": In(shapes["i_x"]),
            "i_w": In(unsigned(len(lane.i_w) * count)),
            "i_en": In(1),
            "i_first": In(1),
            "i_phase": In(shapes["i_phase"]),
            "o_sum": Out(unsigned(len(lane.o_sum) * count)),
        })

    def elaborate(self, platform):
        m = Module()
        for i, lane in enumerate(self.lanes):
            m.submodules[f"lane{i}"] = lane
            m.d.comb += [
                lane.i_x.eq(self.i_x),
                lane.i_w.eq(self.i_w.word_select(i, len(lane.i_w))),
                lane.i_en.eq(self.i_en),
                lane.i_first.eq(self.i_first),
                lane.i_phase.eq(self.i_phase),
                self.o_sum.word_select(i, len(lane.o_sum)).eq(lane.o_sum),
            ]
        return m


class Harness(wiring.Component):
    """Lanes behind four pins: every input a register of one shift chain, every sum registered.

    The sums are folded into one bit by registered exclusive-ors, so that nothing is optimised away,
    no pin is on a path between lanes, and the lanes alone decide the clock frequency.

    Members
    -------
    i_scan : In(1)
    o_scan : Out(1)
    """

    i_scan: In(1)
    o_scan: Out(1)

    def __init__(self, spec, count: int):
        self.lanes = Lanes(spec, count)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.lanes = lanes = self.lanes
        inputs = Cat(
            lanes.i_x.as_value(), lanes.i_w, lanes.i_en, lanes.i_first, lanes.i_phase
        )
        # Without a reset or a start value these are plain flip-flops, which every part has.
        chain = Signal(len(inputs), reset_less=True)
        m.d.sync += chain.eq(Cat(self.i_scan, chain))
        m.d.comb += inputs.eq(chain)

        words = Signal(len(lanes.o_sum), reset_less=True)
        m.d.sync += words.eq(lanes.o_sum)
        while len(words) > 1:
            folded = Signal(-(-len(words) // 4), reset_less=True)
            m.d.sync += folded.eq(Cat(words[i:i + 4].xor() for i in range(0, len(words), 4)))
            words = folded
        m.d.comb += self.o_scan.eq(words)
        return m

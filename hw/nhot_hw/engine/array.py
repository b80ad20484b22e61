"""The T x P array of dot lanes."""

from amaranth.hdl import Module, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot_hw.lanes import for_config

__all__ = ["LaneArray"]


class LaneArray(wiring.Component):
    """T pixels by P filters: a pixel's lanes share its word, a filter's lanes share its weights.

    The lane is a plug-in chosen by the format; latency and interval are the lane's own.

    Members
    -------
    i_x : In(T words of S signed bytes)
    i_w : In(P x S weight fields), filter by filter, each with the sign that they may share
    i_en, i_first, i_phase : as for a lane
    o_sum : Out(T x P signed accumulators), valid ``latency`` cycles after the last step
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        self.lane = for_config(config)
        word = data.ArrayLayout(signed(8), config.inputs)
        sums = data.ArrayLayout(signed(config.accumulator_bits), config.filters)
        super().__init__({
            "i_x": In(data.ArrayLayout(word, config.pixels)),
            "i_w": In(config.weight_word_bits),
            "i_en": In(1),
            "i_first": In(1),
            "i_phase": In(range(max(2, config.step_cycles))),
            "o_sum": Out(data.ArrayLayout(sums, config.pixels)),
        })

    @property
    def latency(self) -> int:
        """Cycles from the last step of a sum to its value on ``o_sum``."""
        return self.lane.latency

    def elaborate(self, platform):
        m = Module()
        width = self.lane.weight_bits
        for t in range(self.config.pixels):
            for p in range(self.config.filters):
                lane = m.submodules[f"lane_{t}_{p}"] = self.lane.create()
                m.d.comb += [
                    lane.i_x.eq(self.i_x[t]),
                    lane.i_w.eq(self.i_w[p * width : (p + 1) * width]),
                    lane.i_en.eq(self.i_en),
                    lane.i_first.eq(self.i_first),
                    lane.i_phase.eq(self.i_phase),
                    self.o_sum[t][p].eq(lane.o_sum),
                ]
        return m

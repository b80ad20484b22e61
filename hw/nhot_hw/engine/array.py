"""The T x P array of dot lanes."""

from amaranth.hdl import Module, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract import EngineConfig
from nhot_hw.lanes import LaneSpec, for_config

__all__ = ["LaneArray", "array_for"]


class LaneArray(wiring.Component):
    """T pixels by P filters: a pixel's lanes share its word, a filter's lanes share its weights.

    The lane is a plug-in chosen by the format; latency and interval are the lane's own.

    Parameters
    ----------
    lane : LaneSpec
    pixels, filters : int
        T and P.
    apart : bool
        Whether lanes of a pixel have inputs of their own, rather than share its word.

    Members
    -------
    i_x : In(T words of S activations), or In(T x P words) where lanes are apart
    i_w : In(P x S weight fields), filter by filter, each with the sign that they may share
    i_en, i_first, i_phase : as for a lane
    i_bias : In(P accumulators), only where the lane has one
    o_sum : Out(T x P signed accumulators), valid ``latency`` cycles after the last step
    """

    def __init__(self, lane: LaneSpec, *, pixels: int, filters: int, apart: bool = False):
        self.lane = lane
        self.apart = apart
        self.pixels, self.filters = pixels, filters
        word = data.ArrayLayout(lane.activation_shape, lane.inputs)
        if apart:
            word = data.ArrayLayout(word, filters)
        sums = data.ArrayLayout(signed(lane.accumulator_bits), filters)
        super().__init__({
            "i_x": In(data.ArrayLayout(word, pixels)),
            "i_w": In(unsigned(filters * lane.weight_bits)),
            "i_en": In(1),
            "i_first": In(1),
            "i_phase": In(range(max(2, lane.ii))),
            **({"i_bias": In(sums)} if lane.bias else {}),
            "o_sum": Out(data.ArrayLayout(sums, pixels)),
        })

    @property
    def latency(self) -> int:
        """Cycles from the last step of a sum to its value on ``o_sum``."""
        return self.lane.latency

    def elaborate(self, platform):
        m = Module()
        width = self.lane.weight_bits
        for t in range(self.pixels):
            for p in range(self.filters):
                lane = m.submodules[f"lane_{t}_{p}"] = self.lane.create()
                m.d.comb += [
                    lane.i_x.eq(self.i_x[t][p] if self.apart else self.i_x[t]),
                    lane.i_w.eq(self.i_w.word_select(p, width)),
                    lane.i_en.eq(self.i_en),
                    lane.i_first.eq(self.i_first),
                    lane.i_phase.eq(self.i_phase),
                    self.o_sum[t][p].eq(lane.o_sum),
                ]
                if self.lane.bias:
                    m.d.comb += lane.i_bias.eq(self.i_bias[p])
        return m


def array_for(config: EngineConfig) -> LaneArray:
    """The array of an engine."""
    return LaneArray(
        for_config(config), pixels=config.pixels, filters=config.filters, apart=config.depthwise
    )

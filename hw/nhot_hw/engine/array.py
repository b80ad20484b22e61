"""The T x P array of dot lanes."""

from amaranth.hdl import Module, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract import EngineConfig
from nhot_hw.delay import delayed
from nhot_hw.lanes import LaneSpec, for_config

__all__ = ["LaneArray", "array_for"]


class LaneArray(wiring.Component):
    """T pixels by P filters: a pixel's lanes share its word, a filter's lanes share its weights.

    The lane is a plug-in chosen by the format; latency and interval are the lane's own. A large
    array works as a systolic one does: the first group of filters has a step at once, each further
    group a cycle after the one before it, from whose registers it comes, and the sums of the early
    groups wait for those of the last. No word then has a way to all lanes in one cycle.

    ::

        step -+--------------> group 0 -> register -> register -+
              +-> register -+> group 1 -> register -------------+-> sums
                            +-> register -> group 2 ------------+

    Parameters
    ----------
    lane : LaneSpec
    pixels, filters : int
        T and P.
    apart : bool
        Whether lanes of a pixel have inputs of their own, rather than share its word.
    groups : int
        Groups of filters that work one after the other; divides P.

    Members
    -------
    i_x : In(T words of S activations), or In(T x P words) where lanes are apart
    i_w : In(P x S weight fields), filter by filter, each with the sign that they may share
    i_en, i_first, i_phase : as for a lane
    i_bias : In(P accumulators), only where the lane has one
    o_sum : Out(T x P signed accumulators), valid ``latency`` cycles after the last step
    """

    def __init__(self, lane: LaneSpec, *, pixels: int, filters: int, apart: bool = False,
                 groups: int = 1):
        self.lane = lane
        self.apart = apart
        self.groups = groups
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
        return self.lane.latency + self.groups - 1

    def elaborate(self, platform):
        m = Module()
        step = [self.i_x, self.i_w, self.i_en, self.i_first, self.i_phase]
        if self.lane.bias:
            step.append(self.i_bias)
        size = self.filters // self.groups
        for group in range(self.groups):
            if group:
                step = [delayed(m, value, 1) for value in step]
            for p in range(group * size, (group + 1) * size):
                for t in range(self.pixels):
                    lane = self._lane(m, t, p, *step)
                    m.d.comb += self.o_sum[t][p].eq(
                        delayed(m, lane.o_sum, self.groups - 1 - group)
                    )
        return m

    def _lane(self, m, t, p, x, w, en, first, phase, bias=None):
        """The lane of a pixel and a filter, which works on its part of a step."""
        lane = m.submodules[f"lane_{t}_{p}"] = self.lane.create()
        m.d.comb += [
            lane.i_x.eq(x[t][p] if self.apart else x[t]),
            lane.i_w.eq(w.word_select(p, self.lane.weight_bits)),
            lane.i_en.eq(en),
            lane.i_first.eq(first),
            lane.i_phase.eq(phase),
        ]
        if self.lane.bias:
            m.d.comb += lane.i_bias.eq(bias[p])
        return lane


def array_for(config: EngineConfig) -> LaneArray:
    """The array of an engine."""
    return LaneArray(
        for_config(config), pixels=config.pixels, filters=config.filters, apart=config.depthwise,
        groups=config.filter_groups,
    )

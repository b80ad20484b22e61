"""From the memories to the lanes and the window unit: words, and beside them their steps."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot_hw.delay import delayed
from nhot_hw.engine.operands import Operands
from nhot_hw.engine.role import RoleLayout
from nhot_hw.engine.walker import step_layout

__all__ = ["Feed"]


class Feed(wiring.Component):
    """Words of a step, padded, as the operands of lanes and window unit, in the cycle of its bits.

    ::

        step     -> ... memory latency ... -> register ------------> window unit
        words    ------> pad ---------------> register -> taps ----> lanes
        weights  ---------------------------> register -> register ^

    Taps take a cycle of their own, in engines whose lanes can have them.

    Members
    -------
    i_pad : what a tap outside the input reads
    i_role : of the layer
    i_valid, i_step : a step of the walk
    i_words : its T words of S bytes, ``config.memory_latency - 1`` cycles later
    i_weights : its weight word, as late
    i_depthwise : where lanes may have taps, whether they do by the descriptor that is fetched
    o_x, o_w, o_en, o_first, o_phase : to the lanes, see :class:`LaneArray`
    o_window_x, o_window_en, o_window_first : to the window unit
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        word = data.ArrayLayout(signed(8), config.inputs)
        lanes = data.ArrayLayout(word, config.filters) if config.depthwise else word
        step = step_layout(config)
        super().__init__({
            "i_pad": In(signed(8)),
            "i_role": In(RoleLayout),
            "i_valid": In(1),
            "i_step": In(step),
            "i_words": In(data.ArrayLayout(unsigned(8 * config.inputs), config.pixels)),
            "i_weights": In(config.weight_word_bits),
            **({"i_depthwise": In(1)} if config.depthwise else {}),
            "o_x": Out(data.ArrayLayout(lanes, config.pixels)),
            "o_w": Out(config.weight_word_bits),
            "o_en": Out(1),
            "o_first": Out(1),
            "o_phase": Out(step["phase"].shape),
            "o_window_x": Out(word),
            "o_window_en": Out(1),
            "o_window_first": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        arriving, arrived = self._follow(m)
        m.d.comb += [
            self.o_window_en.eq(arrived.valid & (arrived.phase == 0)),
            self.o_window_first.eq(arrived.first),
        ]
        pad = Cat(*[self.i_pad for _ in range(self.config.inputs)])
        words = [Mux(arriving.inside[t], word, pad) for t, word in enumerate(self.i_words)]
        if self.config.depthwise:
            self._pick(m, arriving, arrived, words)
        else:
            self._share(m, arriving, arrived, words)
        return m

    def _follow(self, m):
        """A step as late as its words: at the outputs of the memories, and a register behind."""
        layout = data.StructLayout({"valid": 1, **{
            name: field.shape for name, field in self.i_step.shape()
            if name in ("first", "last", "phase", "inside")
        }})
        line = [Signal(layout, name=f"step_{i}") for i in range(self.config.memory_latency)]
        m.d.sync += [
            line[0].valid.eq(self.i_valid),
            *(line[0][name].eq(self.i_step[name]) for name, _ in layout if name != "valid"),
            *(late.eq(early) for early, late in pairwise(line)),
        ]
        return line[-2:]

    def _share(self, m, arriving, arrived, words):
        """All lanes of a pixel have its word, and so has the window unit the first one's."""
        m.d.comb += [
            *(operands.as_value().eq(delayed(m, word, 1))
              for operands, word in zip(self.o_x, words, strict=True)),
            self.o_w.eq(delayed(m, self.i_weights, 1)),
        ]
        if self.config.pixels == 1:
            m.d.comb += self.o_window_x.eq(self.o_x[0])
        else:
            self._keep_apart(m, arriving, words[0])
        m.d.comb += [
            self.o_en.eq(arrived.valid & self.i_role.lanes),
            self.o_first.eq(arrived.first),
            self.o_phase.eq(arrived.phase),
        ]

    def _keep_apart(self, m, arriving, word):
        """Where wires are long the window unit has a register of its own.

        It follows no steps of the lanes: one that was always equal would be made the lanes' again
        by synthesis.
        """
        apart = Signal(len(word), reset_less=True)
        with m.If(arriving.valid & ~self.i_role.lanes):
            m.d.sync += apart.eq(word)
        m.d.comb += self.o_window_x.as_value().eq(apart)

    def _pick(self, m, arriving, arrived, words):
        """A lane may have the taps of its own channel, and works once, when all are there."""
        m.submodules.operands = operands = Operands(self.config)
        m.d.comb += [
            operands.i_valid.eq(arriving.valid),
            *(port.as_value().eq(word) for port, word in zip(operands.i_words, words, strict=True)),
            operands.i_depthwise.eq(self.i_depthwise),
            self.o_x.eq(operands.o_x),
            self.o_w.eq(delayed(m, self.i_weights, 2)),
        ]
        self._keep_apart(m, arriving, words[0])
        depthwise = self.i_role.depthwise
        m.d.sync += [
            self.o_en.eq(
                arrived.valid & Mux(depthwise, arrived.last, self.i_role.lanes)
            ),
            self.o_first.eq(arrived.first | depthwise),
            self.o_phase.eq(arrived.phase),
        ]

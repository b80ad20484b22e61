"""What the lanes work on: the same word for all of them, or each the taps of its own channel."""

from itertools import pairwise

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import DEPTHWISE_KERNEL, DEPTHWISE_TAPS, EngineConfig

__all__ = ["Operands"]


class Operands(wiring.Component):
    """Words from the activation memory, as the operands of the lanes.

    For most layers the S inputs of a lane are the channels of its pixel's word. For a depthwise
    layer they are the taps of one channel, that of its filter. A walk through such a layer's input
    gives T columns a pixel group, three words each; the last columns stay here, so that a word is
    read once for the outputs of a row. Tap (y, x) of a pixel is input ``3 x + y`` of its lanes.

    Members
    -------
    i_valid, i_words : a step, and its T words of S signed bytes
    i_depthwise : the role of the lanes, a cycle later
    o_word : the first pixel's word, in the next cycle
    o_x : Out(T pixels x P filters x S signed bytes), in the next cycle
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        self.word = data.ArrayLayout(signed(8), config.inputs)
        super().__init__({
            "i_valid": In(1),
            "i_words": In(data.ArrayLayout(self.word, config.pixels)),
            "i_depthwise": In(1),
            "o_word": Out(self.word),
            "o_x": Out(data.ArrayLayout(
                data.ArrayLayout(self.word, config.filters), config.pixels
            )),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        groups = 1 + config.preloads  # whose words an output needs, its own among them
        held = []
        for t in range(config.pixels):
            words = [
                Signal(self.word, name=f"word_{t}_{age}")
                for age in range(groups * DEPTHWISE_KERNEL)
            ]
            with m.If(self.i_valid):
                m.d.sync += words[0].eq(self.i_words[t])
                m.d.sync += [old.eq(new) for new, old in pairwise(words)]
            held.append(words)
        m.d.comb += self.o_word.eq(held[0][0])
        for t in range(config.pixels):
            for p in range(config.filters):
                for s in range(config.inputs):
                    operand = held[t][0][s]
                    if s < DEPTHWISE_TAPS:
                        pixel, age = self._tap(t, s)
                        operand = Mux(self.i_depthwise, held[pixel][age][p], operand)
                    m.d.comb += self.o_x[t][p][s].eq(operand)
        return m

    def _tap(self, pixel: int, tap: int) -> tuple[int, int]:
        """Whose words tap ``tap`` of a pixel is among, and how many steps ago it was read."""
        x, y = divmod(tap, DEPTHWISE_KERNEL)
        last = DEPTHWISE_KERNEL - 1
        groups, column = divmod(pixel + x - last, self.config.pixels)
        return column, last - y - groups * DEPTHWISE_KERNEL

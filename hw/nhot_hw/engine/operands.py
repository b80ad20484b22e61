"""What the lanes work on: the same word for all of them, or each the taps of its own channel."""

from itertools import pairwise, product

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import DEPTHWISE_KERNEL, DEPTHWISE_TAPS, EngineConfig
from nhot_hw.delay import delayed

__all__ = ["Operands"]

_CHOICES = 8  # at most so many cycles pass from the operation of a descriptor until the last filter
# knows of it: half of those in which the rest is fetched and settles


class Operands(wiring.Component):
    """Words from the activation memory, as the operands of the lanes.

    For most layers the S inputs of a lane are the channels of its pixel's word. For a depthwise
    layer they are the taps of one channel, that of its filter. A walk through such a layer's input
    gives T columns a pixel group, three words each; the last columns stay here, so that a word is
    read once for the outputs of a row. Tap (y, x) of a pixel is input ``3 x + y`` of its lanes.

    Each lane has registers of its own behind the choice, so that a bit of a word need not reach the
    shifters of all filters in one cycle, nor need the bit that chooses: that one passes a register
    every few filters, for which there is time, as it only changes while no step is under way.

    Members
    -------
    i_valid, i_words : a step, and its T words of S signed bytes
    i_depthwise : the role of the lanes, as the descriptor that is fetched has it: that comes when
        the walk before it is over, so that no step is in front of the first filters, and has long
        been there when its own begins
    o_x : Out(T pixels x P filters x S signed bytes), two cycles later
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        self.word = data.ArrayLayout(signed(8), config.inputs)
        super().__init__({
            "i_valid": In(1),
            "i_words": In(data.ArrayLayout(self.word, config.pixels)),
            "i_depthwise": In(1),
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
                Signal(self.word, name=f"word_{t}_{age}", reset_less=True)
                for age in range(groups * DEPTHWISE_KERNEL)
            ]
            with m.If(self.i_valid):
                m.d.sync += words[0].eq(self.i_words[t])
                m.d.sync += [old.eq(new) for new, old in pairwise(words)]
            held.append(words)
        for p, depthwise in enumerate(self._choices(m)):
            for t, s in product(range(config.pixels), range(config.inputs)):
                # Where there is no tap, weights are zero. A channel of the filter's own even so:
                # equal registers of all filters would be made one again.
                pixel, age = self._tap(t, s) if s < DEPTHWISE_TAPS else (t, 0)
                tap = Mux(depthwise, held[pixel][age][p], held[t][0][s])
                m.d.comb += self.o_x[t][p][s].eq(delayed(m, tap, 1))
        return m

    def _choices(self, m):
        """The role, for each filter; a cycle later every few of them."""
        choice = delayed(m, self.i_depthwise, 1)
        for p in range(self.config.filters):
            if p and p % -(-self.config.filters // _CHOICES) == 0:
                choice = delayed(m, choice, 1)
            yield choice

    def _tap(self, pixel: int, tap: int) -> tuple[int, int]:
        """Whose words tap ``tap`` of a pixel is among, and how many steps ago it was read."""
        x, y = divmod(tap, DEPTHWISE_KERNEL)
        last = DEPTHWISE_KERNEL - 1
        groups, column = divmod(pixel + x - last, self.config.pixels)
        return column, last - y - groups * DEPTHWISE_KERNEL

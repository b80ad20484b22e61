"""The index of the largest channel."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig

__all__ = ["ArgMax", "ChannelIndex"]

ChannelIndex = unsigned(16)
"""Which channel is the largest, as it is written: two bytes."""

_NONE = -129  # loses against any byte

_Candidate = data.StructLayout({"value": signed(9), "index": ChannelIndex})


class ArgMax(wiring.Component):
    """Follow R bytes at a time and keep the index of the largest; the first of equals wins.

    The R bytes meet in a tree with a register a level, whose winner meets the best so far. A reset
    reaches what says that there are any, not the bytes, which are many.

    Members
    -------
    i_valid, i_y : In(R signed bytes), channels in order
    i_row_end : with i_valid: these are the last channels of a position
    i_channels : channels of a position; bytes beyond them are ignored
    o_valid, o_index : Out, 2 + ceil(log2(R)) cycles after i_row_end
    o_busy : bytes are on their way, or an index is there
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__({
            "i_valid": In(1),
            "i_y": In(data.ArrayLayout(signed(8), config.requantisers)),
            "i_row_end": In(1),
            "i_channels": In(ChannelIndex),
            "o_valid": Out(1),
            "o_index": Out(ChannelIndex),
            "o_busy": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        bits = self.config.activation_address_bits + (self.config.inputs - 1).bit_length()
        first = Signal(min(bits, 16))  # channel of the first byte
        with m.If(self.i_valid):
            m.d.sync += first.eq(Mux(self.i_row_end, 0, first + self.config.requantisers))

        entrants = []
        for i, y in enumerate(self.i_y):
            entrant = Signal(_Candidate, name=f"entrant_{i}", reset_less=True)
            channel = first + i
            m.d.sync += [
                entrant.value.eq(Mux(channel < self.i_channels, y, _NONE)),
                entrant.index.eq(channel),
            ]
            entrants.append(entrant)
        valid, row_end = self._delayed(m, self.i_valid, self.i_row_end)
        under_way = [valid]
        while len(entrants) > 1:
            entrants = [self._winner(m, entrants[i : i + 2]) for i in range(0, len(entrants), 2)]
            valid, row_end = self._delayed(m, valid, row_end)
            under_way.append(valid)
        m.d.comb += self.o_busy.eq(Cat(*under_way, self.o_valid).any())

        (winner,) = entrants
        best = Signal(_Candidate, init={"value": _NONE, "index": 0})
        better = winner.value > best.value
        m.d.sync += self.o_valid.eq(valid & row_end)
        with m.If(valid):
            m.d.sync += self.o_index.eq(Mux(better, winner.index, best.index))
            with m.If(row_end):
                m.d.sync += best.value.eq(_NONE)
            with m.Elif(better):
                m.d.sync += best.eq(winner)
        return m

    def _winner(self, m, pair):
        """The better of two, a cycle later; one alone passes."""
        winner = Signal(_Candidate, name="winner", reset_less=True)
        m.d.sync += winner.eq(pair[0])
        if len(pair) == 2:
            with m.If(pair[1].value > pair[0].value):
                m.d.sync += winner.eq(pair[1])
        return winner

    def _delayed(self, m, *signals):
        later = [Signal(name="later") for _ in signals]
        m.d.sync += [after.eq(before) for after, before in zip(later, signals, strict=True)]
        return later

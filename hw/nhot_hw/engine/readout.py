"""The second buffer of the accumulators: finished sums wait here while the next ones are formed."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig

__all__ = ["Readout"]


class Readout(wiring.Component):
    """Capture all sums at once, then give out R at a time: a shift register a pixel, no wide mux.

    Members
    -------
    i_sums : In(T x P signed accumulators), with i_capture
    i_results : In(S signed accumulators), captured instead when i_window is high
    i_pixel : which pixel's sums are at the head
    i_shift : a bit for each pixel: move its sums on by R
    o_head : Out(R signed accumulators)
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        shape = signed(config.accumulator_bits)
        sums = data.ArrayLayout(shape, config.filters)
        super().__init__({
            "i_sums": In(data.ArrayLayout(sums, config.pixels)),
            "i_results": In(data.ArrayLayout(shape, config.inputs)),
            "i_window": In(1),
            "i_capture": In(1),
            "i_pixel": In(range(max(2, config.pixels))),
            "i_shift": In(config.pixels),
            "o_head": Out(data.ArrayLayout(shape, config.requantisers)),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        bits = config.accumulator_bits
        heads = []
        for t in range(config.pixels):
            # Pooling and additions work on one pixel, whose register also holds their S results.
            places = max(config.filters, config.inputs) if t == 0 else config.filters
            held = Signal(places * bits, name=f"held_{t}", reset_less=True)
            captured = self.i_sums[t].as_value()
            if t == 0:
                captured = Mux(self.i_window, self.i_results.as_value(), captured)
            with m.If(self.i_capture):
                m.d.sync += held.eq(captured)
            with m.Elif(self.i_shift[t]):
                m.d.sync += held.eq(held >> (config.requantisers * bits))
            heads.append(held[: config.requantisers * bits])
        head = Signal(config.requantisers * bits)
        with m.Switch(self.i_pixel):
            for t, value in enumerate(heads):
                with m.Case(t):
                    m.d.comb += head.eq(value)
        m.d.comb += Cat(*self.o_head).eq(head)
        return m

"""Requantisation without a multiplier: one signed power of two a cycle."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.network.requant import SHIFT

__all__ = ["Requantiser"]


class Requantiser(wiring.Component):
    """``clamp((zero_point * 2^24 + 2^23 + sum of +-(value << shift)) >> 24)``, a term a cycle.

    The reference is :meth:`nhot.network.requant.Requant.compute`. The drain times it::

        cycle    0      1      2 .. 1+n     3 .. 2+n     3+n       4+n      5+n
               value  terms  shift a term  add a term  saturate   clamp   o_y holds

    so that a new value can start every ``max(2, n)`` cycles.

    Members
    -------
    i_value : In(signed accumulator), i_bias : In(32), with i_take
    i_terms : In(32), four bytes (non-zero, negative, shift), with i_load, the cycle after i_take
    i_term, i_term_first : a term is shifted in this cycle; it starts a new product
    i_zero_point, i_low, i_high : In(signed(8)), of the layer
    o_y : Out(signed(8)), :attr:`LATENCY` cycles after the last i_term
    """

    LATENCY = 4

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__({
            "i_value": In(signed(config.accumulator_bits)),
            "i_bias": In(32),
            "i_take": In(1),
            "i_terms": In(32),
            "i_load": In(1),
            "i_term": In(1),
            "i_term_first": In(1),
            "i_zero_point": In(signed(8)),
            "i_low": In(signed(8)),
            "i_high": In(signed(8)),
            "o_y": Out(signed(8)),
        })

    def elaborate(self, platform):
        m = Module()
        bits = self.config.accumulator_bits
        product_bits = self.config.product_bits

        taken = Signal(signed(bits))
        value = Signal(signed(bits))
        terms = Signal(data.ArrayLayout(_Term, 4))
        with m.If(self.i_take):
            m.d.sync += taken.eq(self.i_value + self.i_bias[:bits].as_signed())
        with m.If(self.i_load):
            m.d.sync += [value.eq(taken), terms.eq(self.i_terms)]
        with m.Elif(self.i_term):
            m.d.sync += terms.eq(terms.as_value() >> 8)

        # The shift has a cycle of its own: with the addition behind it, it would set the clock.
        shifted = Signal(signed(product_bits))
        negative = Signal()
        add, start = Signal(), Signal()
        m.d.sync += [
            shifted.eq(Mux(terms[0].enable, value << terms[0].shift, 0)),
            negative.eq(terms[0].negative),
            add.eq(self.i_term),
            start.eq(self.i_term_first),
        ]
        initial = Cat(Const(0, SHIFT - 1), Const(1, 1), self.i_zero_point).as_signed()
        product = Signal(signed(product_bits))
        base = Signal(signed(product_bits))
        m.d.comb += base.eq(Mux(start, initial, product))
        with m.If(add):
            m.d.sync += product.eq(Mux(negative, base - shifted, base + shifted))

        # To nine bits first, which keeps which side a value is too far on; then to the range.
        y = product[SHIFT:].as_signed()
        saturated = Signal(signed(9))
        fits = (y[8:] == 0) | y[8:].all()
        m.d.sync += saturated.eq(Mux(fits, y[:9].as_signed(), Mux(y[-1], -256, 255)))
        m.d.sync += self.o_y.eq(
            Mux(saturated < self.i_low, self.i_low,
                Mux(saturated > self.i_high, self.i_high, saturated[:8].as_signed()))
        )
        return m


_Term = data.StructLayout({"shift": unsigned(5), "reserved": 1, "negative": 1, "enable": 1})

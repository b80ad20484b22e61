"""Requantisation without a multiplier: a few signed powers of two a cycle."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.network.requant import SHIFT
from nhot_hw.delay import delayed
from nhot_hw.engine.records import TermsLayout

__all__ = ["Requantiser"]


class Requantiser(wiring.Component):
    """``clamp((zero_point * 2^24 + 2^23 + sum of +-(value << shift)) >> 24)``.

    The reference is :meth:`nhot.network.requant.Requant.compute`. ``r = config.requant_terms``
    shifters take as many terms in a cycle, so that n terms take ceil(n / r), and as often a new
    value can start. For r = 1::

        cycle    0        1        2          3          4         5        6
               (sum)   i_take   shift a   i_fresh: add  9 bits   clamp   o_y holds
                                  term     the term

    with a cycle more in front of i_fresh for r = 2, two for r = 4. Unused terms must be zero.

    Members
    -------
    i_value, i_bias : In(signed accumulator), In(signed(32)), with i_take
    i_terms : In(TermsLayout), with i_take
    i_fresh : the terms that are added in this cycle are the first of a product
    i_zero_point, i_low, i_high : In(signed(8)), of the layer
    o_y : Out(signed(8))
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__({
            "i_value": In(signed(config.accumulator_bits)),
            "i_bias": In(signed(32)),
            "i_terms": In(TermsLayout),
            "i_take": In(1),
            "i_fresh": In(1),
            "i_zero_point": In(signed(8)),
            "i_low": In(signed(8)),
            "i_high": In(signed(8)),
            "o_y": Out(signed(8)),
        })

    def elaborate(self, platform):
        m = Module()
        bits = self.config.accumulator_bits
        at_once = self.config.requant_terms
        value = Signal(signed(bits), reset_less=True)
        terms = Signal(TermsLayout, reset_less=True)
        m.d.sync += terms.eq(terms.as_value() >> (8 * at_once))
        with m.If(self.i_take):
            m.d.sync += [
                value.eq(self.i_value + self.i_bias[:bits].as_signed()),
                terms.eq(self.i_terms),
            ]
        shifted, negative = self._add_up(m, self._shift(m, value, [*terms][:at_once]))

        initial = Cat(Const(0, SHIFT - 1), Const(1, 1), self.i_zero_point).as_signed()
        product = Signal(signed(self.config.product_bits), reset_less=True)
        base = Signal(signed(self.config.product_bits))
        m.d.comb += base.eq(Mux(self.i_fresh, initial, product))
        m.d.sync += product.eq(Mux(negative, base - shifted, base + shifted))

        # To nine bits first, which keeps which side a value is too far on; then to the range.
        y = product[SHIFT:].as_signed()
        saturated = Signal(signed(9), reset_less=True)
        fits = (y[8:] == 0) | y[8:].all()
        m.d.sync += saturated.eq(Mux(fits, y[:9].as_signed(), Mux(y[-1], -256, 255)))
        m.d.comb += self.o_y.eq(delayed(
            m,
            Mux(saturated < self.i_low, self.i_low,
                Mux(saturated > self.i_high, self.i_high, saturated[:8].as_signed())),
            1,
        ))
        return m

    def _shift(self, m, value, terms):
        """(magnitude, sign) of each term. A cycle of its own: with an adder, it sets the clock."""
        shifted = []
        for i, term in enumerate(terms):
            magnitude = Signal(
                signed(self.config.product_bits), name=f"shifted_{i}", reset_less=True
            )
            negative = Signal(name=f"negative_{i}", reset_less=True)
            m.d.sync += [
                magnitude.eq(Mux(term.enable, value << term.shift, 0)),
                negative.eq(term.negative),
            ]
            shifted.append((magnitude, negative))
        return shifted

    def _add_up(self, m, terms):
        """Their sum, as one of them; a sign is passed on, so that an adder is one, and no more."""
        while len(terms) > 1:
            pairs = []
            for (a, a_sign), (b, b_sign) in zip(terms[::2], terms[1::2], strict=True):
                total = Signal(signed(self.config.product_bits), reset_less=True)
                sign = Signal(reset_less=True)
                m.d.sync += [total.eq(Mux(a_sign ^ b_sign, a - b, a + b)), sign.eq(a_sign)]
                pairs.append((total, sign))
            terms = pairs
        return terms[0]

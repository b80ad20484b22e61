"""n-hot activations: an encoder in front of the write, which keeps few terms of a byte."""

import numpy as np
from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.network.terms import rounded_bytes
from nhot_hw.delay import delayed

__all__ = ["Rounder"]


class Rounder(wiring.Component):
    """A byte less the zero point, to the nearest sum of at most so many signed powers of two.

    The reference is :func:`nhot.network.terms.rounded_bytes`. Distances from the zero point are
    rounded by a table for each number of terms, those below it as those above::

        cycle    0       1          2           3              4
                 i_y   distance   magnitude   table           o_y holds the byte

    Members
    -------
    i_y, i_zero_point : In(signed(8)); of the layer
    i_terms : of the layer; 0 for bytes as they are
    o_y : Out(signed(8)), ``ROUNDING_LATENCY`` cycles later
    """

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__({
            "i_y": In(signed(8)),
            "i_zero_point": In(signed(8)),
            "i_terms": In(range(config.activation_terms + 1)),
            "o_y": Out(signed(8)),
        })

    def elaborate(self, platform):
        m = Module()
        distance = Signal(signed(9), reset_less=True)
        magnitude, rounded = (Signal(8, reset_less=True) for _ in range(2))
        below = [Signal(name=f"below_{i}", reset_less=True) for i in range(2)]
        m.d.sync += [
            distance.eq(self.i_y - self.i_zero_point),
            magnitude.eq(Mux(distance < 0, -distance, distance)),
            below[0].eq(distance < 0),
            below[1].eq(below[0]),
        ]
        y = Mux(below[1], self.i_zero_point - rounded, self.i_zero_point + rounded)
        m.d.comb += self.o_y.eq(delayed(m, y[:8].as_signed(), 1))
        with m.Switch(self.i_terms):
            for terms in range(1, self.config.activation_terms + 1):
                table = rounded_bytes(np.arange(256), 0, terms).tolist()
                with m.Case(terms):
                    m.d.sync += rounded.eq(Array(table)[magnitude])
            with m.Default():
                m.d.sync += rounded.eq(magnitude)
        return m

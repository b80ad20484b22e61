"""What a lane promises: products, and their sum under any enables."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from amaranth.hdl import (
    Assert,
    Assume,
    Cat,
    Const,
    Cover,
    Fragment,
    Module,
    Mux,
    Signal,
    Value,
    signed,
)
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from nhot.formats import Uniform
from nhot.formats.terms import sum_terms
from nhot_hw.delay import delayed
from nhot_hw.lanes import Lane, LaneSpec
from nhot_hw.lanes.register import bits_for

__all__ = ["LaneAdds", "LaneMultiplies"]


class LaneMultiplies(wiring.Component):
    """A lane of one input adds ``x * w``, less the terms it inverts, in each enabled step.

    For every activation, every level of the format, every sequence of enables and of first steps,
    and with anything on the inputs while the enable is low. A serial lane adds ``x`` times one term
    of the level in each cycle of a step; the terms of each level add up to it.

    Members
    -------
    x, w : In
        Activation, and weight as a level of the format.
    en, first : In(1)
    garbage : In
        What the lane sees while ``en`` is low.
    bias : In
        Of a lane that has one.
    """

    def __init__(self, spec: LaneSpec):
        self.spec = replace(spec, inputs=1)
        self._lane = lane = self.spec.create()
        super().__init__({
            "x": In(self.spec.activation_shape),
            "w": In(signed(bits_for(spec.format.levels))),
            "en": In(1),
            "first": In(1),
            "garbage": In(sum(map(len, _data(lane)))),
            **_bias(spec),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.lane = lane = self._lane
        x, w, first, phase = self._step(m)
        field, factor, inverted = self._tables(m, w, phase)
        good = Cat(x, field, first, phase)
        m.d.comb += [
            lane.i_en.eq(self.en),
            Cat(*_data(lane)).eq(Mux(self.en, good, self.garbage)),
        ]
        product = Signal(signed(_product_bits(self.spec, factor)))
        m.d.comb += product.eq(_signed(lane.i_x[0]) * factor - inverted)
        new = first & (phase == 0)
        check_sum(self, m, lane, product, Cat(self.en, new), cycles=self.spec.latency - 1)
        return m

    def _step(self, m: Module) -> tuple[Value, Value, Value, Value]:
        """Inputs of the present step, which stay for all of its phases, and the phase."""
        lane = self._lane
        phase = Signal(lane.i_phase.shape())
        inputs = Cat(self.x, self.w, self.first)
        step, held = Signal(len(inputs)), Signal(len(inputs))
        m.d.comb += step.eq(Mux(phase == 0, inputs, held))
        with m.If(self.en):
            m.d.sync += [held.eq(step), phase.eq(Mux(phase == self.spec.ii - 1, 0, phase + 1))]
        x = step[:len(self.x)]
        return x, step[len(self.x):-1].as_signed(), step[-1], phase

    def _tables(self, m: Module, w: Value, phase: Value) -> tuple[Value, Value, Value]:
        """The field of a level, and what the lane multiplies by and inverts in each phase."""
        spec, lane = self.spec, self._lane
        levels = [int(level) for level in spec.format.levels]
        phases = {level: _phases(spec, level) for level in levels}
        factors = np.array([times for terms in phases.values() for times, _ in terms])
        field, known = Signal(lane.i_w.shape()), Signal()
        factor, inverted = Signal(signed(bits_for(factors))), Signal(4)
        m.d.comb += [Assume(known), Assert(phase < spec.ii, "phase must count the cycles")]
        if isinstance(spec.format, Uniform):  # whose field is the level itself
            m.d.comb += [known.eq((w >= levels[0]) & (w <= levels[-1])), field.eq(w)]
            return field, lane.i_w.as_signed(), Const(0)
        with m.Switch(w):
            for level, terms in phases.items():
                with m.Case(level):
                    m.d.comb += [field.eq(spec.pack([level])), known.eq(1)]
                    for i, (times, ones) in enumerate(terms):
                        with m.If(phase == i):
                            m.d.comb += [factor.eq(times), inverted.eq(ones)]
        return field, w if spec.ii == 1 else factor, inverted


class LaneAdds(wiring.Component):
    """A lane adds up its products, whatever they are, in each enabled cycle.

    The products are cut out of the lane and free, so that this is about its adders, its accumulator
    and its control alone; and each was to be that of its own activation and its own weight.

    Members
    -------
    products : In(ArrayLayout(signed, S))
    x, w, en, first, phase : In
        As of the lane; where the format has a sign a step, the sum of a step is inverted by it.
    bias : In
        Of a lane that has one.
    """

    def __init__(self, spec: LaneSpec):
        self.spec = spec
        self._lane = lane = spec.create()
        bits = min(spec.product_bits, spec.accumulator_bits)
        super().__init__({
            "products": In(data.ArrayLayout(signed(bits), spec.inputs)),
            "x": In(len(Value.cast(lane.i_x))),
            "w": In(lane.i_w.shape()),
            "en": In(1),
            "first": In(1),
            "phase": In(lane.i_phase.shape()),
            **_bias(spec),
        })

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec, lane = self.spec, self._lane
        products = [Value.cast(self.products[i]) for i in range(spec.inputs)]
        m.submodules.lane, operands = _cut(lane, products, platform)
        m.d.comb += [
            Cat(*_data(lane)).eq(Cat(self.x, self.w, self.first, self.phase)),
            lane.i_en.eq(self.en),
        ]
        for i, (x, field) in enumerate(operands):
            own = self.w.word_select(i, spec.format.field_bits)
            m.d.comb += [
                Assert(x == _signed(lane.i_x[i]), "a product must be of its own activation"),
                Assert(field == own, "a product must be of its own weight"),
            ]
        new = self.first & (self.phase == 0 if spec.ii > 1 else 1)
        waits = lane.product_latency(spec)
        control = delayed(m, Cat(self.en, new), waits, reset=True)
        total = _tree(products)
        if spec.format.sign_codes:
            total = Mux(delayed(m, self.w[-1], waits, reset=True), ~total, total)
        check_sum(self, m, lane, total, control, cycles=spec.latency - waits - 1)
        return m


def check_sum(
    ports: wiring.Component, m: Module, lane: Lane, step: Value, control: Value, *, cycles: int
) -> None:
    """Assert that a lane's sum is that of the steps, so many cycles and one ago.

    ``control`` has the enable of a step and whether it starts a new sum.
    """
    bits = lane.spec.accumulator_bits
    step = delayed(m, step[:bits].as_signed(), cycles, reset=True)
    enable, new = delayed(m, control, cycles, reset=True)
    start: Value = Const(0)
    if lane.spec.bias:
        start = ports.bias
        m.d.comb += lane.i_bias.eq(start)
    total, known = Signal(signed(bits)), Signal()
    steps = Signal(range(4))  # of the present sum
    with m.If(enable):
        m.d.sync += [total.eq(Mux(new, start, total) + step), known.eq(known | new)]
        with m.If(new | (steps != 3)):
            m.d.sync += steps.eq(Mux(new, 1, steps + 1))
    m.d.comb += [
        Assert(~known | (lane.o_sum == total), "o_sum must be the sum of the steps"),
        Cover(known & (steps == 3), "a sum of three steps"),
    ]


def _cut(
    lane: Lane, products: Sequence[Value], platform: object
) -> tuple[Fragment, list[tuple[Value, Value]]]:
    """The circuit of a lane with other products, and the operands that it asked them of."""
    operands: list[tuple[Value, Value]] = []

    def product(m: Module, x: Value, field: Value, *, fuse: bool) -> Value:
        operands.append((x, field))
        return products[len(operands) - 1]

    lane.product = product
    return Fragment.get(lane, platform), operands


def _bias(spec: LaneSpec) -> dict[str, wiring.Member]:
    return {"bias": In(signed(spec.accumulator_bits))} if spec.bias else {}


def _data(lane: Lane) -> list[Value]:
    """The inputs of a lane that may be anything while its enable is low."""
    return [Value.cast(port) for port in (lane.i_x, lane.i_w, lane.i_first, lane.i_phase)]


def _signed(x: Value) -> Value:
    return x if x.shape().signed else Cat(x, 0).as_signed()


def _product_bits(spec: LaneSpec, factor: Value) -> int:
    """Bits for a product with any factor.

    A solver sees that two multipliers are equal if they are as wide, but not that they are equal if
    one is wider. So a uniform lane is compared at its own width, if that holds all products.
    """
    levels = np.outer(spec.format.levels, spec.activation_range)
    if isinstance(spec.format, Uniform) and bits_for(levels) <= spec.product_bits:
        return spec.product_bits
    return spec.activation_bits + 1 + len(factor) + 1


def _phases(spec: LaneSpec, level: int) -> list[tuple[int, int]]:
    """For each cycle of a step: what the activation is multiplied by, and the ones that lack."""
    if spec.ii == 1:
        return [(level, -spec.compute([[0]], [[level]]))]
    terms = spec.format.field_terms(level)
    assert sum_terms(terms) == level
    return [(sign << shift, int(sign < 0)) for sign, shift in terms] or [(0, 0)]


def _tree(values: list[Value]) -> Value:
    """The sum, in pairs as a lane has them: in another order it would have to be proved again."""
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2], strict=False)
        sums = [a + b for a, b in pairs]
        values = [*sums, *values[len(sums) * 2:]]
    return values[0]

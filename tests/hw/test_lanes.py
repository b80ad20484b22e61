"""Each lane against its reference, in Amaranth's simulator."""

from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.hdl import Fragment, Module, ResetInserter, Signal
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from nhot.contract.config import LANES
from nhot.errors import NhotError
from nhot.formats import Format, NHot, parse
from nhot_hw.lanes import Lane, LaneSpec
from nhot_hw.lanes.ccu2c import SIMULATED, Fused
from nhot_hw.lanes.register import Held, register
from nhot_hw.testing.lane_specs import spec_of
from nhot_sim.benches.lane_traffic import Cycle, biases, expected, random_sums, traffic

PARALLEL = ("1hot", "2hot", "3hot", "4hot@8", "2hot@5", "ternary", "binary", "signed-binary",
            "int8", "int4")
SERIAL = ("1hot", "2hot", "3hot", "ternary")
CHAIN = ("1hot", "2hot", "3hot", "5hot@9", "2hot@5", "2hot+", "ternary", "binary",
         "signed-binary", "signed-binary/10")
ROWS = ("int2", "int3", "int4", "int8")
CASES = [
    *((name, inputs, "parallel") for name in PARALLEL for inputs in (1, 3, 4)),
    *((name, inputs, "serial") for name in SERIAL for inputs in (1, 4)),
    *((name, inputs, "chain") for name in CHAIN for inputs in (1, 2, 5)), ("1hot", 9, "chain"),
    *((name, inputs, "rows") for name in ROWS for inputs in (1, 3)),
    ("2hot", 8, "parallel"), ("ternary", 8, "parallel"), ("signed-binary", 7, "parallel"),
    *(("signed-binary/24", inputs, "parallel") for inputs in (1, 2, 3, 4, 8)),
    ("signed-binary/7", 7, "parallel"),
]

ICE40 = SimpleNamespace(family="iCE40")
PLATFORMS = [None, SIMULATED, ICE40]


def simulate(
    spec: LaneSpec, lane: Lane, cycles: list[Cycle], platform: object = None
) -> list[int]:
    """``o_sum`` in each cycle, and for ``latency`` cycles after the last."""
    seen = []
    rest = [idle(spec)] * spec.latency

    async def bench(ctx):
        for cycle, bias in zip([*cycles, *rest], biases(spec, cycles), strict=True):
            if spec.bias:
                ctx.set(lane.i_bias, bias)
            ctx.set(lane.i_x, list(cycle.x))
            ctx.set(lane.i_w, cycle.w)
            ctx.set(lane.i_en, cycle.enable)
            ctx.set(lane.i_first, cycle.first)
            ctx.set(lane.i_phase, cycle.phase)
            seen.append(ctx.get(lane.o_sum))
            await ctx.tick()

    simulator = Simulator(Fragment.get(lane, platform))
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


def idle(spec: LaneSpec) -> Cycle:
    return Cycle(x=(0,) * spec.inputs, w=0, enable=False, first=True, phase=0)


def check(spec: LaneSpec, cycles: list[Cycle], platform: object = None) -> int:
    """Compare every cycle in which the sum is defined; return how many there were."""
    got = simulate(spec, spec.create(), cycles, platform)
    want = expected(spec, cycles)
    compared = [(t, w, g) for t, (w, g) in enumerate(zip(want, got, strict=True)) if w is not None]
    wrong = [(t, w, g) for t, w, g in compared if w != g]
    assert not wrong, f"(cycle, expected, got): {wrong[:5]}"
    return len(compared)


@pytest.mark.parametrize("gaps", [0.0, 0.4])
@pytest.mark.parametrize(("name", "inputs", "style"), CASES)
def test_lane_equals_reference(name, inputs, style, gaps):
    spec = spec_of(name, inputs, style)
    rng = np.random.default_rng([inputs, *name.encode()])
    sums = random_sums(spec, rng, count=25, steps=4)
    cycles = list(traffic(spec, sums, rng, gaps=gaps))
    assert check(spec, cycles) >= 27


@pytest.mark.parametrize(("name", "inputs", "style"), CASES)
@pytest.mark.parametrize("platform", [SIMULATED, ICE40], ids=["ecp5", "ice40"])
def test_lane_in_cells_of_a_family_equals_reference(name, inputs, style, platform):
    spec = spec_of(name, inputs, style)
    rng = np.random.default_rng([inputs, *name.encode()])
    sums = random_sums(spec, rng, count=12, steps=3)
    cycles = list(traffic(spec, sums, rng, gaps=0.2))
    assert check(spec, cycles, platform) >= 14


@pytest.mark.parametrize(("name", "style"), [
    *((name, "parallel") for name in ("2hot", "ternary", "binary", "int8", "signed-binary/2")),
    ("2hot", "chain"), ("binary", "chain"), ("int8", "rows"),
])
def test_lane_of_unsigned_activations(name, style):
    spec = spec_of(name, 2, style, activation_bits=7, activation_signed=False)
    rng = np.random.default_rng(1)
    check(spec, list(traffic(spec, random_sums(spec, rng, count=20, steps=3), rng, gaps=0.2)))


@pytest.mark.parametrize(("name", "style"), [("2hot", "parallel"), ("2hot", "serial"),
                                             ("2hot", "chain"), ("ternary", "parallel"),
                                             ("int8", "parallel"), ("int8", "rows"),
                                             ("signed-binary/3", "parallel"),
                                             ("binary", "parallel"), ("binary", "chain")])
@pytest.mark.parametrize("platform", PLATFORMS)
def test_lane_wraps_on_the_way_to_a_sum_that_fits(name, style, platform):
    spec = spec_of(name, 3, style, accumulator_bits=12)
    x = np.full((16, 3), 127)
    w = np.repeat([[spec.format.max_level] * 3, [-spec.format.max_level] * 3], 8, axis=0)
    with pytest.raises(NhotError, match="must fit 12 signed bits"):
        spec.compute(x[:8], w[:8])
    check(spec, list(traffic(spec, [(x, w)] * 2, np.random.default_rng(2), gaps=0.0)), platform)


@pytest.mark.parametrize("gaps", [0.0, 0.4])
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("name", "inputs", "style"), [
    ("2hot", 3, "parallel"), ("2hot", 3, "chain"), ("2hot", 2, "serial"),
    ("ternary", 1, "parallel"), ("int8", 1, "rows"),
    ("signed-binary", 4, "parallel"), ("signed-binary/6", 3, "parallel"), ("int8", 1, "parallel"),
    ("binary", 3, "parallel"), ("binary", 3, "chain"),
])
def test_sum_starts_at_its_bias(name, inputs, style, platform, gaps):
    spec = spec_of(name, inputs, style, bias=True)
    rng = np.random.default_rng(5)
    sums = random_sums(spec, rng, count=25, steps=3)
    check(spec, list(traffic(spec, sums, rng, gaps=gaps)), platform)


def formats() -> st.SearchStrategy[Format]:
    grids = st.integers(2, 9).flatmap(
        lambda bits: st.builds(NHot, bits=st.just(bits), n=st.integers(1, min(bits, 5)))
    )
    others = ["signed-binary", "signed-binary/60", "binary", "int3", "int9"]
    return st.one_of(grids, st.sampled_from(others).map(parse))


@st.composite
def specs(draw) -> LaneSpec:
    weights = draw(formats())
    styles = [name for name, (kinds, _) in LANES.items() if isinstance(weights, kinds)]
    return LaneSpec(
        format=weights, inputs=draw(st.integers(1, 6)), style=draw(st.sampled_from(styles)),
        activation_bits=draw(st.integers(2, 9)), activation_signed=draw(st.booleans()),
        accumulator_bits=draw(st.integers(24, 32)), bias=draw(st.booleans()),
    )


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    specs(), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.1, 0.6]),
    st.sampled_from(PLATFORMS),
)
def test_any_lane_equals_reference(spec, seed, gaps, platform):
    rng = np.random.default_rng(seed)
    sums = random_sums(spec, rng, count=6, steps=3)
    check(spec, list(traffic(spec, sums, rng, gaps=gaps)), platform)


@pytest.mark.parametrize(
    ("platform", "kind"), [(None, Signal), (SIMULATED, Fused), (ICE40, Held)]
)
def test_gates_of_a_chain_go_into_the_cells_of_a_family(platform, kind):
    m = Module()
    m.submodules.lane = lane = spec_of("signed-binary", 2, "chain").create()
    link = lane.link(m, 0, lane.i_x[0], lane.i_w, platform)
    Fragment.get(m, platform)
    assert type(link) is kind


@pytest.mark.parametrize(("name", "inputs"), [("signed-binary", 9), ("3hot", 3), ("int8", 2)])
def test_idle_cycles_are_full_of_garbage(name, inputs):
    """Of every bit and both ends, so that what an enable does not guard is seen."""
    spec = spec_of(name, inputs)
    rng = np.random.default_rng(1)
    cycles = list(traffic(spec, random_sums(spec, rng, count=200, steps=2), rng, gaps=0.8))
    idle = [cycle for cycle in cycles if not cycle.enable]
    low, high = spec.activation_range
    assert {cycle.first for cycle in idle} == {False, True}
    assert {low, high} < {x for cycle in idle for x in cycle.x}
    for bit in range(spec.weight_bits):
        assert {cycle.w >> bit & 1 for cycle in idle} == {0, 1}


def test_a_register_goes_on_through_a_reset():
    """Enables guard what it holds, so that none of thousands needs the net of the reset."""
    m, value, reset = Module(), Signal(8), Signal()
    stage = register(m, value)
    seen = []

    async def bench(ctx):
        ctx.set(reset, 1)
        for number in (1, 255, 0):
            ctx.set(value, number)
            await ctx.tick()
            seen.append(ctx.get(stage))

    simulator = Simulator(ResetInserter(reset)(m))
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [1, 255, 0]


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(("name", "bits"), [("1hot", 16), ("2hot", 16), ("signed-binary", 10),
                                            ("binary", 10)])
def test_sums_of_a_chain_have_the_bits_that_they_need(name, bits, platform):
    """Four of at most 64 * 128, two of 127 * 128, or four of 128."""
    m = Module()
    m.submodules.lane = lane = spec_of(name, 4, "chain").create()
    products = lane.products(m, platform=platform)
    Fragment.get(m, platform)  # none of its parts is left unused
    assert {len(product) for product in products} == {bits}


@pytest.mark.parametrize(("name", "style"), [("3hot", "parallel"), ("2hot", "serial")])
def test_lane_elaborates_twice(name, style):
    spec = spec_of(name, 2, style)
    lane = spec.create()
    rng = np.random.default_rng(3)
    cycles = list(traffic(spec, random_sums(spec, rng, count=3, steps=2), rng, gaps=0.0))
    assert simulate(spec, lane, cycles) == simulate(spec, lane, cycles)

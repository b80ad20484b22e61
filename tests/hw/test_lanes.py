"""Each lane against its reference, in Amaranth's simulator."""

from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.hdl import Fragment, Module, ResetInserter, Signal
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.formats import Format, NHot, parse
from nhot_hw.lanes import STYLES, Lane, LaneSpec, for_config
from nhot_hw.lanes.ccu2c import SIMULATED, Fused
from nhot_hw.lanes.register import Held, register
from nhot_sim.benches.lane_traffic import Cycle, biases, expected, random_sums, traffic

PARALLEL = ("1hot", "2hot", "3hot", "4hot@8", "2hot@5", "ternary", "signed-binary", "int8", "int4")
SERIAL = ("1hot", "2hot", "3hot", "ternary")
CHAIN = ("1hot", "2hot", "3hot", "5hot@9", "2hot@5", "2hot+", "ternary", "signed-binary",
         "signed-binary/10")
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


def spec_of(name: str, inputs: int, style: str = "parallel", **options: object) -> LaneSpec:
    return LaneSpec(format=parse(name), inputs=inputs, style=style, **options)


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
    *((name, "parallel") for name in ("2hot", "ternary", "int8", "signed-binary/2")),
    ("2hot", "chain"), ("int8", "rows"),
])
def test_lane_of_unsigned_activations(name, style):
    spec = spec_of(name, 2, style, activation_bits=7, activation_signed=False)
    rng = np.random.default_rng(1)
    check(spec, list(traffic(spec, random_sums(spec, rng, count=20, steps=3), rng, gaps=0.2)))


def test_the_range_of_an_activation():
    assert spec_of("2hot", 2).activation_range == (-128, 127)
    narrow = spec_of("2hot", 2, activation_bits=5, activation_signed=False)
    assert narrow.activation_range == (0, 31)


@pytest.mark.parametrize(("name", "style"), [("2hot", "parallel"), ("2hot", "serial"),
                                             ("2hot", "chain"), ("ternary", "parallel"),
                                             ("int8", "parallel"), ("int8", "rows"),
                                             ("signed-binary/3", "parallel")])
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
    others = ["signed-binary", "signed-binary/60", "int3", "int9"]
    return st.one_of(grids, st.sampled_from(others).map(parse))


@st.composite
def specs(draw) -> LaneSpec:
    weights = draw(formats())
    styles = [name for name, (kinds, _) in STYLES.items() if isinstance(weights, kinds)]
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


@pytest.mark.parametrize(("name", "inputs", "style", "ii"), [
    ("2hot", 4, "parallel", 1), ("2hot", 4, "serial", 2), ("3hot", 1, "serial", 3),
    ("ternary", 8, "serial", 1), ("int8", 1, "parallel", 1), ("2hot", 4, "chain", 1),
    ("int8", 4, "rows", 1),
])
def test_ii(name, inputs, style, ii):
    assert spec_of(name, inputs, style).ii == ii


@pytest.mark.parametrize(("name", "inputs", "style", "latency"), [
    ("2hot", 16, "parallel", 7), ("2hot", 16, "chain", 8), ("1hot", 16, "chain", 7),
    ("1hot", 3, "chain", 4), ("signed-binary", 16, "chain", 7),
    ("5hot@9", 2, "chain", 7), ("int8", 16, "rows", 10),
    ("int3", 1, "rows", 3),
])
def test_latency(name, inputs, style, latency):
    assert spec_of(name, inputs, style).latency == latency


@pytest.mark.parametrize(("name", "inputs", "style", "ii", "latency"), [
    ("2hot", 4, "parallel", 1, 5), ("2hot", 4, "serial", 2, 4), ("3hot", 1, "serial", 3, 2),
    ("3hot", 11, "parallel", 1, 8), ("1hot", 2, "parallel", 1, 3), ("ternary", 8, "serial", 1, 5),
    ("signed-binary", 11, "parallel", 1, 6), ("signed-binary/44", 4, "parallel", 1, 4),
    ("int8", 1, "parallel", 1, 2),
])
def test_engines_and_their_lanes_take_as_many_cycles(name, inputs, style, ii, latency):
    config = EngineConfig(filters=inputs, inputs=inputs, format=name, lane=style)
    assert (config.step_cycles, config.lane_latency) == (ii, latency)
    spec = for_config(config)
    assert (spec.ii, spec.latency) == (ii, latency)


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
@pytest.mark.parametrize(("name", "bits"), [("1hot", 16), ("2hot", 16), ("signed-binary", 10)])
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


def test_reference_counts_the_missing_ones():
    spec = spec_of("2hot", 2)
    x, w = np.array([[3, -5]]), np.array([[-96, 7]])
    missing = int(spec.format.inverted_terms(w).sum())
    assert missing > 0
    assert spec.compute(x, w) == 3 * -96 - 5 * 7 - missing


def test_bias_makes_up_for_the_missing_ones():
    spec = spec_of("2hot", 2, bias=True)
    x, w = np.array([[3, -5]]), np.array([[-96, 7]])
    missing = int(spec.format.inverted_terms(w).sum())
    assert spec.compute(x, w, missing) == 3 * -96 - 5 * 7


def test_bias_of_a_lane_without_one_is_refused():
    with pytest.raises(NhotError, match="Bias of a lane without one must be 0, not 3"):
        spec_of("2hot", 1).compute([[1]], [[1]], 3)


def test_pack_puts_input_0_low():
    spec = spec_of("int4", 3)
    assert spec.pack([1, -1, 7]) == 0x7F1


def test_pack_puts_the_sign_on_top():
    spec = spec_of("signed-binary/3", 3)
    assert [spec.pack(w) for w in ([1, 0, 1], [0, -1, -1], [0, 0, 0])] == [0b0101, 0b1110, 0b0000]
    assert spec.weight_bits == 4


def test_reference_inverts_the_sum_of_a_step():
    spec = spec_of("signed-binary/2", 2)
    x, w = np.array([[3, -5], [7, 9], [1, 1]]), np.array([[-1, -1], [0, 1], [0, -1]])
    assert spec.compute(x, w) == ~(3 - 5) + 9 + ~1


def test_lane_of_an_engine():
    config = EngineConfig(filters=2, inputs=2, format="3hot", lane="serial", accumulator_bits=20)
    assert for_config(config) == LaneSpec(
        format=parse("3hot"), inputs=2, accumulator_bits=20, style="serial"
    )


@pytest.mark.parametrize(("options", "error", "text"), [
    ({"inputs": 0}, NhotError, "Lane inputs must be 1 to 64, not 0"),
    ({"inputs": 2.0}, TypeError, "Lane inputs must be an integer, not 2.0"),
    ({"inputs": True}, TypeError, "Lane inputs must be an integer, not True"),
    ({"accumulator_bits": 99}, NhotError, "Lane accumulator_bits must be 8 to 64, not 99"),
    ({"activation_bits": 1}, NhotError, "Lane activation_bits must be 2 to 16, not 1"),
    ({"activation_signed": 1}, TypeError, "Lane activation_signed must be a bool, not 1"),
    ({"bias": 1}, TypeError, "Lane bias must be a bool, not 1"),
    ({"style": "fast"}, NhotError,
     "Lane style must be one of 'parallel', 'chain', 'serial', 'rows', not 'fast'"),
    ({"format": parse("int8"), "style": "chain"}, NhotError,
     "Format of a chain lane must be n-hot or signed-binary, not int8"),
    ({"style": "rows"}, NhotError, "Format of a rows lane must be uniform, not 2hot"),
    ({"format": "2hot"}, TypeError, "Format of a lane must be a Format, not '2hot'"),
    ({"format": parse("int8"), "style": "serial"}, NhotError,
     "Format of a serial lane must be n-hot, not int8"),
    ({"format": parse("signed-binary"), "style": "serial"}, NhotError,
     "Format of a serial lane must be n-hot, not signed-binary"),
    ({"format": parse("signed-binary/4"), "style": "serial"}, NhotError,
     "Format of a serial lane must be n-hot, not signed-binary/4"),
    ({"format": parse("signed-binary/16"), "inputs": 3}, NhotError,
     "Inputs of a step must divide the 16 channels of a region of signed-binary/16, not be 3"),
    ({"format": parse("signed-binary/16"), "inputs": 32}, NhotError,
     "Inputs of a step must divide the 16 channels of a region of signed-binary/16, not be 32"),
])
def test_wrong_spec_is_refused(options, error, text):
    with pytest.raises(error) as info:
        LaneSpec(**{"format": parse("2hot"), "inputs": 2} | options)
    assert str(info.value) == text


@pytest.mark.parametrize(("x", "w", "text"), [
    ([[1, 2]], [[1, 2, 3]], r"Weights must have the shape \(K, 2\), not \(1, 3\)"),
    ([[1, 2], [3, 4]], [[1, 2]], r"Weights must have the shape \(2, 2\), not \(1, 2\)"),
    ([[1, 128]], [[1, 2]], "Activations must be -128 to 127, not 1 to 128"),
    ([[1, 2]], [[1, 11]], "must be a level of 2hot, not 11"),
    ([[127, 127]] * 5, [[127, 127]] * 5, "Sum must fit 17 signed bits, not be 161280"),
])
def test_wrong_operands_are_refused(x, w, text):
    with pytest.raises(NhotError, match=text):
        spec_of("2hot", 2, accumulator_bits=17).compute(x, w)


def test_operands_must_be_integers():
    with pytest.raises(TypeError, match="Activations must be integers, not float64"):
        spec_of("2hot", 1).compute([[0.5]], [[1]])


def test_empty_sum_is_zero():
    empty = np.empty((0, 2), dtype=np.int64)
    assert spec_of("2hot", 2).compute(empty, empty) == 0


@pytest.mark.parametrize("name", ["binary", "apot4"])
def test_formats_without_a_lane_are_refused(name):
    with pytest.raises(NhotError, match=f"Format must be one that a lane exists for, not {name}"):
        spec_of(name, 4)

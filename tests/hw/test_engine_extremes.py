"""The engine at the edges of its widths and counts, where a bit or a cycle too few would show."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from nhot.compiler import EngineConfig, compile_network
from nhot.contract.cycles import program_cycles
from nhot.contract.program import Region, unpack_program
from nhot.formats.terms import naf_weight
from nhot.network import ArgMax, AvgPool, Conv2d, MaxPool, Network, Requant, Tensor, Window
from nhot.network.reference import run
from nhot_hw.engine.activations import ActivationMemory
from nhot_hw.engine.memories import WordMemory
from nhot_sim.engine_simulation import EngineSimulation, accesses
from nhot_sim.requantise import requantise

BYTE = {"zero_point": 0, "low": -128, "high": 127}


def _tensor(name, shape, **fields):
    return Tensor(name=name, shape=shape, **{"bits": 8, "signed": True, "zero_point": 0, **fields})


def _simulate(network, config, inputs):
    """Outputs, cycles and layer ends are as they should be; returns the simulation."""
    simulation = EngineSimulation(compile_network(network, config), direct=True)
    wanted = run(network, inputs, trace=True)
    for i, outputs in enumerate(simulation.run(list(inputs))):
        for name, values in outputs.items():
            np.testing.assert_array_equal(values, wanted[name][i], err_msg=f"{name} of input {i}")
    predicted = program_cycles(unpack_program(simulation.image.program), config)
    assert np.diff([0, *simulation.layer_ends, simulation.cycles]).tolist() == predicted
    return simulation


def _argmax(shape):
    answer = ArgMax(inputs=("x",), output=Tensor(name="answer", shape=(*shape[:2], 1), bits=16))
    return Network(name="argmax", input=_tensor("x", shape), nodes=(answer,))


@pytest.mark.parametrize("requantisers", [1, 2, 4])
def test_argmax_takes_the_first_of_equals(requantisers):
    """Equal within a group of channels and across groups, the lowest of bytes, the last channel."""
    channels = 11
    rows = [np.full(channels, level) for level in (-128, 0, 127)]
    for first in range(channels):
        for second in (first, (first + 1) % channels, channels - 1):
            row = np.full(channels, -128)
            row[[first, second]] = -127 if first % 2 else 127
            rows.append(row)
        rows.append(np.full(channels, -128))  # all lowest, behind an answer that is not the first
    rows = np.array(rows)
    config = EngineConfig(requantisers=requantisers, activation_words=256)
    network = _argmax((1, len(rows), channels))
    _simulate(network, config, rows.reshape(1, 1, len(rows), channels))


def test_argmax_counts_to_the_last_channel_that_fits():
    config = EngineConfig(activation_words=64, inputs=4, requantisers=4)
    x = np.full((2, 1, 1, 252), -128)
    x[0, ..., -1] = x[1, ..., 127] = -127
    _simulate(_argmax((1, 1, 252)), config, x)


@pytest.mark.parametrize("terms", [1, 2, 3, 4])
def test_a_layer_of_so_many_terms(terms):
    """Each count has cycles of its own, and none may lose its last term."""
    multiplier = sum(1 << (22 - 3 * i) for i in range(terms))
    assert naf_weight(multiplier) == terms
    requant = Requant(multiplier=np.full(5, multiplier), **BYTE)
    conv = Conv2d(
        inputs=("x",), output=_tensor("conv", (3, 3, 5)), weights=np.ones((5, 1, 1, 3), np.int64),
        bias=np.zeros(5, np.int64), requant=requant, window=Window(kernel=(1, 1)),
        format=EngineConfig().weight_format,
    )
    network = Network(name="terms", input=_tensor("x", (3, 3, 3)), nodes=(conv,))
    config = EngineConfig(pixels=2, requantisers=2)
    assert unpack_program(compile_network(network, config).program)[0].terms == terms
    _simulate(network, config, np.random.default_rng(terms).integers(-128, 128, (1, 3, 3, 3)))


def test_a_second_run_counts_from_zero():
    """Cycles, stalls, and the end of every layer at its own address."""
    conv = Conv2d(
        inputs=("x",), output=_tensor("conv", (3, 3, 8)), weights=np.ones((8, 1, 1, 2), np.int64),
        bias=np.zeros(8, np.int64), requant=Requant.from_scale([0.3] * 8, **BYTE),
        window=Window(kernel=(1, 1)), format=EngineConfig().weight_format,
    )
    pool = MaxPool(
        inputs=("conv",), output=_tensor("pool", (1, 1, 8)), window=Window(kernel=(3, 3))
    )
    answer = ArgMax(inputs=("pool",), output=Tensor(name="answer", shape=(1, 1, 1), bits=16))
    network = Network(name="twice", input=_tensor("x", (3, 3, 2)), nodes=(conv, pool, answer))
    x = np.random.default_rng(2).integers(-128, 128, (3, 3, 3, 2))
    config = EngineConfig(filters=8, requantisers=1)  # the readout is slow: the walk has to wait
    once, often = _simulate(network, config, x[:1]), _simulate(network, config, x)
    assert once.stalls > 0
    assert (often.cycles, often.stalls) == (once.cycles, once.stalls)
    assert often.layer_ends == once.layer_ends == sorted(set(once.layer_ends))


@pytest.mark.parametrize("level", [-128, 127])
@pytest.mark.parametrize("shape", [(7, 9), (22, 23)])
def test_the_sum_of_a_window_of_all_words(shape, level):
    """As many bytes as a pool can add up, all lowest or all highest.

    The smaller memory's sum has the bits that an addition needs anyway, the larger one's has more.
    """
    count = shape[0] * shape[1]
    config = EngineConfig(activation_words=1 << count.bit_length(), inputs=4)
    pool = AvgPool(
        inputs=("x",), output=_tensor("pool", (1, 1, 4)), window=Window(kernel=shape),
        requant=Requant.from_scale([1 / count], **BYTE),
    )
    network = Network(name="sum", input=_tensor("x", (*shape, 4)), nodes=(pool,))
    assert (level * count).bit_length() == config.window_bits - 1
    _simulate(network, config, np.full((1, *shape, 4), level))


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_the_widest_product(at_once):
    """The largest multipliers of both signs that a register of products holds, and halves."""
    config = EngineConfig(accumulator_bits=12, product_bits=36, requant_terms=at_once)
    limit = 1 << (config.accumulator_bits - 1)
    cases = []
    for zero_point in (-128, 0, 127):
        for value in (-limit, limit - 1):
            for sign in (-1, 1):
                base = (zero_point << 24) + (1 << 23)
                room = (1 << (config.product_bits - 1)) - 1
                side = 1 if value * sign > 0 else -1
                largest = (room - side * base) // abs(value)
                # The leading powers of two of the largest that four terms can say.
                magnitude = largest & ~((1 << (largest.bit_length() - 3)) - 1)
                requant = Requant(
                    multiplier=np.array([sign * magnitude]), zero_point=zero_point, low=-128,
                    high=127,
                )
                cases.append((requant, value, 0))
    for case, y in zip(cases, requantise(config, cases), strict=True):
        requant, value, _ = case
        product = (requant.zero_point << 24) + (1 << 23) + value * int(requant.multiplier[0])
        assert product.bit_length() >= config.product_bits - 2
        assert y == min(max(product >> 24, -128), 127), case


@pytest.mark.parametrize(("kind", "depth"), [
    ("words", 17), ("words", 32), ("words", 1040),  # the last one is a memory in two parts
    ("activations", 17), ("activations", 32),
])
def test_a_write_beyond_a_memory_changes_nothing(kind, depth):
    """Neither the word that its low bits would name, nor any other."""
    if kind == "words":
        dut = WordMemory(width=16, depth=depth)
        address, word = dut.i_address, dut.o_word
    else:
        config = EngineConfig(inputs=1, filters=1, requantisers=1, activation_words=depth)
        dut = ActivationMemory(config)
        address, word = dut.i_address[0], dut.o_words[0]
    held = []

    async def bench(ctx):
        for at in (*range(3 * depth), *range((1 << 16) - 16, 1 << 16)):
            ctx.set(dut.i_write, 1)
            ctx.set(dut.i_write_address, at)
            ctx.set(dut.i_write_data, 100 + at if at < depth else 7)
            await ctx.tick()
        ctx.set(dut.i_write, 0)
        for at in range(depth):
            ctx.set(address, at)
            await ctx.tick()
            held.append(ctx.get(word))

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()
    assert held == [100 + at for at in range(depth)]


def test_an_access_of_any_length_is_split_into_whole_words():
    config = EngineConfig(filters=16, inputs=4, requantisers=4)
    for region, word in ((Region.WEIGHTS, config.code_bytes), (Region.ACTIVATIONS, 4),
                         (Region.REQUANT, 16), (Region.PROGRAM, 4)):
        length = 200_000 // word * word
        parts = list(accesses(config, region, 3, length))
        assert len(parts) == 4
        assert all(size < 1 << 16 and size % word == 0 for _, _, size in parts)
        assert [(start - 3) * word for start, _, _ in parts] == [first for _, first, _ in parts]
        assert [first for _, first, _ in parts] == [
            sum(size for *_, size in parts[:i]) for i in range(4)
        ]
        assert sum(size for *_, size in parts) == length

"""The activation memory: banks behind registers."""

import random

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator

from nhot.compiler import EngineConfig, compile_network
from nhot.contract.banks import conflicts
from nhot.contract.cycles import program_cycles
from nhot.contract.program import unpack_program
from nhot.network import Conv2d, Network, Requant, Tensor, Window
from nhot.network.reference import run
from nhot_hw.engine.activations import ActivationMemory, residue
from nhot_sim.engine_simulation import EngineSimulation


def simulate(dut, bench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("modulus", [3, 5, 7, 11, 67])
def test_residues(modulus):
    """Of values of 13 bits, whose last digit is no whole one."""
    numbers = [*range(300), *range(300, 1 << 13, 17), *range((1 << 13) - 20, 1 << 13)]
    m = Module()
    value, rest = Signal(13), Signal(8)
    m.d.comb += rest.eq(residue(value, modulus))
    seen = []

    async def bench(ctx):
        for number in numbers:
            ctx.set(value, number)
            seen.append(ctx.get(rest))

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [number % modulus for number in numbers]


@pytest.mark.parametrize("pixels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [17, 48, 64])
def test_every_pixel_reads_the_word_that_it_asks_for(pixels, depth):
    """At any distance that does not conflict, beside pixels that ask for nothing, while another
    word is written."""
    config = EngineConfig(pixels=pixels, inputs=2, filters=2, activation_words=depth)
    dut = ActivationMemory(config)
    source = random.Random(pixels * depth)
    held = [source.getrandbits(16) for _ in range(depth)]
    wrong = []

    async def bench(ctx):
        for address, word in enumerate(held):
            ctx.set(dut.row(address), word)
        line = []
        for _ in range(200):
            distance = source.choice([d for d in range(1, 9) if not conflicts(d, config.banks)])
            first = source.randrange(-8, depth)
            asked = [first + pixel * distance for pixel in range(pixels)]
            used = [0 <= address < depth and source.random() < 0.9 for address in asked]
            for pixel, address in enumerate(asked):
                ctx.set(dut.i_address[pixel], address & 0xFFFF)
            ctx.set(dut.i_used, sum(use << pixel for pixel, use in enumerate(used)))
            target = source.choice([a for a in range(depth + 3) if a not in asked])
            enable, word = source.getrandbits(2), source.getrandbits(16)
            ctx.set(dut.i_write, enable)
            ctx.set(dut.i_write_address, target)
            ctx.set(dut.i_write_data, word)
            line.append([(pixel, held[address]) for pixel, address in enumerate(asked)
                         if used[pixel]])
            if target < depth:
                mask = (enable & 1) * 0x00FF | (enable >> 1) * 0xFF00
                held[target] = held[target] & ~mask | word & mask
            await ctx.tick()
            if len(line) >= config.memory_latency - 1:
                for pixel, wanted in line[-(config.memory_latency - 1)]:
                    if ctx.get(dut.o_words[pixel]) != wanted:
                        wrong.append((pixel, wanted))

    simulate(dut, bench)
    assert not wrong


@pytest.mark.parametrize(("channels", "stride"), [(12, 1), (8, 3), (24, 2), (8, 2), (16, 1)])
@pytest.mark.parametrize("pixels", [2, 3])
def test_layers_of_any_distance_equal_the_reference(channels, stride, pixels):
    """Words a multiple of the banks apart, where one pixel is read at a time, and others."""
    rng = np.random.default_rng(channels + stride)
    window = Window(kernel=(2, 3), stride=(1, stride), padding=(1, 1, 0, 1))
    x = Tensor(name="x", shape=(3, 4 * stride + 1, channels), bits=8, signed=True, zero_point=3)
    shape = (*window.output_size(*x.shape[:2]), 6)
    fmt = EngineConfig().weight_format
    conv = Conv2d(
        inputs=("x",), output=Tensor(name="y", shape=shape, bits=8, signed=True, zero_point=0),
        weights=rng.choice(fmt.levels, (6, 2, 3, channels)), bias=rng.integers(-99, 99, 6),
        requant=Requant.from_scale([0.01] * 6, zero_point=0, low=-128, high=127),
        window=window, format=fmt,
    )
    network = Network(name="one", input=x, nodes=(conv,))
    config = EngineConfig(pixels=pixels, activation_words=256)
    image = compile_network(network, config)
    values = rng.integers(-128, 128, (1, *x.shape))
    simulation = EngineSimulation(image, direct=True)
    (outputs,) = simulation.run(list(values))
    np.testing.assert_array_equal(outputs["y"], run(network, values)[0])
    assert simulation.cycles == sum(program_cycles(unpack_program(image.program), config))

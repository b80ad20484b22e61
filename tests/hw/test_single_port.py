"""Engines whose activations and weights have a single port, in Amaranth's simulator."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from nhot.compiler import EngineConfig, compile_network
from nhot.contract.cycles import program_cycles
from nhot.contract.program import unpack_program
from nhot.network.reference import run
from nhot.testing.networks import random_input, random_network
from nhot_hw.engine.collector import Collector
from nhot_hw.engine.single_port import SinglePortActivations, SinglePortWeights
from nhot_sim.engine_simulation import EngineSimulation

ROOM = {
    "activation_words": 1024, "weight_words": 2048, "requant_words": 1024, "program_words": 1024,
    "single_port": True,
}


@pytest.mark.parametrize(("config", "seed"), [
    # A word a pixel group, parts of one, and several; a slot a word, and many.
    (EngineConfig(format="signed-binary", filters=4, inputs=4, requantisers=4, requant_terms=4,
                  lane="chain", **ROOM), 0),
    (EngineConfig(format="2hot", filters=2, inputs=4, **ROOM), 1),
    (EngineConfig(format="ternary", filters=8, inputs=2, requantisers=2, requant_terms=4, **ROOM),
     2),
    (EngineConfig(format="1hot", filters=3, inputs=1, requant_terms=4, **ROOM), 3),
], ids=lambda value: value.format if isinstance(value, EngineConfig) else str(value))
def test_equals_the_reference_in_the_cycles_that_are_predicted(config, seed):
    network = random_network(
        seed, formats=(config.weight_format,), widest=7, argmax=config.inputs > 1,
    )
    image = compile_network(network, config)
    simulation = EngineSimulation(image, direct=True)
    x = random_input(network.input, 1, seed)
    (outputs,), wanted = simulation.run(list(x)), run(network, x, trace=True)
    for name, values in outputs.items():
        np.testing.assert_array_equal(values, wanted[name][0], err_msg=name)
    predicted = program_cycles(unpack_program(image.program), config)
    assert np.diff([0, *simulation.layer_ends, simulation.cycles]).tolist() == predicted


def test_a_host_writes_and_reads_it():
    """Through the loader, byte by byte, which then reads the outputs."""
    config = EngineConfig(format="ternary", filters=4, inputs=2, requantisers=2, **ROOM)
    network = random_network(4, layers=2, formats=(config.weight_format,), widest=4)
    x = random_input(network.input, 2, 4)
    outputs = EngineSimulation(compile_network(network, config)).run(list(x))
    wanted = run(network, x)
    for found, want in zip(outputs, wanted, strict=True):
        np.testing.assert_array_equal(found[network.output.name], want)


def simulate(dut, bench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


def test_nothing_is_written_beyond_the_memories():
    config = EngineConfig(**ROOM | {"activation_words": 20, "weight_words": 20})
    words, weights = SinglePortActivations(config), SinglePortWeights(config)

    async def bench(ctx):
        ctx.set(words.i_write, -1)
        ctx.set(words.i_write_data, -1)
        ctx.set(words.i_write_address, 20)
        await ctx.tick()
        ctx.set(words.i_write_address, 3)
        ctx.set(words.i_read, 1)  # which a write waits for
        assert not ctx.get(words.o_taken)
        await ctx.tick()
        ctx.set(words.i_write, 0)
        await ctx.tick()
        assert all(ctx.get(words.row(i)) == 0 for i in range(20))

    async def bench_weights(ctx):
        ctx.set(weights.i_write, 1)
        ctx.set(weights.i_write_data, -1)
        for address in (20, 32 + 3, 1 << 15):
            ctx.set(weights.i_write_address, address)
            await ctx.tick()
        assert all(ctx.get(weights.row(i)) == 0 for i in range(20))

    simulate(words, bench)
    simulate(weights, bench_weights)


def test_what_a_stopped_run_left_is_not_written():
    config = EngineConfig(filters=4, inputs=4, requantisers=2, **ROOM)
    dut = Collector(config)

    async def bench(ctx):
        await give(ctx, lanes=1, end=False)
        ctx.set(dut.i_start, 1)
        await ctx.tick()
        ctx.set(dut.i_start, 0)
        await give(ctx, lanes=0, end=True)
        await ctx.tick()
        assert ctx.get(dut.o_write) == 0b0011

    async def give(ctx, *, lanes, end):
        ctx.set(dut.i_valid, 1)
        ctx.set(dut.i_end, int(end))
        ctx.set(dut.i_destination.lanes, lanes)
        await ctx.tick()
        ctx.set(dut.i_valid, 0)

    simulate(dut, bench)

"""The encoder of n-hot activations alone, and in engines, in Amaranth's simulator."""

import numpy as np
import pytest
from amaranth.sim import Simulator

from nhot.compiler import EngineConfig, compile_network
from nhot.contract.cycles import program_cycles
from nhot.contract.latency import ROUNDING_LATENCY
from nhot.contract.program import unpack_program
from nhot.network.reference import run
from nhot.network.terms import rounded_bytes
from nhot.testing.networks import random_input, random_network
from nhot_hw.engine.rounder import Rounder
from nhot_sim.engine_simulation import EngineSimulation


@pytest.mark.parametrize("most", range(1, 5))
def test_every_byte_at_several_zero_points(most):
    """A byte a cycle, and every number of terms; what leaves the byte is never asked for."""
    dut = Rounder(EngineConfig(activation_terms=most))
    values = np.arange(-128, 128)

    async def bench(ctx):
        for terms in range(most + 1):
            for zero_point in (-128, -3, 0, 127):
                ctx.set(dut.i_terms, terms)
                ctx.set(dut.i_zero_point, zero_point)
                found = []
                for value in [*values.tolist(), *[0] * ROUNDING_LATENCY]:
                    ctx.set(dut.i_y, value)
                    found.append(ctx.get(dut.o_y))
                    await ctx.tick()
                wanted = rounded_bytes(values, zero_point, terms)
                held = np.abs(wanted + 0.5) < 128
                found = np.array(found[ROUNDING_LATENCY:])
                np.testing.assert_array_equal(found[held], wanted[held])

    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize(("config", "seed"), [
    (EngineConfig(filters=2, inputs=2, requantisers=2, requant_terms=4, activation_terms=3), 8),
    (EngineConfig(pixels=2, format="1hot", activation_terms=4), 2),
    (EngineConfig(format="signed-binary", filters=4, activation_terms=3, single_port=True), 16),
], ids=["square", "pixels", "single-port"])
def test_networks_with_rounded_activations(config, seed):
    network = random_network(
        seed, layers=5, shape=(4, 4, 3), formats=(config.weight_format,), widest=6,
        operators=("conv", "round", "add", "max", "round"),
    )
    image = compile_network(network, config)
    program = unpack_program(image.program)
    assert any(step.activation_terms for step in program)
    simulation = EngineSimulation(image, direct=True)
    x = random_input(network.input, 1, seed)
    (outputs,), wanted = simulation.run(list(x)), run(network, x, trace=True)
    for name, values in outputs.items():
        np.testing.assert_array_equal(values, wanted[name][0], err_msg=name)
    predicted = program_cycles(program, config)
    assert np.diff([0, *simulation.layer_ends, simulation.cycles]).tolist() == predicted

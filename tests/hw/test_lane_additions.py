"""Residual additions by the lanes, in the gateware: the same bytes, in the cycles predicted."""

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.contract.cycles import program_cycles
from nhot.contract.program import Operation, unpack_program
from nhot.network.reference import run
from nhot.testing.networks import random_input
from nhot.testing.residual import additions, residual
from nhot_sim.engine_simulation import EngineSimulation

ROOM = {"accumulator_bits": 32, "product_bits": 64, "weight_words": 256, "requant_words": 256}


@pytest.mark.parametrize(("config", "multipliers", "shape"), [
    (EngineConfig(pixels=2, requantisers=4, **ROOM), (1 << 24, 1 << 22), (5, 3, 6)),
    (EngineConfig(pixels=3, filters=8, lane="chain", **ROOM), (-5 << 20, 1 << 22), (2, 2, 11)),
], ids=["square", "wide"])
@pytest.mark.parametrize("twice", [False, True], ids=["two", "twice"])
def test_lanes_add_two_operands_wherever_they_lie(config, multipliers, shape, twice):
    network = residual(multipliers, shape, twice=twice)
    image = compile_network(network, config)
    (step,) = additions(image)
    assert step.operation is Operation.ARRAY
    x = random_input(network.input, 2, 1)
    simulation = EngineSimulation(image, direct=True)
    wanted = run(network, x, trace=True)
    for i, outputs in enumerate(simulation.run(list(x))):
        for name, values in outputs.items():
            np.testing.assert_array_equal(values, wanted[name][i], err_msg=name)
    predicted = program_cycles(unpack_program(image.program), config)
    assert np.diff([0, *simulation.layer_ends, simulation.cycles]).tolist() == predicted

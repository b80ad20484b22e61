"""Operators that take several layers, or none of their own, in the gateware and in its cycles."""

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.contract.cycles import program_cycles
from nhot.contract.program import unpack_program
from nhot.formats import parse
from nhot.network.reference import run
from nhot.testing.networks import random_input, random_network
from nhot_sim.engine_simulation import EngineSimulation

ROOM = {"activation_words": 1024, "weight_words": 4096, "requant_words": 512, "program_words": 2048}


@pytest.mark.parametrize(("seed", "config"), [
    (8, EngineConfig(pixels=2, requantisers=4, **ROOM)),
    (23, EngineConfig(pixels=3, filters=2, inputs=4, lane="serial", **ROOM)),
    (32, EngineConfig(filters=8, requantisers=2, requant_terms=2, format="ternary", **ROOM)),
    (0, EngineConfig(pixels=2, filters=9, inputs=9, requantisers=9, requant_terms=4,
                     depthwise=True, **ROOM)),
], ids=["square", "serial", "wide", "depthwise"])
def test_every_layer_and_its_cycles(seed, config):
    """Every tensor that is left at the end."""
    network = random_network(
        seed, layers=5, shape=(3, 4, 3), formats=(parse(config.format),), widest=9,
        operators=("transposed", "concat", "upsample", "concat", "conv", "depthwise", "add", "max"),
    )
    x = random_input(network.input, 1, 0)
    image = compile_network(network, config)
    assert {"Upsample", "ConvTranspose2d"} < {layer.operator for layer in image.meta.layers}
    simulation = EngineSimulation(image, direct=True)
    (outputs,) = simulation.run(list(x))
    wanted = run(network, x, trace=True)
    assert network.output.name in outputs
    for name, values in outputs.items():
        np.testing.assert_array_equal(values, wanted[name][0], err_msg=name)
    predicted = program_cycles(unpack_program(image.program), config)
    assert np.diff([0, *simulation.layer_ends, simulation.cycles]).tolist() == predicted

"""Lanes in the role of depthwise layers, in Amaranth's simulator."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.contract.banks import conflicts
from nhot.contract.cycles import program_cycles
from nhot.contract.program import Operation, unpack_program
from nhot.network.reference import run
from nhot.testing.depthwise import depthwise_network, separable_network
from nhot_sim.engine_simulation import EngineSimulation

CONFIG = EngineConfig(
    filters=9, inputs=9, requantisers=3, depthwise=True, activation_words=1024, weight_words=64,
)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("pixels", "requant_terms"), [(1, 4), (1, 1), (2, 2), (3, 4), (4, 1)])
def test_equals_the_reference_in_the_cycles_that_are_predicted(pixels, requant_terms, stride):
    lane = "chain" if pixels == 2 else "parallel"
    config = replace(CONFIG, pixels=pixels, requant_terms=requant_terms, lane=lane)
    rng = np.random.default_rng(10 * pixels + stride)
    network = depthwise_network(rng, config, stride=(int(rng.integers(1, 3)), stride))
    image = compile_network(network, config)
    taken = unpack_program(image.program)[0].operation is Operation.DEPTHWISE
    words = -(-network.input.shape[2] // config.inputs)
    assert taken == (
        (stride == 1 or pixels in (1, 2, 4)) and not conflicts(words, config.banks)
    )
    x = rng.integers(network.input.low, network.input.high + 1, (2, *network.input.shape))
    simulation = EngineSimulation(image, direct=True)
    for outputs, want in zip(simulation.run(list(x)), run(network, x), strict=True):
        np.testing.assert_array_equal(outputs["y"], want)
    predicted = program_cycles(unpack_program(image.program), config)
    assert np.diff([0, *simulation.layer_ends, simulation.cycles]).tolist() == predicted


@pytest.mark.parametrize("pixels", [1, 2])
def test_lanes_of_all_filters_have_their_role_from_the_first_step_to_the_last(pixels):
    # The last of 16 filters know of it last: the steps before were those of the role before.
    config = replace(
        CONFIG, pixels=pixels, filters=16, inputs=16, requantisers=16, requant_terms=4
    )
    rng = np.random.default_rng(pixels)
    network = separable_network(rng, config, blocks=2)
    image = compile_network(network, config)
    operations = [layer.operation for layer in unpack_program(image.program)]
    assert operations[:4] == [Operation.DEPTHWISE, Operation.ARRAY] * 2
    x = rng.integers(network.input.low, network.input.high + 1, (1, *network.input.shape))
    last = network.nodes[-1].output.name
    for outputs, want in zip(
        EngineSimulation(image, direct=True).run(list(x)), run(network, x), strict=True
    ):
        np.testing.assert_array_equal(outputs[last], want)

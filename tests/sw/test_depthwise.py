"""Depthwise layers for lanes that take taps: the numbers, the weights, and when they are used."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, Machine, compile_network
from nhot.compiler.differences import check_contents
from nhot.contract.cycles import layer_cycles
from nhot.contract.program import Operation, unpack_program
from nhot.errors import MismatchError, NhotError
from nhot.network import Network
from nhot.network.reference import run
from nhot.testing.depthwise import depthwise_network

CONFIG = EngineConfig(
    filters=9, inputs=9, requantisers=3, depthwise=True, activation_words=1024, weight_words=64,
)


def first(image):
    return unpack_program(image.program)[0]


@pytest.mark.parametrize("seed", range(40))
def test_image_gives_the_reference_numbers(seed):
    rng = np.random.default_rng(seed)
    name = str(rng.choice(["2hot", "1hot", "ternary", "int8", "signed-binary", "signed-binary/9"]))
    config = replace(CONFIG, format=name, pixels=int(rng.choice([1, 2, 3, 4, 6])))
    network = depthwise_network(rng, config)
    image = compile_network(network, config)
    x = rng.integers(network.input.low, network.input.high + 1, (2, *network.input.shape))
    x[0] = rng.choice([network.input.low, network.input.high], network.input.shape)
    wanted = run(network, x)
    for values, want in zip(x, wanted, strict=True):
        np.testing.assert_array_equal(Machine(image).run(values)["y"], want)


def test_a_tile_has_one_word_of_weights_and_reads_each_column_once():
    rng = np.random.default_rng(0)
    network = depthwise_network(rng, CONFIG, channels=20, stride=(1, 1))
    taps = first(compile_network(network, CONFIG))
    plain = first(compile_network(network, replace(CONFIG, depthwise=False)))
    assert (taps.operation, plain.operation) == (Operation.DEPTHWISE, Operation.ARRAY)
    assert len(compile_network(network, CONFIG).weight_levels()) == 3
    assert len(compile_network(network, replace(CONFIG, depthwise=False)).weight_levels()) == 27
    height, width, _ = network.output.shape
    if width > 4:
        assert layer_cycles(taps, CONFIG) < layer_cycles(plain, CONFIG)
    assert (taps.last_tap_x, taps.last_column) == (0, 2 + width - 1)
    assert taps.last_row == height - 1


def test_a_weight_that_differs_is_named():
    network = depthwise_network(np.random.default_rng(3), CONFIG, channels=12, stride=(1, 1))
    image = compile_network(network, CONFIG)
    weights = network.nodes[0].weights.copy()
    weights[10, 1, 2, 0] = 0 if weights[10, 1, 2, 0] else 1
    other = Network(
        name="other", input=network.input, nodes=(replace(network.nodes[0], weights=weights),)
    )
    wrong = replace(image, weights=compile_network(other, CONFIG).weights)
    with pytest.raises(MismatchError, match="at filter 10, y 1, x 2, channel 10 must be"):
        check_contents(network, wrong)


@pytest.mark.parametrize(("changes", "stride", "used"), [
    ({}, 1, True), ({}, 2, True), ({}, 3, False),
    ({"pixels": 2}, 2, True), ({"pixels": 3}, 1, True), ({"pixels": 3}, 2, False),
    ({"depthwise": False}, 1, False),
])
def test_other_strides_are_those_of_the_array(changes, stride, used):
    config = replace(CONFIG, **changes)
    network = depthwise_network(np.random.default_rng(1), config, stride=(1, stride))
    operation = first(compile_network(network, config)).operation
    assert operation is (Operation.DEPTHWISE if used else Operation.ARRAY)


@pytest.mark.parametrize(("changes", "text"), [
    ({"last_column": 1}, "last_column must be 2 to"),
    ({"step_x": 3}, "step_x must be 1 to 2, not 3"),
    ({"last_tap_y": 1}, "last_tap_y must be 2, not 1"),
    ({"last_tap_x": 1}, "last_tap_x must be 0, not 1"),
    ({"last_word": 1}, "last_word must be 0, not 1"),
    ({"stride_x": 2, "column_step": 2}, "stride_x must be 1, not 2"),
    ({"step_x": 2, "last_column": 3}, "last_column must be 2 and a multiple of 2, not 3"),
])
def test_a_program_that_would_not_end_is_refused(changes, text):
    network = depthwise_network(np.random.default_rng(2), CONFIG, stride=(1, 1))
    image = compile_network(network, CONFIG)
    step, end = unpack_program(image.program)
    with pytest.raises(NhotError, match=f"descriptor 0 {text}"):
        replace(image, program=replace(step, **changes).pack() + end.pack())


def test_an_engine_without_refuses_it():
    network = depthwise_network(np.random.default_rng(2), CONFIG, stride=(1, 1))
    image = compile_network(network, CONFIG)
    with pytest.raises(NhotError, match="operation must be one of an engine without depthwise"):
        replace(image, config=replace(CONFIG, depthwise=False))

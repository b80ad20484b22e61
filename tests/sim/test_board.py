"""A virtual board, driven as a real one is: load, read back, run, and the wrong image."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.profile import profile
from nhot.contract.program import Region
from nhot.device import Board
from nhot.device.areas import write_requests
from nhot.errors import DeviceError
from nhot.network.reference import run
from nhot.testing.engine_networks import extreme_inputs, sample_network
from nhot_hw.bench.networks.simulated import simulate
from nhot_sim.runner import require
from nhot_sim.virtual_board import VirtualBoard

CONFIG = EngineConfig(pixels=2, filters=4, inputs=4, requantisers=2)


@pytest.fixture(scope="module")
def board():
    require("verilator")
    require("g++")
    with VirtualBoard(CONFIG) as virtual, Board(virtual.transport()) as opened:
        yield opened


def test_outputs_equal_the_reference_for_two_networks(board):
    """Weights are reloaded between the two, without synthesis and with nothing left behind."""
    for seed in (1, 2):
        network = sample_network("2hot", seed=seed)
        x = extreme_inputs(network, seed=seed)
        image = compile_network(network, CONFIG)
        board.load(image)
        result = board.run(x)
        np.testing.assert_array_equal(result.outputs, run(network, x))
        assert len(set(result.cycles)) == 1
        assert_layers_are_predicted(board.layer_cycles(), image)
        assert result.cycles[0] == profile(image).cycles


def assert_layers_are_predicted(times, image):
    """Cycles and stalls of every layer."""
    layers = profile(image).layers
    assert [time.name for time in times] == [layer.name for layer in layers]
    for what, wanted in (
        ("end", [layer.cycles for layer in layers]),
        ("stalls", [layer.parts.stalls for layer in layers]),
    ):
        assert np.diff([0, *(getattr(time, what) for time in times)]).tolist() == wanted


@pytest.mark.parametrize(("region", "word"), [
    (Region.WEIGHTS, CONFIG.code_bytes), (Region.PROGRAM, 4), (Region.ACTIVATIONS, CONFIG.inputs),
])
def test_the_board_keeps_up_with_its_line(board, region, word):
    """At four cycles a bit without a gap, thousands of bytes are never too much for its queue."""
    depth = {
        Region.WEIGHTS: CONFIG.weight_words, Region.PROGRAM: CONFIG.program_words,
        Region.ACTIVATIONS: CONFIG.activation_words,
    }[region]
    repeated, dropped = board.link.repeated, board.status().dropped
    data = bytes(1 + i % 100 for i in range(depth * word))
    short = [request for part in range(0, 60 * word, word)
             for request in write_requests(region, part // word, word, data[part : part + word])]
    requests = [*short, *write_requests(region, 0, word, data)]
    for _ in range(4):
        list(board.link.pipeline(requests))
    assert (board.link.repeated, board.status().dropped) == (repeated, dropped)


def test_a_bench_finds_its_own_virtual_board():
    for tool in ("verilator", "g++"):
        require(tool)
    network = sample_network("2hot")
    simulate(network, compile_network(network, CONFIG))


def test_an_image_for_another_engine_is_refused(board):
    network = sample_network("2hot")
    other = compile_network(network, replace(CONFIG, pixels=1))
    with pytest.raises(DeviceError, match="0x"):
        board.load(other)
    x = extreme_inputs(network)
    board.load(compile_network(network, CONFIG))
    np.testing.assert_array_equal(board.run(x).outputs, run(network, x))

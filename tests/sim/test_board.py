"""A virtual board, driven as a real one is: load, read back, run, and the wrong image."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.device import Board
from nhot.errors import DeviceError
from nhot.network.reference import run
from nhot.testing.engine_networks import extreme_inputs, sample_network
from nhot_sim.runner import require
from nhot_sim.virtual_board import VirtualBoard

CONFIG = EngineConfig(pixels=2, filters=4, inputs=4, requantisers=2)


@pytest.fixture(scope="module")
def board():
    require("verilator")
    require("g++")
    with VirtualBoard(CONFIG) as virtual, Board.open(virtual.port) as opened:
        yield opened


def test_outputs_equal_the_reference_for_two_networks(board):
    """Weights are reloaded between the two, without synthesis and with nothing left behind."""
    for seed in (1, 2):
        network = sample_network("2hot", seed=seed)
        x = extreme_inputs(network, seed=seed)
        board.load(compile_network(network, CONFIG))
        result = board.run(x)
        np.testing.assert_array_equal(result.outputs, run(network, x))
        assert len(set(result.cycles)) == 1
        ends = [time.end for time in board.layer_cycles()]
        assert ends == sorted(ends)
        assert ends[-1] <= result.cycles[0]


def test_an_image_for_another_engine_is_refused(board):
    network = sample_network("2hot")
    other = compile_network(network, replace(CONFIG, pixels=1))
    with pytest.raises(DeviceError, match="0x"):
        board.load(other)
    x = extreme_inputs(network)
    board.load(compile_network(network, CONFIG))
    np.testing.assert_array_equal(board.run(x).outputs, run(network, x))

# amaranth: UnusedElaboratable=no
"""A board whose memories hold a network at power-up, as those of a patched bitstream do."""

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.contents import image_contents
from nhot.device import Board
from nhot.errors import MismatchError, NhotError
from nhot.network.reference import run
from nhot.testing.networks import random_input, random_network
from nhot_hw.engine import Engine
from nhot_hw.io import Top
from nhot_sim.virtual_board import VirtualBoard

CONFIG = EngineConfig(
    filters=2, inputs=2, requantisers=2, weight_words=1048, activation_words=256,
    program_words=512, requant_words=96,
)  # the last weights lie in a memory apart
NETWORK = random_network(3, layers=2, shape=(4, 4, 2), operators=("conv", "max"), widest=4)
IMAGE = compile_network(NETWORK, CONFIG)


def _top(contents):
    return Top(CONFIG, clock_hz=4_000_000, baud=1_000_000, contents=contents)


def test_a_network_is_there_at_power_up_and_runs():
    inputs = random_input(NETWORK.input, 3, 7)
    wanted = run(NETWORK, inputs)
    with VirtualBoard.of(_top(image_contents(IMAGE))) as virtual, \
            Board(virtual.transport()) as board:
        board.verify(IMAGE)
        alone = board.run(inputs)
        board.load(IMAGE)
        loaded = board.run(inputs)
    np.testing.assert_array_equal(alone.outputs, wanted)
    np.testing.assert_array_equal(loaded.outputs, wanted)
    np.testing.assert_array_equal(alone.cycles, loaded.cycles)
    np.testing.assert_array_equal(alone.stalls, loaded.stalls)


def test_another_network_than_the_boards_is_found_out():
    other = compile_network(random_network(
        4, layers=2, shape=(4, 4, 2), operators=("conv", "max"), widest=4), CONFIG)
    with VirtualBoard.of(_top(image_contents(IMAGE))) as virtual, \
            Board(virtual.transport()) as board, pytest.raises(MismatchError, match="must hold"):
        board.verify(other)


def test_large_memories_hold_nothing_at_power_up():
    config = EngineConfig(format="signed-binary", filters=8, inputs=4, single_port=True)
    with pytest.raises(NhotError, match="contents at power-up must not have memories with a sing"):
        Engine(config, image_contents(IMAGE))

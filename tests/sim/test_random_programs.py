"""Programs that no compiler made, on the virtual board: each run ends, and the board goes on."""

import random

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.contract.program import Fault, Region
from nhot.device import Board
from nhot.device.areas import write_requests
from nhot.device.protocol import Opcode, Request
from nhot.network.reference import run
from nhot.testing.engine_networks import extreme_inputs, sample_network
from nhot.testing.programs import near, noise
from nhot_sim.runner import require
from nhot_sim.virtual_board import VirtualBoard

CONFIG = EngineConfig(pixels=2, filters=4, inputs=4, requantisers=2)


@pytest.fixture(scope="module")
def board():
    require("verilator")
    with VirtualBoard(CONFIG) as virtual, Board(virtual.transport()) as opened:
        yield opened


@pytest.mark.parametrize("make", [noise, near])
def test_every_run_ends_and_says_why(board, make):
    source = random.Random(make.__name__)
    faults = set()
    blank = bytes(4 * CONFIG.program_words)
    for _ in range(60):
        program = make(source)
        data = (program + blank)[: len(blank)] if source.random() < 0.5 else program
        list(board.link.pipeline(write_requests(Region.PROGRAM, 0, 4, data)))
        board.link.request(Request(opcode=Opcode.RUN, address=source.choice([1, 2])))
        state = board._wait(60.0)
        assert state.cycles < 2 * 65_536 + 8
        faults.add(state.fault)
    assert faults >= ({Fault.PROGRAM} if make is noise else set(Fault))


def test_a_network_runs_after_all_that(board):
    network = sample_network("2hot")
    x = extreme_inputs(network)
    board.load(compile_network(network, CONFIG))
    assert np.array_equal(board.run(x).outputs, run(network, x))

"""Programs that no compiler made, on the virtual board: each run ends, and the board goes on."""

import random

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.program import (
    DESCRIPTOR_WORDS,
    FIELDS,
    WORDS,
    Descriptor,
    Fault,
    Operation,
    Region,
)
from nhot.device import Board
from nhot.device.protocol import Opcode, Request
from nhot.network.reference import run
from nhot_sim.runner import require
from nhot_sim.samples import extreme_inputs, sample_network
from nhot_sim.virtual_board import VirtualBoard

CONFIG = EngineConfig(pixels=2, filters=4, inputs=4, requantisers=2)


def noise(source: random.Random) -> bytes:
    """Nothing but random bits, in which hardly any descriptor is legal."""
    return source.randbytes(4 * DESCRIPTOR_WORDS * source.randrange(1, 6))


def near(source: random.Random) -> bytes:
    """A few legal layers with some fields at random: these get as far as the loops.

    Half of them have loops that take longer than any limit.
    """
    steps = []
    for _ in range(source.randrange(1, 4)):
        long = {"rows": 1000, "columns": 1000, "stride_x": 0, "stride_y": 0, "pixel_words": 0}
        operation = source.choice(list(Operation)[1:])
        step = Descriptor(operation=operation, **source.choice([{}, long])).pack()
        word = bytearray(step)
        for name in source.sample(sorted(FIELDS), source.choice([1, 2, 5])):
            position, width = place(name)
            old = int.from_bytes(word, "little")
            mask = ((1 << width) - 1) << position
            value = source.choice([0, 1, (1 << width) - 1, source.getrandbits(width)])
            word = bytearray((old & ~mask | value << position).to_bytes(len(word), "little"))
        steps.append(bytes(word))
    end = [Descriptor(operation=Operation.END).pack()] if source.random() < 0.7 else []
    return b"".join(steps + end)


def place(name: str) -> tuple[int, int]:
    """First bit of a field in its descriptor, and its width."""
    for index, word in enumerate(WORDS):
        position = 32 * index
        for field, width in word.items():
            if field == name:
                return position, width
            position += width
    raise KeyError(name)


@pytest.fixture(scope="module")
def board():
    require("verilator")
    with VirtualBoard(CONFIG) as virtual, Board.open(virtual.port) as opened:
        yield opened


@pytest.mark.parametrize("make", [noise, near])
def test_every_run_ends_and_says_why(board, make):
    source = random.Random(make.__name__)
    faults = set()
    blank = bytes(4 * CONFIG.program_words)
    for _ in range(60):
        program = make(source)
        data = (program + blank)[: len(blank)] if source.random() < 0.5 else program
        for _ in board._write(Region.PROGRAM, 0, 4, data):
            pass
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

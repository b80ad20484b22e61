"""What runs on a board while its toggles are counted."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nhot.compiler import EngineConfig, compile_network
from nhot.contract.program import Descriptor, Operation, Region
from nhot.device import Board
from nhot.device.areas import write_requests
from nhot.device.protocol import BUFFER_BYTES, Opcode, Request
from nhot.errors import MismatchError, NhotError
from nhot.network import ArgMax, Network, Tensor
from nhot.network.reference import run
from nhot.testing.engine_networks import extreme_inputs, sample_network
from nhot.testing.networks import random_network
from nhot.testing.programs import near, noise
from nhot_hw.io.accelerator import Top
from nhot_sim.virtual_board import VirtualBoard

__all__ = ["CONFIG", "exercise"]

_BAUD = 1_000_000
_DIVISOR = 4
# Activations enough for long rows and wide vectors: addresses and counters then use their bits.
CONFIG = EngineConfig(
    pixels=2, filters=4, inputs=4, requantisers=2, activation_words=16_384, weight_words=1024,
    requant_words=128, program_words=256,
)
_OPERATORS = (
    "conv", "conv", "max", "average", "add", "clamp", "depthwise", "transposed", "concat",
    "upsample",
)
_SHAPES = ((6, 6, 5), (1, 250, 3), (200, 2, 4), (14, 14, 9), (40, 40, 7), (3, 3, 90))
_PROGRAMS = 30
_MOST_VALUES = 1 << 16


def exercise(toggles: Path, seeds: Iterable[int]) -> None:
    """Run networks and odd programs of each seed; write the counts to ``toggles``.

    Raises :class:`MismatchError` if an output is not the reference's.
    """
    top = Top(CONFIG, clock_hz=_DIVISOR * _BAUD, baud=_BAUD)
    with (
        VirtualBoard.of(top, divisor=_DIVISOR, toggles=toggles) as virtual,
        Board(virtual.transport()) as board,
    ):
        _give_limits(board)
        _send_too_much(board)
        for seed in seeds:
            for network in _networks(seed):
                _run_network(board, network, seed)
            _run_programs(board, random.Random(seed))


def _give_limits(board: Board) -> None:
    """Every bit of a run's limit, on a program that is at its end at once."""
    _run_program(board, Descriptor(operation=Operation.END).pack(), [1 << bit for bit in range(16)])


def _send_too_much(board: Board) -> None:
    """A frame that no buffer holds, and that nothing answers."""
    board.link.transport.write(b"\x01" * (2 * BUFFER_BYTES) + b"\0")
    board.link.request(Request(opcode=Opcode.STATUS))


def _networks(seed: int) -> list[Network]:
    return [
        sample_network("2hot", seed=seed),
        random_network(
            seed, shape=_SHAPES[seed % len(_SHAPES)], layers=6, operators=_OPERATORS, widest=12,
            formats=(CONFIG.weight_format,), argmax=seed % 2 == 0,
        ),
        _widest(_MOST_VALUES >> seed % 9),
    ]


def _widest(channels: int) -> Network:
    """The index of the largest of very many."""
    source = Tensor(name="x", shape=(1, 1, channels - 8), signed=True)
    best = ArgMax(inputs=("x",), output=Tensor(name="best", shape=(1, 1, 1), bits=16))
    return Network(name=f"widest{channels}", input=source, nodes=(best,))


def _run_network(board: Board, network: Network, seed: int) -> None:
    try:
        image = compile_network(network, CONFIG)
    except NhotError:
        return  # too large for this engine
    board.load(image)
    inputs = extreme_inputs(network, seed=seed)[:1 if network.input.size > 4096 else 4]
    for x, wanted in zip(inputs, run(network, inputs), strict=True):
        if not np.array_equal(board.run(x).outputs, wanted):
            raise MismatchError(f"Outputs of {network.name!r} must be the reference's")


def _run_programs(board: Board, source: random.Random) -> None:
    for _ in range(_PROGRAMS):
        _run_program(board, source.choice([near, noise])(source), [source.choice([1, 2, 40])])


def _run_program(board: Board, program: bytes, limits: Iterable[int]) -> None:
    list(board.link.pipeline(write_requests(Region.PROGRAM, 0, 4, program)))
    for limit in limits:
        board.link.request(Request(opcode=Opcode.RUN, address=limit))
        board._wait(60.0)

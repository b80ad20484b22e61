"""What runs on a board while its toggles are counted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nhot.compiler import EngineConfig, compile_network
from nhot.device import Board
from nhot.errors import MismatchError, NhotError
from nhot.network import Network
from nhot.network.reference import run
from nhot.network.samples import random_network
from nhot_hw.engine.top import Top
from nhot_sim.samples import extreme_inputs, sample_network
from nhot_sim.virtual_board import VirtualBoard

__all__ = ["exercise"]

_BAUD = 1_000_000
_DIVISOR = 4
_CONFIG = EngineConfig(
    pixels=2, filters=4, inputs=4, requantisers=2, activation_words=1024, weight_words=512,
    requant_words=64, program_words=256,
)
_OPERATORS = ("conv", "conv", "max", "average", "add", "clamp", "depthwise")


def exercise(toggles: Path, seeds: Iterable[int]) -> None:
    """Load and run a network for each seed, on extreme inputs; write the counts to ``toggles``.

    Raises :class:`MismatchError` if an output is not the reference's.
    """
    top = Top(_CONFIG, clock_hz=_DIVISOR * _BAUD, baud=_BAUD)
    with (
        VirtualBoard.of(top, divisor=_DIVISOR, toggles=toggles) as virtual,
        Board.open(virtual.port) as board,
    ):
        for seed in seeds:
            for network in _networks(seed):
                _run(board, network, seed)


def _networks(seed: int) -> list[Network]:
    shape = [(6, 6, 5), (1, 40, 3), (24, 2, 4), (14, 14, 9)][seed % 4]
    return [
        sample_network("2hot", seed=seed),
        random_network(
            seed, shape=shape, layers=6, operators=_OPERATORS, widest=12,
            formats=(_CONFIG.weight_format,), argmax=seed % 2 == 0,
        ),
    ]


def _run(board: Board, network: Network, seed: int) -> None:
    try:
        image = compile_network(network, _CONFIG)
    except NhotError:
        return  # too large for this engine
    board.load(image)
    inputs = extreme_inputs(network, seed=seed)
    for x, wanted in zip(inputs, run(network, inputs), strict=True):
        got = board.run(x).outputs
        if not np.array_equal(got, wanted):
            raise MismatchError(f"Outputs of {network.name!r} must be the reference's")

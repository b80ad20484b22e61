"""The gateware runs a network, and must do what was predicted."""

from __future__ import annotations

import numpy as np

from nhot.cli.ports import open_port
from nhot.compiler import Image
from nhot.compiler.profile import profile
from nhot.errors import MismatchError
from nhot.network import Network
from nhot.network.reference import run

__all__ = ["simulate"]


def simulate(network: Network, image: Image, *, seed: int = 0) -> None:
    """Run ``image`` of ``network`` on a virtual board, on a random input.

    Raises :class:`MismatchError` unless it gives the outputs of the reference in the cycles that
    are predicted.
    """
    tensor = network.input
    x = np.random.default_rng(seed).integers(tensor.low, tensor.high + 1, (1, *tensor.shape))
    with open_port("virtual", image.config) as board:
        board.load(image, verify=False)  # what went wrong there shows in the outputs
        result = board.run(x[0], limit=3600)
    predicted = profile(image).cycles
    if result.cycles != predicted:
        raise MismatchError(f"Run of network {network.name!r} must take {predicted:,} cycles, "
                            f"not {result.cycles:,}")
    wrong = int((result.outputs != run(network, x)[0]).sum())
    if wrong:
        raise MismatchError(f"Outputs of network {network.name!r} must be those of the reference, "
                            f"but {wrong} of {result.outputs.size} differ")

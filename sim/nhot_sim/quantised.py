"""The first link of the chain: a quantised model in torch and the reference compute the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nhot.experiments.data import to_integers
from nhot.network import Network, reference

if TYPE_CHECKING:
    from torch import Tensor

    from nhot.quant import QuantModel

__all__ = ["assert_exact"]


def assert_exact(model: QuantModel, x: Tensor) -> Network:
    """Every integer of every layer: torch, channels first, against the reference.

    ``x`` are samples as torch has them. Gives the network.
    """
    from nhot.quant import to_network

    network = to_network(model, "test")
    expected = reference.run(network, to_integers(network.input, x.numpy()), trace=True)
    found = model.integers(x)
    assert list(found) == list(expected)
    for name, values in found.items():
        np.testing.assert_array_equal(values.permute(0, 2, 3, 1).numpy(), expected[name], name)
    real = (expected[network.output.name] - network.output.zero_point) * network.output.scale
    output = model(x).reshape(len(x), *found[model.output].shape[1:]).permute(0, 2, 3, 1)
    np.testing.assert_array_equal(output.numpy(), real.astype(np.float32))
    return network

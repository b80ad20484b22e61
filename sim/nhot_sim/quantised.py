"""The first link of the chain: a quantised model in torch and the reference compute the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nhot.experiments.data import to_integers
from nhot.network import Network, reference

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from nhot.quant import QuantModel

__all__ = ["assert_exact", "assert_rounded"]


def assert_exact(model: QuantModel, x: Tensor | NDArray[np.float32]) -> Network:
    """Every integer of every layer: torch, channels first, against the reference.

    ``x`` are samples as torch has them. Gives the network.
    """
    import torch

    from nhot.quant import to_network

    x = torch.as_tensor(x)
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


def assert_rounded(
    model: nn.Module, format: str = "int8", x: Tensor | None = None
) -> tuple[QuantModel, Network]:
    """Exact in integers; in int8 near the model. Gives the quantised model and the network.

    ``x`` are samples; where there are none, those of the models that are made of constants.
    """
    import torch

    from nhot.quant import quantize
    from nhot.testing.constant_models import samples

    x = samples() if x is None else x
    quantized = quantize(model, format, x)
    network = assert_exact(quantized, torch.cat([x, 2 * x - 0.5]))
    if format == "int8":
        with torch.no_grad():
            expected = model.eval()(x.clone())
            error = (quantized(x) - expected).square().mean().sqrt() / expected.std()
        assert error < 0.03
    return quantized, network

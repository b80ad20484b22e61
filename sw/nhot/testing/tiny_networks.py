"""Networks with the inputs and outputs of MLPerf Tiny's models, and next to nothing between."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from nhot.formats import NHot
from nhot.network import Conv2d, Linear, Network, Requant, Tensor, Window

__all__ = ["TINY", "tiny_network"]

_FORMAT = NHot(bits=8, n=2)
_FILTERS = 4

#: Input, the size of patches that are looked at one by one, and outputs, by name of the model.
TINY = {
    "ic01": (Tensor(name="x", shape=(32, 32, 3)), (8, 8), 10),
    "kws01": (Tensor(name="x", shape=(49, 10, 1), signed=True, scale=0.5847029089927673,
                     zero_point=83), (7, 5), 12),
    "vww01": (Tensor(name="x", shape=(96, 96, 3), scale=1 / 255), (24, 24), 2),
    "ad01": (Tensor(name="x", shape=(1, 1, 640), signed=True, scale=0.25, zero_point=10), (1, 1),
             640),
}


def tiny_network(name: str, *, seed: int = 0, **input_fields: Any) -> Network:
    """A convolution over patches and a dense layer, of the model called ``name``.

    ``input_fields`` are put in the place of those of the input tensor.
    """
    x, patch, outputs = TINY[name]
    x = replace(x, **input_fields)
    rng = np.random.default_rng(seed)
    window = Window(kernel=patch, stride=patch)
    maps = Tensor(name="maps", shape=(*window.output_size(*x.shape[:2]), _FILTERS), zero_point=100)
    conv = _filters(rng, x, maps, (_FILTERS, *patch, x.shape[2]))
    y = Tensor(name="y", shape=(1, 1, outputs), signed=True, scale=0.05, zero_point=-3)
    dense = _filters(rng, maps, y, (outputs, maps.size))
    return Network(name=f"tiny-{name}", input=x, nodes=(
        Conv2d(inputs=("x",), output=maps, window=window, format=_FORMAT, **conv),
        Linear(inputs=("maps",), output=y, format=_FORMAT, **dense),
    ))


def _filters(
    rng: np.random.Generator, x: Tensor, y: Tensor, shape: tuple[int, ...]
) -> dict[str, Any]:
    """Weights, and a requantisation such that outputs of random inputs use their range."""
    weights = rng.choice(_FORMAT.levels, shape)
    flat = weights.reshape(len(weights), -1)
    spread = 2**x.bits / 3.5 * np.sqrt((flat**2).sum(axis=1))
    middle = (x.low + x.high) / 2 * flat.sum(axis=1)
    return {
        "weights": weights, "bias": np.rint(-middle).astype(np.int64),
        "requant": Requant.from_scale(2**y.bits / 6 / spread, zero_point=y.zero_point, low=y.low,
                                      high=y.high),
    }

"""Random networks of one depthwise layer, with kernels of 3 x 3."""

from __future__ import annotations

import numpy as np

from nhot.contract.config import DEPTHWISE_KERNEL, EngineConfig
from nhot.network import Conv2d, Network, Requant, Tensor, Window
from nhot.testing.engine_networks import sample_weights

__all__ = ["depthwise_network"]


def depthwise_network(
    rng: np.random.Generator, config: EngineConfig, *, channels: int | None = None,
    stride: tuple[int, int] | None = None,
) -> Network:
    """Any size, padding, zero points and weights; channels and stride, too, where not given."""
    fmt = config.weight_format
    channels = channels or int(rng.integers(1, 3 * config.inputs))
    stride = stride or (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    top, left, bottom, right = (int(v) for v in rng.integers(0, 4, 4))
    height, width = (int(v) for v in rng.integers(DEPTHWISE_KERNEL, 9, 2))
    window = Window(
        kernel=(DEPTHWISE_KERNEL, DEPTHWISE_KERNEL), stride=stride,
        padding=(top, left, bottom, right),
    )
    x = Tensor(
        name="x", shape=(height, width, channels), bits=8, signed=bool(rng.integers(2)),
        zero_point=3,
    )
    y = Tensor(
        name="y", shape=(*window.output_size(height, width), channels), bits=8, signed=True,
        zero_point=int(rng.integers(-9, 9)),
    )
    requant = Requant.from_scale(
        rng.uniform(0.01, 0.3, channels), zero_point=y.zero_point, low=-128, high=127
    )
    layer = Conv2d(
        inputs=("x",), output=y, window=window, groups=channels, format=fmt, requant=requant,
        weights=sample_weights(fmt, (channels, DEPTHWISE_KERNEL, DEPTHWISE_KERNEL, 1), rng),
        bias=rng.integers(-99, 99, channels),
    )
    return Network(name="depthwise", input=x, nodes=(layer,))

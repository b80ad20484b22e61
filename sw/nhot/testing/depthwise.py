"""Random networks of depthwise layers, with kernels of 3 x 3."""

from __future__ import annotations

import numpy as np

from nhot.contract.config import DEPTHWISE_KERNEL, EngineConfig
from nhot.formats import Format
from nhot.network import Conv2d, Network, Requant, Tensor, Window
from nhot.testing.engine_networks import sample_weights

__all__ = ["depthwise_network", "separable_network"]

_KERNEL = (DEPTHWISE_KERNEL, DEPTHWISE_KERNEL)


def depthwise_network(
    rng: np.random.Generator, config: EngineConfig, *, channels: int | None = None,
    stride: tuple[int, int] | None = None,
) -> Network:
    """One layer of any size, padding, zero points and weights.

    Channels and stride, too, where not given.
    """
    channels = channels or int(rng.integers(1, 3 * config.inputs))
    stride = stride or (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    top, left, bottom, right = (int(v) for v in rng.integers(0, 4, 4))
    height, width = (int(v) for v in rng.integers(DEPTHWISE_KERNEL, 9, 2))
    window = Window(kernel=_KERNEL, stride=stride, padding=(top, left, bottom, right))
    x = Tensor(
        name="x", shape=(height, width, channels), bits=8, signed=bool(rng.integers(2)),
        zero_point=3,
    )
    layer = _layer(rng, config.weight_format, x, "y", window=window, groups=channels)
    return Network(name="depthwise", input=x, nodes=(layer,))


def separable_network(rng: np.random.Generator, config: EngineConfig, *, blocks: int) -> Network:
    """Blocks of a depthwise layer and a 1x1 convolution, so that the lanes' role changes.

    Channels are as many as an array of ``config`` has inputs, so that all its lanes work.
    """
    x = tensor = Tensor(
        name="x", shape=(3, 4, config.inputs), bits=8, signed=True, zero_point=-5,
    )
    nodes = []
    for block in range(blocks):
        for name, window, groups in (
            (f"depthwise_{block}", Window(kernel=_KERNEL, padding=(1, 1, 1, 1)), config.inputs),
            (f"pointwise_{block}", Window(kernel=(1, 1)), 1),
        ):
            layer = _layer(
                rng, config.weight_format, tensor, name, window=window, groups=groups
            )
            nodes.append(layer)
            tensor = layer.output
    return Network(name="separable", input=x, nodes=tuple(nodes))


def _layer(
    rng: np.random.Generator, fmt: Format, x: Tensor, name: str, *, window: Window, groups: int
) -> Conv2d:
    """A convolution to as many channels, with any weights, constants and zero point."""
    height, width, channels = x.shape
    y = Tensor(
        name=name, shape=(*window.output_size(height, width), channels), bits=8, signed=True,
        zero_point=int(rng.integers(-9, 9)),
    )
    requant = Requant.from_scale(
        rng.uniform(0.01, 0.3, channels), zero_point=y.zero_point, low=-128, high=127
    )
    return Conv2d(
        inputs=(x.name,), output=y, window=window, groups=groups, format=fmt, requant=requant,
        weights=sample_weights(fmt, (channels, *window.kernel, channels // groups), rng),
        bias=rng.integers(-99, 99, channels),
    )

"""Networks with a residual addition, and what an engine makes of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nhot.compiler import Image
from nhot.compiler.geometry import Geometry
from nhot.contract.program import Descriptor, unpack_program
from nhot.formats import parse
from nhot.network import Add, Conv2d, Network, Requant, Tensor, Window
from nhot.network.tensor import Shape
from nhot.testing.engine_networks import sample_weights

__all__ = ["additions", "residual"]


def residual(
    multipliers: Sequence[int], shape: Shape = (5, 4, 6), *, fmt: str = "2hot",
    twice: bool = False, seed: int = 0,
) -> Network:
    """An input of bytes, a 1x1 convolution to signed bytes, and the sum of both; or of one, twice.
    """
    rng = np.random.default_rng(seed)
    channels = shape[2]
    x = Tensor(name="x", shape=shape, bits=8, signed=False, zero_point=3)
    z = Tensor(name="z", shape=shape, bits=8, signed=True, zero_point=-5)
    weights = sample_weights(parse(fmt), (channels, 1, 1, channels), rng)
    scale = np.full(channels, 1 / (8 * parse(fmt).max_level))
    conv = Conv2d(
        inputs=("x",), output=z, weights=weights, bias=rng.integers(-99, 99, channels),
        format=parse(fmt), window=Window(kernel=(1, 1)),
        requant=Requant.from_scale(scale, zero_point=-5, low=-128, high=127),
    )
    total = Add(
        inputs=("z", "z") if twice else ("x", "z"),
        output=Tensor(name="y", shape=shape, bits=8, signed=False, zero_point=7),
        requant=Requant(multiplier=np.array(multipliers), zero_point=7, low=7, high=255),
    )
    return Network(name="residual", input=x, nodes=(conv, total))


def additions(image: Image) -> list[Descriptor]:
    """The layers that take two operands."""
    return [
        step for step in unpack_program(image.program) if Geometry(step, image.config).operands
    ]

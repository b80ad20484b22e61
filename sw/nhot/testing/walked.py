"""Layers that an engine runs in several passes, spelled out, and a check of what they come to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nhot.compiler import EngineConfig, Image, Machine, compile_network
from nhot.compiler.differences import check_contents
from nhot.compiler.meta import LayerMeta
from nhot.formats import parse
from nhot.network import Concat, Conv2d, Network, Node, Requant, Tensor, Window
from nhot.network.reference import run
from nhot.network.requant import SHIFT
from nhot.network.tensor import Shape
from nhot.testing.networks import random_input, random_weights

__all__ = [
    "check", "concat", "CONFIG", "conv", "FORMAT", "network", "ONE", "operators", "requant",
    "tensor", "X",
]

ONE = 1 << SHIFT
CONFIG = EngineConfig(
    accumulator_bits=32, product_bits=64, activation_words=4096, weight_words=16384,
    requant_words=4096, program_words=4096,
)
FORMAT = parse("2hot")
X = Tensor(name="x", shape=(4, 5, 3), zero_point=7)


def check(network: Network, config: EngineConfig = CONFIG) -> tuple[LayerMeta, ...]:
    """Image and machine give the reference's tensors; the layers of the image are returned."""
    image = Image.from_bytes(compile_network(network, config).to_bytes())
    check_contents(network, image)
    inputs = random_input(network.input, 3, 0)
    wanted = run(network, inputs, trace=True)
    machine = Machine(image)
    for i, x in enumerate(inputs):
        outputs = machine.run(x)
        assert network.output.name in outputs or network.output.name == network.input.name
        for name, values in outputs.items():
            np.testing.assert_array_equal(values, wanted[name][i], err_msg=name)
    return image.meta.layers


def tensor(name: str, shape: Shape, zero_point: int = 7, **kind: Any) -> Tensor:
    """A tensor of bytes where nothing else is said."""
    return Tensor(name=name, shape=shape, zero_point=zero_point, **kind)


def requant(
    output: Tensor, multipliers: Sequence[int], low: int | None = None, high: int | None = None
) -> Requant:
    """To the range of ``output`` where no clamp makes it narrower."""
    return Requant(
        multiplier=np.array(multipliers), zero_point=output.zero_point,
        low=output.low if low is None else low, high=output.high if high is None else high,
    )


def conv(
    name: str, source: Tensor, filters: int, *, seed: int = 0, kernel: int = 1,
    low: int | None = None, **kind: Any,
) -> Conv2d:
    """A convolution that keeps height and width."""
    rng = np.random.default_rng(seed)
    output = tensor(name, (*source.shape[:2], filters), **kind)
    pad = kernel // 2
    weights = random_weights(rng, FORMAT, (filters, kernel, kernel, source.shape[2]))
    return Conv2d(
        inputs=(source.name,), output=output, weights=weights, format=FORMAT,
        bias=rng.integers(-500, 500, filters),
        window=Window(kernel=(kernel, kernel), padding=(pad,) * 4),
        requant=requant(output, [ONE // 64] * filters, low),
    )


def concat(
    name: str, sources: Sequence[Tensor], multipliers: Sequence[int] | None = None, *,
    low: int | None = None, high: int | None = None, **kind: Any,
) -> Concat:
    """All channels of ``sources``, as they are where there are no multipliers."""
    channels = sum(source.shape[2] for source in sources)
    output = tensor(name, (*sources[0].shape[:2], channels), **kind)
    return Concat(
        inputs=tuple(source.name for source in sources), output=output,
        requant=requant(output, multipliers or [ONE] * len(sources), low, high),
    )


def network(*nodes: Node, source: Tensor = X, output: str = "") -> Network:
    """These layers on the input ``source``."""
    return Network(name="walks", input=source, nodes=nodes, output_name=output)


def operators(layers: Iterable[LayerMeta]) -> list[str]:
    """What each layer of an image is."""
    return [layer.operator for layer in layers]

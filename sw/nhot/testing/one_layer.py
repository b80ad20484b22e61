"""Networks of one layer, for what an engine can hold: all but the layer has room."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import ArrayLike

from nhot.compiler import EngineConfig, compile_network
from nhot.errors import NhotError
from nhot.formats import Format, parse
from nhot.formats.format import Ints
from nhot.network import AvgPool, Conv2d, Linear, MaxPool, Network, Node, Requant, Tensor, Window
from nhot.network.tensor import Shape

__all__ = ["byte", "dense", "network", "refused", "ROOMY", "window_layer"]

ROOMY = EngineConfig(
    accumulator_bits=32, product_bits=64, activation_words=4096, weight_words=4096,
    requant_words=4096, program_words=1024,
)


def byte(
    name: str, shape: Shape, *, signed: bool = False, bits: int = 8, zero_point: int = 0
) -> Tensor:
    """A tensor, of bytes where nothing else is said."""
    return Tensor(name=name, shape=shape, signed=signed, bits=bits, zero_point=zero_point)


def network(source: Tensor, *nodes: Node) -> Network:
    """These layers, one after the other, on the input ``source``."""
    return Network(name="limits", input=source, nodes=nodes)


def dense(
    source: Tensor, weights: Ints, bias: Ints, scale: ArrayLike, fmt: Format,
    zero_point: int = 0,
) -> Network:
    """A dense layer of weights (filters, inputs), and of one scale or one for each filter."""
    filters = len(weights)
    return network(source, Linear(
        inputs=("x",), output=byte("y", (1, 1, filters), zero_point=zero_point), weights=weights,
        bias=bias, format=fmt, requant=Requant.from_scale(
            np.broadcast_to(scale, filters), zero_point=zero_point, low=0, high=255),
    ))


def window_layer(
    source: Tensor, window: Window, kind: type[Node] = Conv2d, filters: int = 1
) -> Network:
    """A convolution or a pool with such a window over ``source``."""
    out = window.output_size(*source.shape[:2])
    channels = source.shape[2]
    if kind is MaxPool:
        output = replace(source, name="y", shape=(*out, channels))
        return network(source, MaxPool(inputs=("x",), output=output, window=window))
    one = Requant.from_scale([0.5] * filters, zero_point=0, low=0, high=255)
    if kind is AvgPool:
        return network(source, AvgPool(
            inputs=("x",), output=byte("y", (*out, channels)), window=window, requant=one
        ))
    conv = Conv2d(
        inputs=("x",), output=byte("y", (*out, filters)), window=window, requant=one,
        weights=np.ones((filters, *window.kernel, channels), np.int64),
        bias=np.zeros(filters, np.int64), format=parse("2hot"),
    )
    # Another reader of the input: without one the host would lay it out, and what is too much for
    # an engine might be the host's.
    glance = Window(kernel=(1, 1), stride=(255, 255))
    corner = (*glance.output_size(*source.shape[:2]), channels)
    other = MaxPool(inputs=("x",), output=replace(source, name="z", shape=corner), window=glance)
    return replace(network(source, conv, other), output_name="y")


def refused(made: Network, config: EngineConfig, text: str) -> None:
    """The engine must refuse the network in one line that matches ``text``."""
    with pytest.raises(NhotError, match=text) as caught:
        compile_network(made, config)
    assert "\n" not in str(caught.value)

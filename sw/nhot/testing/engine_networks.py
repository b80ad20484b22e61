"""Small networks with every operator an engine runs, from a seed."""

from __future__ import annotations

import numpy as np

from nhot.formats import Format, SignedBinary, parse
from nhot.formats.format import Ints
from nhot.network import (
    Add,
    ArgMax,
    AvgPool,
    Clamp,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Linear,
    MaxPool,
    Network,
    Requant,
    Tensor,
    Upsample,
    Window,
)

__all__ = ["extreme_inputs", "sample_network", "sample_weights"]


def sample_weights(fmt: Format, shape: tuple[int, ...], rng: np.random.Generator) -> Ints:
    """Random weights of a format (filters, ..., channels), its extremes among them."""
    if isinstance(fmt, SignedBinary):
        regions = np.arange(shape[-1]) // (fmt.tile or shape[-1])
        negative = (np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)) + regions) % 2
        return np.asarray((rng.random(shape) < 0.4) * np.where(negative, -1, 1), dtype=np.int64)
    weights = fmt.nearest(rng.normal(0, fmt.max_level / 3, shape))
    extremes = rng.random(shape) < 0.05
    return np.where(extremes, rng.choice([-fmt.max_level, fmt.max_level], shape), weights)


def sample_network(format_name: str, *, seed: int = 0, channels: int = 3, size: int = 6) -> Network:
    """A residual network on ``size x size x channels`` bytes that uses every operator once.

    Stride, padding, a window that does not divide its input, two kinds of zero point, a clamp that
    is fused and one that is not, a concatenation whose parts are written where they belong, and an
    argmax at the end.
    """
    rng = np.random.default_rng(seed)
    fmt = parse(format_name)
    half = (size + 2 - 3) // 2 + 1
    unit = 1 / fmt.max_level

    def requant(count: int, scale: float, **place: int) -> Requant:
        return Requant.from_scale(rng.uniform(0.5, 2, count) * scale * unit, **place)

    def unsigned(name: str, shape: tuple[int, int, int]) -> Tensor:
        return Tensor(name=name, shape=shape, bits=8, signed=False, zero_point=3)

    def signed(name: str, shape: tuple[int, int, int], zero_point: int = -5) -> Tensor:
        return Tensor(name=name, shape=shape, bits=8, signed=True, zero_point=zero_point)

    byte = {"zero_point": 3, "low": 3, "high": 255}
    first = Conv2d(
        inputs=("x",), output=unsigned("conv", (size, size, 6)), format=fmt,
        weights=sample_weights(fmt, (6, 3, 3, channels), rng), bias=rng.integers(-2000, 2000, 6),
        requant=requant(6, 0.5, **byte), window=Window(kernel=(3, 3), padding=(1, 1, 1, 1)),
    )
    second = Conv2d(
        inputs=("conv",), output=unsigned("strided", (half, half, 6)), format=fmt,
        weights=sample_weights(fmt, (6, 3, 3, 6), rng), bias=rng.integers(-2000, 2000, 6),
        requant=requant(6, 0.2, **byte),
        window=Window(kernel=(3, 3), padding=(1, 1, 1, 1), stride=(2, 2)),
    )
    pool = MaxPool(
        inputs=("conv",), output=unsigned("max", (half, half, 6)),
        window=Window(kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1)),
    )
    add = Add(
        inputs=("strided", "max"), output=signed("sum", (half, half, 6)),
        requant=Requant.from_scale([0.37, 0.61], zero_point=-5, low=-128, high=100),
    )
    average = AvgPool(
        inputs=("sum",), output=signed("average", (half - 1, half - 1, 6)),
        window=Window(kernel=(2, 2)),
        requant=Requant.from_scale([0.25], zero_point=-5, low=-128, high=127),
    )
    fused = Clamp(
        inputs=("average",), output=signed("fused", average.output.shape), low=-60, high=60
    )
    clamp = Clamp(inputs=("max",), output=unsigned("clamp", pool.output.shape), low=9, high=200)
    mix = Conv2d(
        inputs=("clamp",), output=signed("mix", average.output.shape), format=fmt,
        weights=sample_weights(fmt, (6, 2, 2, 6), rng), bias=rng.integers(-2000, 2000, 6),
        requant=requant(6, 0.2, zero_point=-5, low=-128, high=127), window=Window(kernel=(2, 2)),
    )
    join = Add(
        inputs=("fused", "mix"), output=signed("join", average.output.shape, 0),
        requant=Requant.from_scale([0.5, 0.75], zero_point=0, low=-128, high=127),
    )
    tall = (2 * (half - 1), half - 1)
    grown = ConvTranspose2d(
        inputs=("join",), output=signed("grown", (*tall, 2)), format=fmt,
        weights=sample_weights(fmt, (2, 2, 1, 6), rng), bias=rng.integers(-2000, 2000, 2),
        requant=requant(2, 0.2, zero_point=-5, low=-128, high=127),
        window=Window(kernel=(2, 1), stride=(2, 1)),
    )
    twice = Upsample(inputs=("mix",), output=signed("twice", (*tall, 6)), factors=(2, 1))
    both = Concat(
        inputs=("grown", "twice"), output=signed("both", (*tall, 8), 0),
        requant=Requant.from_scale([1.0, 0.75], zero_point=0, low=-128, high=127),
    )
    tallest = MaxPool(
        inputs=("both",), output=signed("tallest", (half - 1, half - 1, 8), 0),
        window=Window(kernel=(2, 1), stride=(2, 1)),
    )
    linear = Linear(
        inputs=("tallest",), output=signed("scores", (1, 1, 10), 0), format=fmt,
        weights=sample_weights(fmt, (10, *tallest.output.shape), rng).reshape(10, -1),
        bias=rng.integers(-1000, 1000, 10),
        requant=requant(10, 0.2, zero_point=0, low=-128, high=127),
    )
    answer = ArgMax(inputs=("scores",), output=Tensor(name="answer", shape=(1, 1, 1), bits=16))
    return Network(
        name=f"sample-{format_name}-{seed}", input=unsigned("x", (size, size, channels)),
        nodes=(first, second, pool, add, average, fused, clamp, mix, join, grown, twice,
               both, tallest, linear, answer),
    )


def extreme_inputs(network: Network, *, seed: int = 0) -> Ints:
    """Inputs (4, height, width, channels): random, all low, all high, and only extremes."""
    rng = np.random.default_rng(seed)
    low, high, shape = network.input.low, network.input.high, network.input.shape
    return np.stack([
        rng.integers(low, high + 1, shape),
        np.full(shape, low),
        np.full(shape, high),
        rng.choice([low, high], shape),
    ])

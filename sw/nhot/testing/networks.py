"""Random networks and inputs, for tests and measurements: seeded, small, with every corner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nhot.formats import Format, NHot, SignedBinary
from nhot.formats.format import Ints
from nhot.network.network import Network
from nhot.network.operators import (
    Add,
    ArgMax,
    AvgPool,
    Clamp,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Linear,
    MaxPool,
    Node,
    RoundTerms,
    Upsample,
)
from nhot.network.requant import Requant
from nhot.network.tensor import Shape, Tensor
from nhot.network.window import Window

__all__ = [
    "EVERY_OPERATOR", "OPERATORS", "random_input", "random_network", "random_signs",
    "random_steps", "random_weights",
]

OPERATORS = (
    "conv", "conv", "grouped", "depthwise", "linear", "max", "average", "global", "add", "clamp",
    "transposed", "concat", "upsample",
)
"""What :func:`random_network` draws from: what the engine runs; "argmax" may only come last."""

EVERY_OPERATOR = (*OPERATORS, "round")
"""What the reference runs."""


def random_network(
    seed: int,
    *,
    layers: int = 4,
    shape: Shape = (7, 6, 3),
    formats: Sequence[Format] = (NHot(bits=8, n=2),),
    operators: Sequence[str] = OPERATORS,
    widest: int = 8,
    argmax: bool = False,
    bits: Sequence[int] = (8,),
) -> Network:
    """A network of ``layers`` random layers (and an argmax), the same for the same arguments.

    Kernels, strides, dilation, uneven padding, signs, zero points and clamps vary; tensors have at
    most ``widest`` channels after the input (joined ones twice that), and one of ``bits`` bits.
    Scales are such that outputs use their range.
    """
    builder = _Builder(
        random=np.random.default_rng(seed), formats=formats, widest=widest, bits=bits
    )
    builder.start(shape)
    for _ in range(layers):
        builder.add(str(builder.random.choice(list(operators))))
    if argmax:
        builder.add("argmax")
    tensors = builder.tensors
    return Network(name=f"random{seed}", input=tensors[0], nodes=tuple(builder.nodes))


def random_input(tensor: Tensor, batch: int, seed: int) -> Ints:
    """Integers (batch, height, width, channels); the first images are all lowest, all highest."""
    random = np.random.default_rng(seed)
    x = random.integers(tensor.low, tensor.high + 1, (batch, *tensor.shape), dtype=np.int64)
    for image, value in zip(range(batch - 1), (tensor.low, tensor.high), strict=False):
        x[image] = value
    return x


def random_weights(random: np.random.Generator, fmt: Format, shape: tuple[int, ...]) -> Ints:
    """Levels of ``fmt`` (filters, ..., channels), every one as likely as another.

    Signed-binary has a sign for each filter or region.
    """
    levels = random.choice(fmt.levels, shape)
    if isinstance(fmt, SignedBinary):
        levels = np.abs(levels) * random_signs(random, fmt, shape)
    return np.asarray(levels, dtype=np.int64)


def random_steps(random: np.random.Generator, fmt: Format, shape: tuple[int, ...]) -> Ints:
    """Levels (..., S) of steps of a lane, of one sign in each step if the format has it so."""
    levels = random.choice(fmt.levels, shape)
    if fmt.sign_codes:
        levels = np.abs(levels) * random.choice([-1, 1], (*shape[:-1], 1))
    return np.asarray(levels, dtype=np.int64)


def random_signs(random: np.random.Generator, fmt: SignedBinary, shape: tuple[int, ...]) -> Ints:
    """+1 or -1 for each region of weights (filters, ..., channels). (filters, 1..., channels)"""
    channels = shape[-1]
    tile = fmt.tile or channels
    regions = random.choice([-1, 1], (shape[0], *[1] * (len(shape) - 2), -(-channels // tile)))
    return np.asarray(regions.repeat(tile, axis=-1)[..., :channels], dtype=np.int64)


@dataclass(kw_only=True)
class _Builder:
    random: np.random.Generator
    formats: Sequence[Format]
    widest: int
    bits: Sequence[int]
    nodes: list[Node] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)

    def start(self, shape: Shape) -> None:
        self.tensors.append(self.tensor("input", shape))

    def add(self, operator: str) -> None:
        x = self.tensors[-1]
        name = f"{operator}{len(self.nodes)}"
        make = {
            "conv": self.conv, "grouped": self.conv, "depthwise": self.conv, "linear": self.linear,
            "max": self.max_pool, "average": self.average, "global": self.average,
            "add": self.residual, "clamp": self.clamp, "argmax": self.argmax,
            "transposed": self.transposed, "concat": self.concat, "upsample": self.upsample,
            "round": self.round_terms,
        }[operator]
        node = make(name, x, operator)
        self.nodes.append(node)
        self.tensors.append(node.output)

    def conv(self, name: str, x: Tensor, operator: str) -> Node:
        channels = x.shape[2]
        groups = {"conv": 1, "grouped": self.divisor(channels), "depthwise": channels}[operator]
        filters = groups * int(self.random.integers(1, max(1, self.widest // groups) + 1))
        window = self.window(x, 3)
        weights, fmt = self.weights((filters, *window.kernel, channels // groups))
        output = self.tensor(name, (*window.output_size(*x.shape[:2]), filters))
        return Conv2d(
            inputs=(x.name,), output=output, weights=weights, window=window, groups=groups,
            format=fmt, **self.filters(x, weights, output),
        )

    def linear(self, name: str, x: Tensor, _: str) -> Node:
        filters = int(self.random.integers(1, self.widest + 1))
        weights, fmt = self.weights((filters, *x.shape))
        weights = weights.reshape(filters, -1)
        output = self.tensor(name, (1, 1, filters))
        return Linear(
            inputs=(x.name,), output=output, weights=weights, format=fmt,
            **self.filters(x, weights, output),
        )

    def max_pool(self, name: str, x: Tensor, _: str) -> Node:
        window = self.window(x, 3)
        while not window.sees_input(*x.shape[:2]):
            window = self.window(x, 3)
        shape = (*window.output_size(*x.shape[:2]), x.shape[2])
        return MaxPool(inputs=(x.name,), output=self.like(name, x, shape), window=window)

    def average(self, name: str, x: Tensor, operator: str) -> Node:
        window = Window(kernel=x.shape[:2]) if operator == "global" else self.window(x, 3)
        output = self.tensor(name, (*window.output_size(*x.shape[:2]), x.shape[2]))
        scale = np.array([self.random.uniform(0.5, 2) / window.taps])
        return AvgPool(
            inputs=(x.name,), output=output, window=window, requant=self.requant(scale, output)
        )

    def residual(self, name: str, x: Tensor, _: str) -> Node:
        partners = [tensor for tensor in self.tensors if tensor.shape == x.shape]
        other = partners[int(self.random.integers(len(partners)))]
        output = self.tensor(name, x.shape)
        scale = self.random.uniform(0.2, 1.2, 2)
        return Add(
            inputs=(other.name, x.name), output=output, requant=self.requant(scale, output)
        )

    def transposed(self, name: str, x: Tensor, _: str) -> Node:
        channels = x.shape[2]
        groups = self.divisor(channels)
        filters = groups * int(self.random.integers(1, max(1, self.widest // groups) + 1))
        window = Window(
            kernel=self.pair(1, 3), stride=self.pair(1, 3), dilation=self.pair(1, 2)
        )
        extra = (self.below(window.stride[0]), self.below(window.stride[1]))
        # Padding, at most as much as leaves a row and a column.
        spare = [min(4, (size + 1) // 2) for size in window.transposed_size(*x.shape[:2])]
        top, left, bottom, right = (self.below(spare[axis]) for axis in (0, 1, 0, 1))
        window = replace(window, padding=(top, left, bottom, right))
        weights, fmt = self.weights((filters, *window.kernel, channels // groups))
        output = self.tensor(name, (*window.transposed_size(*x.shape[:2], extra), filters))
        return ConvTranspose2d(
            inputs=(x.name,), output=output, weights=weights, format=fmt, window=window,
            groups=groups, output_padding=extra, **self.filters(x, weights, output),
        )

    def upsample(self, name: str, x: Tensor, _: str) -> Node:
        # Up to three times, while the map is small.
        y, z = (1 + self.below(max(1, min(3, 16 // size))) for size in x.shape[:2])
        shape = (x.shape[0] * y, x.shape[1] * z, x.shape[2])
        return Upsample(inputs=(x.name,), output=self.like(name, x, shape), factors=(y, z))

    def concat(self, name: str, x: Tensor, _: str) -> Node:
        partners = [tensor for tensor in self.tensors if tensor.shape[:2] == x.shape[:2]]
        operands = [x]
        for choice in self.random.integers(len(partners), size=self.random.integers(1, 4)):
            if sum(t.shape[2] for t in (*operands, partners[choice])) <= 2 * self.widest:
                operands.insert(int(self.random.integers(2)), partners[choice])
        if len(operands) == 1:
            operands.append(min(partners, key=lambda tensor: tensor.shape[2]))
        channels = sum(operand.shape[2] for operand in operands)
        output = self.tensor(name, (*x.shape[:2], channels))
        scale = self.random.uniform(0.4, 1.5, len(operands))
        return Concat(
            inputs=tuple(operand.name for operand in operands), output=output,
            requant=self.requant(scale, output),
        )

    def clamp(self, name: str, x: Tensor, _: str) -> Node:
        low, high = sorted(self.random.integers(x.low, x.high + 1, 2).tolist())
        return Clamp(inputs=(x.name,), output=self.like(name, x, x.shape), low=low, high=high)

    def round_terms(self, name: str, x: Tensor, _: str) -> Node:
        output = self.like(name, x, x.shape)
        return RoundTerms(inputs=(x.name,), output=output, n=int(self.random.integers(1, 4)))

    def argmax(self, name: str, x: Tensor, _: str) -> Node:
        output = Tensor(name=name, shape=(*x.shape[:2], 1), bits=16)
        return ArgMax(inputs=(x.name,), output=output)

    def weights(self, shape: tuple[int, ...]) -> tuple[Ints, Format]:
        fmt = self.formats[int(self.random.integers(len(self.formats)))]
        return random_weights(self.random, fmt, shape), fmt

    def filters(self, x: Tensor, weights: Ints, output: Tensor) -> dict[str, Any]:
        """Bias and requantisation: outputs of unit-normal sums fill about half the range."""
        flat = weights.reshape(len(weights), -1)
        spread = np.maximum(np.sqrt((flat**2).sum(axis=1)), 1) * 2**x.bits / 3.5
        scale = self.random.uniform(0.3, 1, len(flat)) * 2**output.bits / 2 / spread
        offset = np.rint(self.random.normal(0, 1, len(flat)) * spread).astype(np.int64)
        bias = offset - x.zero_point * flat.sum(axis=1)
        return {"bias": bias, "requant": self.requant(scale, output)}

    def requant(self, scale: np.ndarray[Any, Any], output: Tensor) -> Requant:
        low, high = output.low, output.high
        match self.random.integers(3):
            case 0:
                low = output.zero_point  # a ReLU
            case 1:
                low, high = sorted(self.random.integers(low, high + 1, 2).tolist())
        return Requant.from_scale(
            np.clip(scale, 2.0**-18, 2.0**7 - 1), zero_point=output.zero_point, low=low, high=high
        )

    def window(self, x: Tensor, largest: int) -> Window:
        """A window that fits ``x``."""
        while True:
            window = Window(
                kernel=self.pair(1, largest), stride=self.pair(1, 2), dilation=self.pair(1, 2),
                padding=tuple(self.random.integers(0, 3, 4).tolist()),
            )
            padded = (
                x.shape[0] + window.padding[0] + window.padding[2],
                x.shape[1] + window.padding[1] + window.padding[3],
            )
            if padded[0] >= window.span[0] and padded[1] >= window.span[1]:
                return window

    def pair(self, low: int, high: int) -> tuple[int, int]:
        a, b = self.random.integers(low, high + 1, 2).tolist()
        return a, b

    def below(self, number: int) -> int:
        return int(self.random.integers(number))

    def divisor(self, number: int) -> int:
        divisors = [d for d in range(1, number + 1) if number % d == 0]
        return int(self.random.choice(divisors))

    def tensor(self, name: str, shape: Shape) -> Tensor:
        signed = bool(self.random.integers(2))
        bits = int(self.random.choice(list(self.bits)))
        low = -(1 << (bits - 1)) if signed else 0
        return Tensor(
            name=name, shape=shape, bits=bits, signed=signed,
            zero_point=low + int(self.random.integers(1 << bits)),
            scale=math.exp(self.random.normal(-3, 1)),
        )

    def like(self, name: str, x: Tensor, shape: Shape) -> Tensor:
        return Tensor(
            name=name, shape=shape, bits=x.bits, signed=x.signed, scale=x.scale,
            zero_point=x.zero_point,
        )

"""Hypothesis strategies for what the rest of the project works on.

Values lean towards extremes: the ends of a range, zero, the zero point, all inputs alike. Networks
are small and valid, so that a test runs many; whether an engine can hold one is for the compiler to
say (``assume`` it away or test the refusal).
"""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from nhot.contract.config import LANES, EngineConfig
from nhot.formats import Format, NHot, SignedBinary, Table, Uniform, parse
from nhot.formats.format import Ints
from nhot.network import (
    Add,
    ArgMax,
    AvgPool,
    Clamp,
    Conv2d,
    Linear,
    MaxPool,
    Network,
    Node,
    Requant,
    Tensor,
    Window,
)
from nhot.testing.networks import random_signs

__all__ = [
    "activations", "engine_configs", "formats", "levels", "networks", "tables", "tensors",
    "windows",
]

COMMON_FORMATS = (
    "1hot", "2hot", "3hot", "ternary", "signed-binary", "signed-binary/8", "int8", "int4",
)


def formats() -> st.SearchStrategy[Format]:
    """The formats that have names people type, any other n-hot or uniform one, and tables."""
    return st.one_of(
        st.sampled_from(COMMON_FORMATS).map(parse),
        st.integers(2, 10).flatmap(
            lambda bits: st.builds(NHot, bits=st.just(bits), n=st.integers(1, min(bits, 4)))
        ),
        st.builds(Uniform, bits=st.integers(2, 8)),
        tables(),
    )


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Any table of 2-hot or 3-hot."""
    of = NHot(bits=8, n=draw(st.integers(2, 3)))
    size = draw(st.sampled_from([3, 7, 15]))
    positive = st.sampled_from([int(level) for level in of.levels if level > 0])
    chosen = draw(st.lists(positive, min_size=size, max_size=size, unique=True))
    return Table(of=of, magnitudes=(0, *sorted(chosen)))


@st.composite
def levels(draw: st.DrawFn, fmt: Format, shape: tuple[int, ...]) -> Ints:
    """Weights (filters, ..., channels) of ``fmt``: dense, sparse, or all at one end. int64"""
    rng = _generator(draw)
    kind = draw(st.sampled_from(["any", "sparse", "largest", "smallest"]))
    if kind in {"any", "sparse"}:
        values = rng.choice(fmt.levels, size=shape)
        if kind == "sparse":
            values = np.where(rng.random(shape) < 0.7, 0, values)
    else:
        values = np.full(shape, fmt.levels[-1 if kind == "largest" else 0])
    if isinstance(fmt, SignedBinary):
        values = np.abs(values) * random_signs(rng, fmt, shape)
    return np.asarray(values, np.int64)


@st.composite
def activations(draw: st.DrawFn, tensor: Tensor, *, batch: int = 1) -> Ints:
    """Values of ``tensor``: random, some or all at the ends of its range or at its zero point.

    (batch, height, width, channels) int64
    """
    rng = _generator(draw)
    shape = (batch, *tensor.shape)
    special = np.array([tensor.low, tensor.high, tensor.zero_point])
    kind = draw(st.sampled_from(["any", "some special", "special", "low", "high", "zero"]))
    if kind in {"low", "high", "zero"}:
        return np.full(shape, special[["low", "high", "zero"].index(kind)], np.int64)
    values = rng.integers(tensor.low, tensor.high + 1, shape)
    chance = {"any": 0.0, "some special": 0.3, "special": 1.0}[kind]
    return np.where(rng.random(shape) < chance, rng.choice(special, size=shape), values)


@st.composite
def tensors(
    draw: st.DrawFn, *, name: str = "x", shape: tuple[int, int, int] | None = None, size: int = 6,
    channels: int = 9,
) -> Tensor:
    """A tensor of ``shape``, or of at most ``size`` by ``size`` by ``channels``; 4 to 8 bits."""
    if shape is None:
        edge = st.integers(1, size)
        shape = (draw(edge), draw(edge), draw(st.integers(1, channels)))
    bits, signed = draw(st.sampled_from([8, 8, 8, 7, 4])), draw(st.booleans())
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    zero_point = draw(st.one_of(st.just(0), st.integers(low, high)))
    return Tensor(name=name, shape=shape, bits=bits, signed=signed, zero_point=zero_point)


@st.composite
def windows(draw: st.DrawFn, height: int, width: int, *, pad: bool = True) -> Window:
    """A window that fits a tensor, padding smaller than the kernel."""
    padding = [0, 0, 0, 0]
    kernel, stride, dilation = [], [], []
    for axis, size in enumerate((height, width)):
        taps = draw(st.integers(1, min(3, size)))
        spread = draw(st.integers(1, 2)) if (taps - 1) * 2 < size else 1
        kernel.append(taps)
        dilation.append(spread)
        stride.append(draw(st.integers(1, 2)))
        if pad:
            for side in (axis, axis + 2):
                padding[side] = draw(st.integers(0, taps - 1))
    top, left, bottom, right = padding
    return Window(
        kernel=(kernel[0], kernel[1]), stride=(stride[0], stride[1]),
        dilation=(dilation[0], dilation[1]), padding=(top, left, bottom, right),
    )


@st.composite
def engine_configs(draw: st.DrawFn, *, fmt: str | None = None) -> EngineConfig:
    """A small engine whose sizes divide one another as they must, wide and deep enough."""
    inputs, filters = draw(st.sampled_from([(2, 2), (2, 4), (4, 2), (4, 4), (4, 8), (8, 4)]))
    name = fmt or draw(st.sampled_from(COMMON_FORMATS))
    styles = [style for style, (kinds, _) in LANES.items() if isinstance(parse(name), kinds)]
    return EngineConfig(
        pixels=draw(st.integers(1, 3)), filters=filters, inputs=inputs,
        requantisers=draw(st.sampled_from([1, 2])),
        requant_terms=draw(st.sampled_from([1, 2, 4])), format=name,
        lane=draw(st.sampled_from(styles)),
        activation_words=4096, weight_words=4096, requant_words=512,
    )


@st.composite
def networks(
    draw: st.DrawFn, *, fmt: Format | None = None, layers: int = 4, size: int = 6, channels: int = 9
) -> Network:
    """Convolutions, pools, additions and clamps in a chain; then perhaps a dense layer, an argmax.

    Parameters
    ----------
    fmt : Format
        Of all weights; any if it is not given.
    layers : int
        Most layers of the chain.
    size, channels : int
        Bounds of all tensors.
    """
    step = _Step(draw=draw, fmt=fmt or draw(formats()), channels=channels)
    step.add(first := draw(tensors(name="input", size=size, channels=channels)))
    makers = [_convolution, _convolution, _max_pool, _avg_pool, _add, _clamp]
    nodes: list[Node] = []
    for number in range(draw(st.integers(1, layers))):
        nodes.append(draw(st.sampled_from(makers))(step, f"layer{number}"))
        step.add(nodes[-1].output)
    if draw(st.booleans()):
        nodes.append(_linear(step, "dense"))
        step.add(nodes[-1].output)
    if draw(st.booleans()):
        output = Tensor(name="argmax", shape=(*step.x.shape[:2], 1), bits=16)
        nodes.append(ArgMax(inputs=(step.x.name,), output=output))
    return Network(name="random", input=first, nodes=tuple(nodes))


@dataclass(kw_only=True)
class _Step:
    """What the next layer may build on."""

    draw: st.DrawFn
    fmt: Format
    channels: int
    seen: list[Tensor] = field(default_factory=list)

    @property
    def x(self) -> Tensor:
        return self.seen[-1]

    def add(self, tensor: Tensor) -> None:
        self.seen.append(tensor)


def _convolution(step: _Step, name: str) -> Node:
    draw, x = step.draw, step.x
    height, width, depth = x.shape
    window = draw(windows(height, width))
    groups = draw(st.sampled_from([1, 1, depth]))
    filters = groups * draw(st.integers(1, max(1, step.channels // groups)))
    weights = draw(levels(step.fmt, (filters, *window.kernel, depth // groups)))
    output = draw(tensors(name=name, shape=(*window.output_size(height, width), filters)))
    return Conv2d(
        inputs=(x.name,), output=output, weights=weights, bias=draw(_biases(weights, x)),
        format=step.fmt, requant=draw(_requants(output, weights, x)), window=window,
        groups=groups,
    )


def _linear(step: _Step, name: str) -> Node:
    draw, x = step.draw, step.x
    filters = draw(st.integers(1, step.channels))
    weights = draw(levels(step.fmt, (filters, *x.shape))).reshape(filters, -1)
    output = draw(tensors(name=name, shape=(1, 1, filters)))
    return Linear(
        inputs=(x.name,), output=output, weights=weights, bias=draw(_biases(weights, x)),
        format=step.fmt, requant=draw(_requants(output, weights, x)),
    )


def _max_pool(step: _Step, name: str) -> Node:
    x = step.x
    height, width, depth = x.shape
    window = step.draw(windows(height, width))
    if not window.sees_input(height, width):
        window = Window(kernel=window.kernel)
    output = _like(x, name, (*window.output_size(height, width), depth))
    return MaxPool(inputs=(x.name,), output=output, window=window)


def _avg_pool(step: _Step, name: str) -> Node:
    draw, x = step.draw, step.x
    height, width, depth = x.shape
    window = draw(st.one_of(windows(height, width), st.just(Window(kernel=(height, width)))))
    output = draw(tensors(name=name, shape=(*window.output_size(height, width), depth)))
    requant = draw(_requants(output, np.ones((1, window.taps), np.int64), x))
    return AvgPool(inputs=(x.name,), output=output, window=window, requant=requant)


def _add(step: _Step, name: str) -> Node:
    draw, x = step.draw, step.x
    other = draw(st.sampled_from([tensor for tensor in step.seen if tensor.shape == x.shape]))
    output = draw(tensors(name=name, shape=x.shape))
    requant = draw(_requants(output, np.ones((2, 2), np.int64), x))
    return Add(inputs=(x.name, other.name), output=output, requant=requant)


def _clamp(step: _Step, name: str) -> Node:
    x = step.x
    ends = st.integers(x.low, x.high)
    low, high = sorted([step.draw(ends), step.draw(ends)])
    return Clamp(inputs=(x.name,), output=_like(x, name, x.shape), low=low, high=high)


def _like(x: Tensor, name: str, shape: tuple[int, int, int]) -> Tensor:
    return Tensor(
        name=name, shape=shape, bits=x.bits, signed=x.signed, scale=x.scale,
        zero_point=x.zero_point,
    )


@st.composite
def _biases(draw: st.DrawFn, weights: Ints, x: Tensor) -> Ints:
    """The zero point's share, and on top nothing, something, or as much as the sums."""
    flat = weights.reshape(len(weights), -1)
    room = draw(st.sampled_from([0, 100, int(np.abs(flat).sum(axis=1).max()) * x.high]))
    extra = _generator(draw).integers(-room, room + 1, len(flat))
    shares: Ints = x.zero_point * flat.sum(axis=1)
    return extra - shares


@st.composite
def _requants(draw: st.DrawFn, output: Tensor, weights: Ints, x: Tensor) -> Requant:
    """Scales that spread the sums over the output's range, or saturate most of them."""
    flat = np.abs(weights.reshape(len(weights), -1)).sum(axis=1)
    sums = np.maximum(flat, 1) * (x.high - x.low)
    spread = draw(st.sampled_from([0.5, 1.0, 4.0, 20.0]))
    uneven = _generator(draw).uniform(0.5, 2, len(sums))
    scales = (output.high - output.low) / sums * spread * uneven
    low, high = output.low, output.high
    if draw(st.booleans()):  # a fused ReLU
        low = output.zero_point
    return Requant.from_scale(
        np.clip(scales, 2.0**-18, 2.0**6), zero_point=output.zero_point, low=low, high=high,
        terms=draw(st.integers(1, 4)),
    )


def _generator(draw: st.DrawFn) -> np.random.Generator:
    # Bulk values come from a seed: drawn one by one they would exhaust Hypothesis's buffer.
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))

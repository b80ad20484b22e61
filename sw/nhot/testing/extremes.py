"""Networks and engines at the limits of the descriptor, from a seed.

Each case has one or two layers in which one number of one axis (kernel, stride, dilation, padding
on one side, size), the channels or the filters are at the most that an engine takes, or one beyond.
The engine is the smallest that holds the network: depths that are no powers of two, sums and
products that just fit, inputs that reach their ends. Cases are short, since a simulator runs them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.fit import fit
from nhot.contract.config import LANES, SIZES
from nhot.contract.cycles import program_cycles
from nhot.contract.program import unpack_program
from nhot.errors import NhotError
from nhot.formats import SignedBinary, parse
from nhot.formats.format import Ints
from nhot.network import (
    Add,
    ArgMax,
    AvgPool,
    Conv2d,
    Filters,
    Linear,
    MaxPool,
    Network,
    Node,
    Tensor,
    Window,
)
from nhot.testing.draw import Draw
from nhot.testing.several import several

__all__ = ["Case", "extreme_case"]

MOST_CYCLES = 800
_FORMATS = (
    "1hot", "2hot", "3hot", "ternary", "signed-binary", "signed-binary/{region}", "int8", "int4",
    "2hot@6",
)
_ARRAYS = ((1, 1), (1, 2), (2, 1), (2, 2), (1, 4), (4, 2), (3, 3), (2, 6), (4, 4), (8, 2), (9, 9))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network, the engine that is to run it, and inputs (batch, height, width, channels)."""

    seed: int
    network: Network
    config: EngineConfig
    inputs: Ints


def extreme_case(seed: int) -> Case:
    """The case of a seed: always the same."""
    rng = np.random.default_rng(seed)
    while True:
        base = _array(rng)
        network = _Draw(rng, base).network(f"extreme{seed}")
        config = _engine(rng, network, base)
        cost = _cycles(network, config)
        if cost is None or (cost * config.macs <= MOST_CYCLES * 16 and cost <= MOST_CYCLES):
            return Case(
                seed=seed, network=network, config=config, inputs=_inputs(rng, network)
            )


def _array(rng: np.random.Generator) -> EngineConfig:
    """T x P x S, R and lanes of any kind; few lanes, or many pixels of one."""
    filters, inputs = _ARRAYS[rng.integers(len(_ARRAYS))]
    pixels = int(rng.choice([1, 1, 1, 2, 3, 5, 64 if filters * inputs == 1 else 8]))
    name = str(rng.choice(_FORMATS)).format(region=inputs * int(rng.integers(1, 3)))
    shared = [r for r in range(1, 5) if filters % r == 0 and inputs % r == 0]
    styles = [style for style, (kinds, _) in LANES.items() if isinstance(parse(name), kinds)]
    lane = styles[rng.integers(len(styles))]
    return EngineConfig(
        pixels=pixels, filters=filters, inputs=inputs, format=name,
        requantisers=int(rng.choice(shared)), requant_terms=int(rng.choice([1, 2, 4])),
        lane=lane, depthwise=(filters, inputs) == (9, 9) and lane != "serial",
    )


def _engine(rng: np.random.Generator, network: Network, base: EngineConfig) -> EngineConfig:
    """The smallest engine, now and then with one size larger, or smaller by one than it may be."""
    try:
        config = fit(network, base)
    except NhotError:
        return base
    sizes = ["accumulator_bits", "product_bits", *(n for n in SIZES if n.endswith("_words"))]
    size = str(rng.choice(sizes))
    low, high = SIZES[size]
    have = getattr(config, size)
    kind = rng.integers(4)
    if kind == 0:
        return replace(config, **{size: min(high, 2 * have)})
    if kind == 1:
        return replace(config, **{size: max(low, have - 1)})
    return config


def _cycles(network: Network, config: EngineConfig) -> int | None:
    """Of a run; None where the compiler refuses."""
    try:
        image = compile_network(network, config)
    except NhotError:
        return None
    return sum(program_cycles(unpack_program(image.program), config))


def _inputs(rng: np.random.Generator, network: Network) -> Ints:
    """Both ends everywhere, ends at random, and what drives a filter's sum to an end."""
    low, high, shape = network.input.low, network.input.high, network.input.shape
    batch = [np.full(shape, low), np.full(shape, high), rng.choice([low, high], shape)]
    node = network.nodes[0]
    if isinstance(node, Filters) and node.weights[0].size == network.input.size:
        weights = node.weights[rng.integers(node.filters)].reshape(shape)
        batch[:2] = [np.where(weights > 0, high, low), np.where(weights > 0, low, high)]
    return np.stack(batch)


@dataclass
class _Axis:
    """One axis of a window, and the size of its input."""

    size: int
    kernel: int = 1
    stride: int = 1
    dilation: int = 1
    before: int = 0
    after: int = 0


@dataclass(frozen=True)
class _Draw(Draw):
    def network(self, name: str) -> Network:
        """One layer at a limit, perhaps an addition with its input behind it."""
        makers: list[Callable[[], Network]] = [
            self._window, self._window, self._window, self._filters, self._channels, self._sums,
            self._several, self._several,
        ]
        made = makers[self.rng.integers(len(makers))]()
        return replace(made, name=name)

    def _window(self) -> Network:
        """A convolution or a pool with an extreme window."""
        while True:
            y, x = self._axis(0.3), self._axis(0.9)
            window = Window(
                kernel=(y.kernel, x.kernel), stride=(y.stride, x.stride),
                dilation=(y.dilation, x.dilation), padding=(y.before, x.before, y.after, x.after),
            )
            channels = self.int(1, 2 * self.config.inputs)
            source = self.tensor("x", (y.size, x.size, channels))
            try:
                out = window.output_size(y.size, x.size)
            except NhotError:
                continue
            if window.taps * out[0] * out[1] > 1000 or source.size > 20_000:
                continue
            kind = self.rng.integers(4)
            if kind == 0 and window.sees_input(y.size, x.size):
                output = replace(source, name="y", shape=(*out, channels))
                return self._network(
                    source, MaxPool(inputs=("x",), output=output, window=window)
                )
            if kind == 1:
                output = self.tensor("y", (*out, channels))
                requant = self.requant(1, output)
                pool = AvgPool(inputs=("x",), output=output, window=window, requant=requant)
                return self._network(source, pool)
            divisors = [n for n in range(1, channels + 1) if channels % n == 0]
            groups = int(self.rng.choice([1, *divisors]))
            filters = groups * self.int(1, max(1, 2 * self.config.filters // groups))
            shape = (filters, *window.kernel, channels // groups)
            node = self._convolution(source, shape, window, out, groups)
            others = [_glance(source)] if self.rng.random() < 0.5 else []
            return self._network(source, node, *others)

    def _axis(self, chance: float) -> _Axis:
        """With a chance one number at its limit or beyond; the rest small."""
        axis = _Axis(
            size=self.int(1, 5), kernel=self.int(1, 3), stride=self.int(1, 3),
            dilation=self.int(1, 2), before=self.int(0, 2), after=self.int(0, 2),
        )
        if self.rng.random() > chance:
            return axis
        near = int(self.rng.choice([128, 254, 255, 255, 255, 256]))
        match self.rng.integers(7):
            case 0:
                axis.kernel, axis.dilation, axis.size = near + 1, 1, near + self.int(0, 4)
            case 1:
                axis.stride, axis.size = near, self.int(1, 4) * near + self.int(0, 2)
            case 2:
                axis.dilation = near
                axis.size = self.int(1, 2 * near + 5)
            case 3:
                axis.before, axis.stride = near, self.int(20, 255)
            case 4:
                axis.after, axis.stride = near, self.int(20, 255)
            case 5:  # far behind the input, about where positions of few bits would wrap
                axis.after = (1 << self.int(9, 13)) + self.int(-2, 2)
                axis.stride = self.int(max(1, axis.after // 40), 255)
            case _:
                axis.size = (1 << self.int(7, 12)) + self.int(-2, 2)
                axis.stride = self.int(min(255, axis.size // 20), 255)
        return axis

    def _filters(self) -> Network:
        """So many filters that their tiles are at a power of two, of few positions."""
        tiles = (1 << self.int(5, 8)) + self.int(-1, 1)
        filters = tiles * self.config.filters - self.int(0, self.config.filters - 1)
        source = self.tensor("x", (1, self.int(1, 2), self.int(1, 3)))
        weights = self.weights((filters, *source.shape)).reshape(filters, -1)
        output = self.tensor("y", (1, 1, filters))
        return self._network(source, Linear(
            inputs=("x",), output=output, weights=weights, format=self.format, bias=self.bias(
                source, weights), requant=self.requant(filters, output),
        ))

    def _channels(self) -> Network:
        """The largest of many channels, with many alike."""
        most = min(65536, 600 * self.config.inputs)
        channels = min(most, max(1, (1 << self.int(2, 16)) + self.int(-2, 1)))
        source = self.tensor("x", (1, self.int(1, 2), channels))
        output = Tensor(name="y", shape=(*source.shape[:2], 1), bits=16)
        return Network(
            name="x", input=source, nodes=(ArgMax(inputs=("x",), output=output),)
        )

    def _sums(self) -> Network:
        """A dense layer whose weights are all at their ends, so that its sums are as well."""
        shape = (1, self.int(1, 6), self.int(1, 3 * self.config.inputs))
        source = self.tensor("x", shape)
        filters = self.int(1, 5)
        fmt = self.format
        weights = np.full((filters, source.size), fmt.levels[-1], np.int64)
        if self.rng.random() < 0.7:
            weights = weights * self.rng.choice([-1, 1], (filters, 1))
        if isinstance(fmt, SignedBinary):
            weights = self.weights((filters, *shape)).reshape(filters, -1)
        output = self.tensor("y", (1, 1, filters))
        return self._network(source, Linear(
            inputs=("x",), output=output, weights=weights, format=fmt,
            bias=self.bias(source, weights), requant=self.requant(filters, output),
        ))

    def _several(self) -> Network:
        """A layer that takes several walks, or is written into another's place."""
        return self._network(*several(self))

    def _network(self, source: Tensor, *layers: Node) -> Network:
        """Of layers, one of them "y"."""
        nodes = list(layers)
        if self.rng.random() < 0.4:  # reads the layer twice, so that all of its places are used
            (shape,) = (node.output.shape for node in nodes if node.name == "y")
            output = self.tensor("sum", shape)
            nodes.append(Add(inputs=("y", "y"), output=output, requant=self.requant(2, output)))
        return Network(
            name="x", input=source, nodes=tuple(nodes),
            output_name=str(self.rng.choice([node.name for node in nodes])),
        )

    def _convolution(
        self, source: Tensor, shape: tuple[int, ...], window: Window, out: tuple[int, int],
        groups: int,
    ) -> Node:
        weights = self.weights(shape)
        output = self.tensor("y", (*out, shape[0]))
        return Conv2d(
            inputs=("x",), output=output, weights=weights, format=self.format, window=window,
            bias=self.bias(source, weights), requant=self.requant(shape[0], output),
            groups=groups,
        )


def _glance(source: Tensor) -> Node:
    """Another reader of the input, few of whose pixels it takes: so the input stays as it is."""
    window = Window(kernel=(1, 1), stride=(255, 255))
    shape = (*window.output_size(*source.shape[:2]), source.shape[2])
    output = replace(source, name="z", shape=shape)
    return MaxPool(inputs=("x",), output=output, window=window)

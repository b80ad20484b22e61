"""The four networks of MLPerf Tiny as integers, untrained: for what depends on shapes alone.

Memory and cycles do, but for multipliers of a trained network that happen to be shorter, so that
engines are compared by these without training and without torch. Shapes are those of the
catalogue's models; weights are drawn.

Source: Banbury et al., "MLPerf Tiny Benchmark", arXiv 2106.07597.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nhot.formats import SignedBinary, parse
from nhot.formats.format import Ints
from nhot.network import Add, AvgPool, Conv2d, Linear, Network, Node, Requant, Tensor, Window

__all__ = ["TINY", "tiny_network"]

_SCALE = 1 / 300  # of a requantisation: any will do that has many terms


def tiny_network(name: str, format_name: str, *, terms: int = 2) -> Network:
    """The network called ``name``, a key of :data:`TINY`.

    Parameters
    ----------
    format_name : str
        Of its weights.
    terms : int
        Most signed powers of two of a multiplier that requantises.
    """
    shape, layers = TINY[name]
    builder = _Builder(name, shape, format_name, terms)
    layers(builder)
    return Network(name=name, input=builder.input, nodes=tuple(builder.nodes))


class _Builder:
    """Adds layers, each to the one before it unless another is named."""

    def __init__(self, name: str, shape: tuple[int, int, int], format_name: str, terms: int):
        self.format = parse(format_name)
        self.terms = terms
        self.random = np.random.default_rng(0)
        self.input = self.last = Tensor(name="input", shape=shape, bits=8)
        self.nodes: list[Node] = []

    def conv(
        self, filters: int, kernel: tuple[int, int] = (1, 1), stride: int = 1,
        padding: tuple[int, int, int, int] = (0, 0, 0, 0), groups: int = 1, x: Tensor | None = None,
    ) -> None:
        """A convolution with ReLU; a depthwise one has as many groups as filters."""
        x = self.last if x is None else x
        window = Window(kernel=kernel, stride=(stride, stride), padding=padding)
        shape = (*window.output_size(*x.shape[:2]), filters)
        weights = self._weights((filters, *kernel, x.shape[2] // groups))
        self._add(Conv2d, (x,), shape, groups=groups, window=window, **self._filters(weights))

    def dense(self, filters: int) -> None:
        """A dense layer with ReLU."""
        weights = self._weights((filters, self.last.size))
        self._add(Linear, (self.last,), (1, 1, filters), **self._filters(weights))

    def mean(self) -> None:
        """Over all pixels."""
        height, width, channels = self.last.shape
        self._add(AvgPool, (self.last,), (1, 1, channels), requant=self._requant(1),
                  window=Window(kernel=(height, width)))

    def add(self, other: Tensor) -> None:
        """The sum of the last tensor and another."""
        self._add(Add, (self.last, other), other.shape, requant=self._requant(2))

    def _add(
        self, kind: type[Node], inputs: tuple[Tensor, ...], shape: tuple[int, int, int],
        **fields: Any,
    ) -> None:
        self.last = Tensor(name=f"layer{len(self.nodes)}", shape=shape, bits=8)
        names = tuple(x.name for x in inputs)
        self.nodes.append(kind(inputs=names, output=self.last, **fields))

    def _filters(self, weights: Ints) -> dict[str, Any]:
        count = len(weights)
        return {"weights": weights, "bias": np.zeros(count, np.int64), "format": self.format,
                "requant": self._requant(count)}

    def _requant(self, count: int) -> Requant:
        return Requant.from_scale([_SCALE] * count, zero_point=0, low=0, high=255,
                                  terms=self.terms)

    def _weights(self, shape: tuple[int, ...]) -> Ints:
        if isinstance(self.format, SignedBinary):
            signs = (-1) ** np.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1))
            return (self.random.random(shape) < 0.35) * signs
        return self.format.nearest(self.random.normal(0, self.format.max_level / 4, shape))


_SAME = (1, 1, 1, 1)


def _resnet8(net: _Builder) -> None:
    net.conv(16, (3, 3), padding=_SAME)
    for filters, stride in ((16, 1), (32, 2), (64, 2)):
        before = net.last
        if stride > 1:
            net.conv(filters, stride=stride)
        shortcut = net.last
        net.conv(filters, (3, 3), stride, _SAME, x=before)
        net.conv(filters, (3, 3), padding=_SAME)
        net.add(shortcut)
    net.mean()
    net.dense(10)


def _ds_cnn(net: _Builder) -> None:
    net.conv(64, (10, 4), 2, (5, 1, 5, 1))
    for _ in range(4):
        _separable(net, 64)
    net.mean()
    net.dense(12)


def _mobilenet(net: _Builder) -> None:
    """At a quarter of its width."""
    net.conv(8, (3, 3), 2, _SAME)
    for filters, stride in ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2),
                            *[(128, 1)] * 5, (256, 2), (256, 1)):
        _separable(net, filters, stride)
    net.mean()
    net.dense(2)


def _separable(net: _Builder, filters: int, stride: int = 1) -> None:
    channels = net.last.shape[2]
    net.conv(channels, (3, 3), stride, _SAME, groups=channels)
    net.conv(filters)


def _autoencoder(net: _Builder) -> None:
    for filters in (*[128] * 4, 8, *[128] * 4, 640):
        net.dense(filters)


TINY: dict[str, tuple[tuple[int, int, int], Callable[[_Builder], None]]] = {
    "ic": ((32, 32, 3), _resnet8), "kws": ((49, 10, 1), _ds_cnn),
    "vww": ((96, 96, 3), _mobilenet), "ad": ((1, 1, 640), _autoencoder),
}
"""Shape of the input and layers, by short name: image classification, keyword spotting, visual wake
words, anomaly detection."""

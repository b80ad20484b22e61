"""Layers that an engine runs in several walks, or writes into another's place, from a seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nhot.network import (
    AvgPool,
    Clamp,
    Concat,
    Conv2d,
    ConvTranspose2d,
    MaxPool,
    Node,
    Tensor,
    Upsample,
    Window,
)
from nhot.network.requant import SHIFT
from nhot.testing.draw import Draw

__all__ = ["several"]

_MOST_POSITIONS = 300
_MOST_TAPS = 1000
_MOST_PHASES = 16

Layers = tuple[Tensor, *tuple[Node, ...]]


def several(draw: Draw) -> Layers:
    """An input "x", and layers in order, "y" among them."""
    makers: list[Callable[[Draw], Layers]] = [_transposed, _upsampled, _joined]
    return makers[draw.int(0, len(makers) - 1)](draw)


def _transposed(draw: Draw) -> Layers:
    """A transposed convolution: taps far apart, phases without any, padding beyond them."""
    while True:
        axes = [_axis(draw, 0.3), _axis(draw, 0.6)]
        (height, width), kernel, stride, dilation = zip(*axes, strict=True)
        window = Window(kernel=kernel, stride=stride, dilation=dilation)
        extra = (draw.int(0, stride[0] - 1), draw.int(0, stride[1] - 1))
        (top, bottom), (left, right) = (
            _cut(draw, size) for size in window.transposed_size(height, width, extra)
        )
        window = replace(window, padding=(top, left, bottom, right))
        out = window.transposed_size(height, width, extra)
        if math.prod(out) * window.taps <= _MOST_TAPS * math.prod(stride):
            break
    groups = draw.int(1, 3)
    each, filters = draw.int(1, draw.config.inputs), draw.int(1, draw.config.filters)
    source = draw.tensor("x", (height, width, groups * each))
    weights = draw.weights((groups * filters, *kernel, each))
    output = draw.tensor("y", (*out, len(weights)))
    return source, ConvTranspose2d(
        inputs=("x",), output=output, weights=weights, format=draw.format, window=window,
        bias=draw.bias(source, weights), requant=draw.requant(len(weights), output),
        groups=groups, output_padding=extra,
    )


def _axis(draw: Draw, chance: float) -> tuple[int, int, int, int]:
    """Size, kernel, stride and dilation of an axis, with a chance one of them at its limit."""
    size, kernel = draw.int(1, 5), draw.int(1, 3)
    stride, dilation = draw.int(1, 4), draw.int(1, 4)
    if draw.rng.random() > chance:
        return size, kernel, stride, dilation
    near = int(draw.rng.choice([128, 254, 255, 256]))
    match draw.int(0, 3):
        case 0:
            return size, near, stride, 1
        case 1:  # what walks it steps as far, or less where stride and dilation share a divisor
            return size, kernel, stride, near * draw.int(1, stride)
        case 2:
            return draw.int(1, 2), kernel, draw.int(5, _MOST_PHASES), dilation
        case _:
            return near, kernel, draw.int(1, 2), dilation


def _cut(draw: Draw, size: int) -> tuple[int, int]:
    """Padding on both sides that leaves a few of ``size`` pixels, or most."""
    keep = draw.int(1, min(size, draw.int(1, _MOST_POSITIONS)))
    before = draw.int(0, size - keep)
    return before, size - keep - before


def _upsampled(draw: Draw) -> Layers:
    """Copies of an input, as many as there may be in a short run."""
    factors = draw.int(1, 4), draw.int(1, _MOST_PHASES // 4)
    source = draw.tensor("x", (draw.int(1, 3), draw.int(1, 4), _channels(draw)))
    shape = (source.shape[0] * factors[0], source.shape[1] * factors[1], source.shape[2])
    output = replace(source, name="y", shape=shape)
    return source, Upsample(inputs=("x",), output=output, factors=factors)


def _joined(draw: Draw) -> Layers:
    """A concatenation, perhaps in another one, and a layer that reads its holes."""
    height, width = draw.int(1, 3), draw.int(1, 4)
    source = draw.tensor("x", (height, width, _channels(draw)))
    parts: list[Node] = []
    for index in range(draw.int(1, 3)):
        makers = [_convolved, _largest, _averaged, _clamped]
        parts.append(makers[draw.int(0, len(makers) - 1)](draw, source, f"part{index}"))
    inner = _concat(draw, "y", [source, *(part.output for part in parts)])
    nodes = [*parts, inner]
    if draw.rng.random() < 0.5:
        nodes.append(_concat(draw, "outer", [inner.output, source]))
    last = nodes[-1].output
    readers = [_convolved, _largest, _averaged, _clamped]
    nodes.append(readers[draw.int(0, len(readers) - 1)](draw, last, "reader"))
    return source, *nodes


def _concat(draw: Draw, name: str, operands: list[Tensor]) -> Concat:
    """Of the operands in any order, each moved (a multiplier of one), or scaled, or turned."""
    order = [operands[index] for index in draw.rng.permutation(len(operands))]
    height, width, _ = order[0].shape
    output = draw.tensor(name, (height, width, sum(operand.shape[2] for operand in order)))
    requant = draw.requant(len(order), output)
    kept = draw.rng.random(len(order)) < 0.5
    multiplier = np.where(kept, 1 << SHIFT, requant.multiplier)
    return Concat(
        inputs=tuple(operand.name for operand in order), output=output,
        requant=replace(requant, multiplier=multiplier),
    )


def _convolved(draw: Draw, x: Tensor, name: str) -> Node:
    """A convolution that sees a position alone."""
    weights = draw.weights((draw.int(1, 2 * draw.config.filters), 1, 1, x.shape[2]))
    output = draw.tensor(name, (*x.shape[:2], len(weights)))
    return Conv2d(
        inputs=(x.name,), output=output, weights=weights, format=draw.format,
        window=Window(kernel=(1, 1)), bias=draw.bias(x, weights),
        requant=draw.requant(len(weights), output),
    )


def _largest(draw: Draw, x: Tensor, name: str) -> Node:
    """A max pool of the size of its input."""
    window = Window(kernel=(2, 3), padding=(1, 1, 0, 1))
    return MaxPool(inputs=(x.name,), output=replace(x, name=name), window=window)


def _averaged(draw: Draw, x: Tensor, name: str) -> Node:
    """An average pool of the size of its input."""
    window = Window(kernel=(3, 1), padding=(1, 0, 1, 0))
    output = draw.tensor(name, x.shape)
    return AvgPool(inputs=(x.name,), output=output, window=window,
                   requant=draw.requant(1, output))


def _clamped(draw: Draw, x: Tensor, name: str) -> Node:
    """A clamp, now and then to a single number."""
    low = draw.int(x.low, x.high)
    return Clamp(inputs=(x.name,), output=replace(x, name=name), low=low,
                 high=draw.int(low, x.high))


def _channels(draw: Draw) -> int:
    """A word of channels or several, or one less or more."""
    return max(1, draw.config.inputs * draw.int(1, 2) + draw.int(-1, 1))

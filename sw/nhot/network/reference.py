"""The bit-exact executor: what every integer of a network is.

Gateware, compiler and training code are tested for equality with this file. Sums are formed in
floating point where, and only where, the bound ``max|x| * sum|w|`` proves every partial sum an
exact integer: below 2**24 in single, below 2**53 in double precision.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network.network import Network
from nhot.network.operators import (
    Add,
    ArgMax,
    AvgPool,
    Clamp,
    Concat,
    Conv2d,
    Convolution,
    ConvTranspose2d,
    Filters,
    Linear,
    MaxPool,
    Node,
    RoundTerms,
    Upsample,
)
from nhot.network.tensor import Tensor
from nhot.network.window import Window

__all__ = ["exact_type", "run", "run_node", "window_sums"]

Number = type[np.float32] | type[np.float64] | type[np.int64]
Array = NDArray[Any]

_CHUNK = 262_144  # elements of the largest tensor at a time
_BLOCK = 1_048_576  # elements of unfolded windows at a time: a few MB, near the cache


@overload
def run(network: Network, x: ArrayLike, *, trace: Literal[False] = False) -> Ints:
    """The output."""


@overload
def run(network: Network, x: ArrayLike, *, trace: Literal[True]) -> dict[str, Ints]:
    """Every tensor by name."""


def run(network: Network, x: ArrayLike, *, trace: bool = False) -> Ints | dict[str, Ints]:
    """Run ``network`` on integers ``x`` (batch, height, width, channels).

    Gives the output tensor (batch, height, width, channels) int64, or with ``trace`` every tensor
    by name, the input included, in the order they are made. Integers of the wrong shape or out of
    the input's range are refused.
    """
    values = np.asarray(x)
    network.input.check(values)
    wanted = list(network.tensors) if trace else [network.output.name]
    results: dict[str, list[Ints]] = {name: [] for name in wanted}
    images = max(1, _CHUNK // max(tensor.size for tensor in network.tensors.values()))
    for start in range(0, max(len(values), 1), images):  # an empty batch runs once, empty
        made = _run_chunk(network, values[start : start + images].astype(np.int64), set(wanted))
        for name in wanted:
            results[name].append(made[name])
    joined = {name: np.concatenate(parts) for name, parts in results.items()}
    return joined if trace else joined[network.output.name]


def _run_chunk(network: Network, x: Ints, wanted: set[str]) -> dict[str, Ints]:
    last_reader = {name: node for node in network.nodes for name in node.inputs}
    made = {network.input.name: x}
    for node in network.nodes:
        operands = [made[name] for name in node.inputs]
        made[node.name] = run_node(node, network.inputs(node), operands)
        for name in set(node.inputs) - wanted:
            if last_reader[name] is node:
                del made[name]
    return made


def run_node(node: Node, tensors: tuple[Tensor, ...], values: list[Ints]) -> Ints:
    """What one layer makes of ``values``, one (batch, height, width, channels) array an input."""
    (x, *_), (tensor, *_) = values, tensors  # only sums and concatenations have more
    match node:
        case Conv2d() | ConvTranspose2d() | Linear():
            sums = window_sums(node, tensor, x)
            sums += node.bias
            return node.requant.compute(sums)
        case AvgPool():
            return node.requant.compute(_sum_pool(x, node.window, tensor.zero_point))
        case MaxPool():
            return _max_pool(x, node.window, tensor.low)
        case Add():
            left, right = _products(node, tensors, values)
            return node.requant.finish(left + right)
        case Concat():
            return node.requant.finish(np.concatenate(_products(node, tensors, values), axis=3))
        case Upsample():
            return x.repeat(node.factors[0], axis=1).repeat(node.factors[1], axis=2)
        case Clamp():
            return np.asarray(np.clip(x, node.low, node.high))
        case RoundTerms():
            return np.asarray(node.table[x - node.output.low])
        case ArgMax():
            return np.asarray(np.argmax(x, axis=3)[..., None], dtype=np.int64)
        case _:
            raise NhotError(
                f"Layer {node.name!r}: operator must be Conv2d, ConvTranspose2d, Linear, MaxPool, "
                "AvgPool, Upsample, Add, Concat, Clamp, RoundTerms or ArgMax, "
                f"not {type(node).__name__}"
            )


def _products(node: Add | Concat, tensors: tuple[Tensor, ...], values: list[Ints]) -> list[Ints]:
    """Every operand less its zero point, on the grid of the requantisation."""
    return [
        (value - tensor.zero_point) * multiplier
        for value, tensor, multiplier in zip(values, tensors, node.requant.multiplier, strict=True)
    ]


def exact_type(node: Filters, tensor: Tensor) -> Number:
    """The fastest number type in which every partial sum of ``node`` over ``tensor`` is exact."""
    magnitude = max(abs(tensor.low), abs(tensor.high))
    bound = magnitude * int(np.abs(node.weights).reshape(node.filters, -1).sum(axis=1).max())
    if bound < 2**24:
        return np.float32
    return np.float64 if bound < 2**53 else np.int64


def window_sums(node: Filters, tensor: Tensor, x: Ints, number: Number | None = None) -> Ints:
    """``sum(w * x)`` of each window and filter, (batch, height, width, filters), no bias yet.

    ``number`` overrides :func:`exact_type`, for tests.
    """
    number = number or exact_type(node, tensor)
    weights = node.weights.astype(number)
    if not isinstance(node, Convolution):
        flat = x.reshape(len(x), tensor.size).astype(number)
        return _ints(np.matmul(flat, weights.T))[:, None, None, :]
    numbers = x.astype(number)
    if isinstance(node, ConvTranspose2d):
        window = Window(kernel=node.window.kernel, dilation=node.window.dilation)
        padded, weights = _spread(numbers, node, tensor.zero_point), weights[:, ::-1, ::-1]
    else:
        window, padded = node.window, _pad(numbers, node.window, tensor.zero_point)
    if node.groups > 1 and weights.shape[3] == 1:
        return _depthwise_sums(padded, weights[..., 0], window)
    return _convolve(padded, weights, window, node.groups)


def _spread(x: Array, node: ConvTranspose2d, zero_point: int) -> Array:
    """What a convolution with the turned kernel runs over: pixels a stride apart in zero points."""
    batch, height, width, channels = x.shape
    (stride_y, stride_x), (span_y, span_x) = node.window.stride, node.window.span
    top, left, bottom, right = node.window.padding
    last_y, last_x = span_y - 1 + (height - 1) * stride_y, span_x - 1 + (width - 1) * stride_x
    rows, columns = last_y + span_y, last_x + span_x
    rows, columns = rows + node.output_padding[0], columns + node.output_padding[1]
    canvas = np.full((batch, rows, columns, channels), zero_point, x.dtype)
    canvas[:, span_y - 1 : last_y + 1 : stride_y, span_x - 1 : last_x + 1 : stride_x] = x
    return canvas[:, top : rows - bottom, left : columns - right]


def _convolve(padded: Array, weights: Array, window: Window, groups: int) -> Ints:
    """Unfold windows into rows of a matrix, block by block, and multiply."""
    unfolded = _unfold(padded, window, groups)
    batch, height, width = unfolded.shape[:3]
    depth = weights[0].size
    # (groups, depth, filters a group)
    matrix = weights.reshape(groups, -1, depth).transpose(0, 2, 1)
    sums = np.empty((batch, height, width, len(weights)), np.int64)
    for images, rows in _blocks(batch, height, width * depth * groups):
        block = unfolded[images, rows]  # (images, rows, width, groups, y, x, channels)
        shape = block.shape[:3]
        flat = block.reshape(-1, groups, depth).transpose(1, 0, 2)
        product = np.matmul(flat, matrix)  # (groups, positions, filters a group)
        sums[images, rows] = product.transpose(1, 0, 2).reshape(*shape, len(weights))
    return sums


def _unfold(padded: Array, window: Window, groups: int) -> Array:
    """A view (batch, height, width, groups, kernel_y, kernel_x, channels / groups)."""
    view = np.lib.stride_tricks.sliding_window_view(padded, window.span, axis=(1, 2))
    # (batch, y, x, channels, span_y, span_x)
    view = view[:, :: window.stride[0], :: window.stride[1], :]
    view = view[..., :: window.dilation[0], :: window.dilation[1]]
    split = view.reshape(*view.shape[:3], groups, -1, *view.shape[4:]) if groups > 1 else (
        view[:, :, :, None]
    )
    return split.transpose(0, 1, 2, 3, 5, 6, 4)


def _blocks(batch: int, height: int, row: int) -> Iterator[tuple[slice, slice]]:
    """Slices of images and of rows so that a block holds about ``_BLOCK`` elements."""
    rows = max(1, min(height, _BLOCK // row))
    images = max(1, _BLOCK // (row * height)) if rows == height else 1
    for image in range(0, batch, images):
        for top in range(0, height, rows):
            yield slice(image, image + images), slice(top, top + rows)


def _depthwise_sums(padded: Array, weights: Array, window: Window) -> Ints:
    """One channel a filter: a product and a sum for each tap, no matrix."""
    filters = len(weights)
    total: Array | None = None
    for y, x, tap in _taps(padded, window):
        repeats = filters // tap.shape[3]
        product = (tap if repeats == 1 else np.repeat(tap, repeats, axis=3)) * weights[:, y, x]
        total = product if total is None else np.add(total, product, out=total)
    assert total is not None
    return _ints(total)


def _sum_pool(x: Ints, window: Window, zero_point: int) -> Ints:
    taps = _taps(_pad(x, window, zero_point), window)
    first = np.array(next(taps)[2])
    for _, _, tap in taps:
        first += tap
    return first - window.taps * zero_point


def _max_pool(x: Ints, window: Window, lowest: int) -> Ints:
    taps = _taps(_pad(x, window, lowest), window)
    first = np.array(next(taps)[2])
    for _, _, tap in taps:
        np.maximum(first, tap, out=first)
    return first


def _pad(x: Array, window: Window, value: int) -> Array:
    top, left, bottom, right = window.padding
    if not any(window.padding):
        return x
    widths = ((0, 0), (top, bottom), (left, right), (0, 0))
    return np.pad(x, widths, constant_values=value)


def _taps(padded: Array, window: Window) -> Iterator[tuple[int, int, Array]]:
    """Each kernel position and the inputs it sees: (y, x, (batch, height, width, channels))."""
    height, width = Window(
        kernel=window.kernel, stride=window.stride, dilation=window.dilation
    ).output_size(*padded.shape[1:3])
    for y in range(window.kernel[0]):
        for x in range(window.kernel[1]):
            top, left = y * window.dilation[0], x * window.dilation[1]
            bottom = top + (height - 1) * window.stride[0] + 1
            right = left + (width - 1) * window.stride[1] + 1
            yield y, x, padded[:, top : bottom : window.stride[0], left : right : window.stride[1]]


def _ints(array: Array) -> Ints:
    return np.asarray(array, dtype=np.int64)

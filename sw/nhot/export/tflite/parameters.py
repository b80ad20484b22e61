"""Weights and biases as TensorFlow Lite has them: signed bytes, a scale for each filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.formats.format import Ints
from nhot.network import Conv2d, ConvTranspose2d, Filters, Tensor
from nhot.network.node import Node
from nhot.network.qdq_filters import NO_SCALE, positive_filters
from nhot.network.requant import SHIFT

__all__ = ["Constants", "constants", "depthwise", "ones", "single", "spread"]

Bytes = NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class Constants:
    """Of a layer.

    Parameters
    ----------
    weights : (filters, ...) int8
        In the network's order of axes.
    bias : (filters,) int32
    scale, bias_scale : (filters,) float32
    """

    weights: Bytes
    bias: NDArray[np.int32]
    scale: NDArray[np.float32]
    bias_scale: NDArray[np.float32]


def constants(node: Filters, x: Tensor) -> Constants:
    """Weights and biases of ``node``; what the kernels could not add up in 32 bits is refused."""
    weights, bias = positive_filters(node, x)
    largest = np.abs(weights).max()
    if largest > 127:
        raise node.error(f"weights must be -127 to 127 in TensorFlow Lite, not up to {largest}")
    reach = max(x.high - x.zero_point, x.zero_point - x.low)
    sums = reach * np.abs(weights).reshape(node.filters, -1).sum(axis=1) + np.abs(bias)
    if sums.max() >= 2**31:
        raise node.error(f"sums must be below 2^31 in TensorFlow Lite, not up to {sums.max()}")
    magnitude = np.abs(node.requant.multiplier) / 2.0**SHIFT
    scale = np.where(magnitude > 0, magnitude, NO_SCALE) * node.output.scale / x.scale
    return Constants(weights.astype(np.int8), bias.astype(np.int32), single(node, scale),
                     single(node, scale * x.scale))


def single(node: Node, values: Any) -> NDArray[np.float32]:
    """Scales in single precision; those beyond its range are refused by the layer's name."""
    with np.errstate(over="ignore", under="ignore"):
        array = np.asarray(values, np.float64).astype(np.float32)
    wrong = np.atleast_1d(values)[~np.atleast_1d(np.isfinite(array) & (array > 0))]
    if wrong.size:
        raise node.error(f"scales must fit single precision in TensorFlow Lite, not {wrong[0]:g}")
    return np.atleast_1d(array)


def spread(node: ConvTranspose2d, weights: Bytes, channels: int) -> Bytes:
    """Weights over all ``channels``, with zeros between taps and groups: there is neither dilation
    nor are there groups. (filters, span, span, channels)"""
    filters, _, _, each = weights.shape
    (rows, columns), (step_y, step_x) = node.window.span, node.window.dilation
    wide = np.zeros((filters, rows, columns, channels), np.int8)
    for number in range(filters):
        first = number * node.groups // filters * each
        wide[number, ::step_y, ::step_x, first : first + each] = weights[number]
    return wide


def depthwise(node: Conv2d, weights: Bytes) -> Bytes:
    """Weights (filters, y, x, 1) as (1, y, x, filters)."""
    return np.ascontiguousarray(weights[..., 0].transpose(1, 2, 0)[None])


def ones(window: tuple[int, int], channels: int, sign: int) -> Ints:
    """Weights that add up the pixels of a window. (1, y, x, channels)"""
    return np.full((1, *window, channels), sign, np.int64)

"""How large the sums of a layer can get: the widths that hardware needs."""

from __future__ import annotations

from itertools import product

import numpy as np

from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network.operators import AvgPool, ConvTranspose2d, Filters, Node
from nhot.network.tensor import Tensor

__all__ = ["accumulator_bits", "accumulator_bound", "sum_bound"]


def sum_bound(weights: Ints, low: int, high: int) -> tuple[Ints, Ints]:
    """The least and the greatest ``sum(w * x)`` of each filter for ``low <= x <= high``.

    Both are reached by some input. ``weights`` (filters, ...) -> two (filters,) int64.
    """
    flat = weights.reshape(len(weights), -1)
    positive = np.maximum(flat, 0).sum(axis=1)
    negative = np.minimum(flat, 0).sum(axis=1)
    return positive * low + negative * high, positive * high + negative * low


def accumulator_bound(node: Node, tensor: Tensor) -> tuple[Ints, Ints]:
    """The least and the greatest accumulator of each filter, before the bias is added.

    Filter signs that the format folds away are not in the accumulator: signed-binary sums of
    unsigned inputs are never negative. An average pool has one accumulator for all channels, the
    sum less the zero points.
    """
    if isinstance(node, Filters):
        levels, _ = node.format.fold_signs(node.weights)
        if isinstance(node, ConvTranspose2d):
            return _transposed_bound(node, levels, tensor)
        return sum_bound(levels, tensor.low, tensor.high)
    if isinstance(node, AvgPool):
        ones = np.ones((1, node.window.taps), dtype=np.int64)
        return sum_bound(ones, tensor.low - tensor.zero_point, tensor.high - tensor.zero_point)
    raise NhotError(
        f"Layer {node.name!r}: operator must have an accumulator, "
        f"{type(node).__name__} has none"
    )


def _transposed_bound(node: ConvTranspose2d, levels: Ints, tensor: Tensor) -> tuple[Ints, Ints]:
    """Of all output phases: the taps of one meet pixels, the rest zero points between them."""
    window = node.window
    phases = [
        np.arange(kernel) * dilation % stride
        for kernel, dilation, stride in zip(
            window.kernel, window.dilation, window.stride, strict=True
        )
    ]
    bounds = []
    for row, column in product(*(range(stride) for stride in window.stride)):
        met = (phases[0] == row)[:, None] & (phases[1] == column)
        rest = tensor.zero_point * levels[:, ~met].reshape(len(levels), -1).sum(axis=1)
        bounds.append([rest + end for end in sum_bound(levels[:, met], tensor.low, tensor.high)])
    lows, highs = zip(*bounds, strict=True)
    return np.min(lows, axis=0), np.max(highs, axis=0)


def accumulator_bits(node: Node, tensor: Tensor) -> int:
    """Bits that hold every accumulator of ``node``: of an unsigned one if none can be negative.

    Otherwise of a two's complement one, sign included. At least 1.
    """
    lows, highs = accumulator_bound(node, tensor)
    low, high = int(lows.min()), int(highs.max())
    if low >= 0:
        return max(1, high.bit_length())
    return max((~low).bit_length(), high.bit_length() if high > 0 else 0) + 1

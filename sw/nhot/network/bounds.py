"""How large the sums of a layer can get: the widths that hardware needs."""

from __future__ import annotations

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
        taps, zero = node.window.taps, tensor.zero_point
        return np.array([taps * (tensor.low - zero)]), np.array([taps * (tensor.high - zero)])
    raise NhotError(
        f"Layer {node.name!r}: operator must have an accumulator, "
        f"{type(node).__name__} has none"
    )


def _transposed_bound(node: ConvTranspose2d, levels: Ints, tensor: Tensor) -> tuple[Ints, Ints]:
    """Of all output phases: the taps of one meet pixels, the rest zero points between them.

    A phase without taps is within the others: all its inputs are zero points.
    """
    window = node.window
    rows, columns = (
        np.unique(np.arange(kernel) * dilation % stride, return_inverse=True)[1]
        for kernel, dilation, stride in zip(
            window.kernel, window.dilation, window.stride, strict=True
        )
    )
    phases = (rows[:, None] * window.kernel[1] + columns).reshape(-1)  # of each tap
    order = np.argsort(phases, kind="stable")
    starts = np.unique(phases[order], return_index=True)[1]
    taps = levels.reshape(len(levels), len(phases), -1)
    zero, bounds = tensor.zero_point, []
    for least, greatest in ((tensor.low, tensor.high), (tensor.high, tensor.low)):
        # what a tap adds to zero points alone when it meets the worst pixels
        more = (np.maximum(taps, 0) * (least - zero) + np.minimum(taps, 0) * (greatest - zero))
        bounds.append(np.add.reduceat(more.sum(axis=2)[:, order], starts, axis=1))
    rest = zero * taps.reshape(len(levels), -1).sum(axis=1)
    return rest + bounds[0].min(axis=1), rest + bounds[1].max(axis=1)


def accumulator_bits(node: Node, tensor: Tensor) -> int:
    """Bits that hold every accumulator of ``node``: of an unsigned one if none can be negative.

    Otherwise of a two's complement one, sign included. At least 1.
    """
    lows, highs = accumulator_bound(node, tensor)
    low, high = int(lows.min()), int(highs.max())
    if low >= 0:
        return max(1, high.bit_length())
    return max(~low, high).bit_length() + 1

"""What file formats have in common in their ways of saying things."""

from __future__ import annotations

from math import inf

import numpy as np

from nhot.errors import NhotError
from nhot.frontends.graph_steps import Floats
from nhot.network.tensor import Shape
from nhot.network.window import Window

__all__ = ["as_map", "factors", "first_name", "one_sided", "same_window"]


def as_map(sizes: tuple[int, ...], *, channels_first: bool = False) -> Shape:
    """(height, width, channels) of a tensor of these sizes, without its batch."""
    if channels_first and sizes:
        sizes = (*sizes[1:], sizes[0])
    if not 1 <= len(sizes) <= 3:
        raise NhotError(f"Tensor must have 2 to 4 axes, the batch's included, not {len(sizes) + 1}")
    height, width, channels = (1,) * (3 - len(sizes)) + sizes
    return height, width, channels


def first_name(joined: str) -> str:
    """Of the names of all that became one operator, which TensorFlow's converters join, the first
    one with a path."""
    names = [name for name in joined.split(";") if name]
    return next((one for one in names if "/" in one), names[0] if names else "")


def same_window(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int],
    dilation: tuple[int, int] = (1, 1), *, more_before: bool = False,
) -> Window:
    """The window whose padding makes ``ceil(size / stride)`` outputs of a map of ``size``.

    Of an odd number of zeros one more comes behind the map, or before it.
    """
    before, missing = [0, 0], [0, 0]
    for axis in (0, 1):
        span = dilation[axis] * (kernel[axis] - 1) + 1
        outputs = -(-size[axis] // max(stride[axis], 1))
        missing[axis] = max((outputs - 1) * stride[axis] + span - size[axis], 0)
        before[axis] = (missing[axis] + more_before) // 2
    (top, left), (rows, columns) = before, missing
    return Window(
        kernel=kernel, stride=stride, dilation=dilation,
        padding=(top, left, rows - top, columns - left),
    )


def one_sided(kind: str, values: Floats) -> tuple[float, float]:
    """The limits that a tensor is clamped to which ``kind``, a minimum or a maximum, joins with a
    constant."""
    if values.size == 0 or (values != values.flat[0]).any():
        raise NhotError("it must be of a tensor and one number, the same for all elements")
    limit = float(values.flat[0])
    return (-inf, limit) if kind.upper().startswith("MIN") else (limit, inf)


def factors(kind: str, values: Floats, *, first: bool) -> tuple[Floats, Floats]:
    """Gain and offset of a tensor that is added to, multiplied with, ... a constant.

    ``kind`` is ADD, SUB, MUL or DIV; ``first`` says that the constant is on the left.
    """
    one, zero = np.ones((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32)
    match kind:
        case "ADD":
            return one, values
        case "SUB":
            return (-one, values) if first else (one, -values)
        case "MUL":
            return values, zero
    if first or (values == 0).any():
        raise NhotError("it must divide a tensor by a constant other than zero")
    return np.asarray(1 / values, np.float32), zero

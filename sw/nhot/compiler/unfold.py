"""A network's input window by window: what few channels leave free in a word, other taps fill.

A convolution over one to three channels would use as many of the S inputs of a step. So the host
may lay the input out by a window: a position then holds what the window sees there, tap by tap, and
takes the place of kernel columns, of kernel rows, or of both. The convolution that is left has
fewer taps of more channels, and finds its padding among them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nhot.formats.format import Ints
from nhot.network.tensor import Shape
from nhot.network.window import Window

__all__ = ["layouts", "rest", "unfold", "unfold_weights", "unfolded"]


def layouts(window: Window) -> list[Window]:
    """The windows by which the input of a convolution with ``window`` can be laid out.

    Each has along an axis all of ``window``, or nothing: one tap a position.
    """
    choices = [(False, True) if taps > 1 else (False,) for taps in window.kernel]
    return [
        _part(window, (rows, columns)) for rows in choices[0] for columns in choices[1]
        if rows or columns
    ]


def rest(window: Window, layout: Window) -> Window:
    """What ``window`` has left to do on an input that is laid out by one of its ``layouts``."""
    return _part(window, (layout.kernel[0] == 1, layout.kernel[1] == 1))


def unfolded(shape: Shape, layout: Window) -> Shape:
    """Height, width and channels of a tensor that is laid out."""
    height, width, channels = shape
    return (*layout.output_size(height, width), layout.taps * channels)


def unfold(values: Ints, layout: Window, fill: int) -> Ints:
    """A tensor (height, width, channels) laid out, its padding ``fill``. (y, x, taps * channels)"""
    (rows, in_rows), (columns, in_columns) = (_seen(values.shape, layout, axis) for axis in (0, 1))
    taps = values[rows[:, None, :, None], columns[None, :, None, :]]
    inside = in_rows[:, None, :, None] & in_columns[None, :, None, :]
    return np.where(inside[..., None], taps, fill).reshape(len(rows), len(columns), -1)


def unfold_weights(weights: Ints, layout: Window) -> Ints:
    """Weights (filters, y, x, channels) for an input that is laid out, its taps as channels."""
    filters, height, width, channels = weights.shape
    rows, columns = layout.kernel
    split = weights.reshape(
        filters, height // rows, rows, width // columns, columns, channels
    )
    return split.transpose(0, 1, 3, 2, 4, 5).reshape(
        filters, height // rows, width // columns, layout.taps * channels
    )


def _part(window: Window, axes: tuple[bool, bool]) -> Window:
    """``window`` along some axes, and one tap a position along the others."""
    top, left, bottom, right = window.padding
    (before_y, after_y), (before_x, after_x) = (
        sides if kept else (0, 0) for sides, kept in zip(
            ((top, bottom), (left, right)), axes, strict=True
        )
    )

    def along(numbers: tuple[int, int]) -> tuple[int, int]:
        return (numbers[0] if axes[0] else 1, numbers[1] if axes[1] else 1)

    return Window(
        kernel=along(window.kernel), stride=along(window.stride),
        dilation=along(window.dilation), padding=(before_y, before_x, after_y, after_x),
    )


def _seen(shape: Shape, layout: Window, axis: int) -> tuple[Ints, NDArray[np.bool_]]:
    """Along an axis, the input that each tap of each position sees, and whether there is one."""
    size = shape[axis]
    count = layout.output_size(*shape[:2])[axis]
    first = np.arange(count) * layout.stride[axis] - layout.padding[axis]
    place = first[:, None] + np.arange(layout.kernel[axis]) * layout.dilation[axis]
    return place.clip(0, size - 1), (place >= 0) & (place < size)

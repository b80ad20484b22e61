"""Outputs that several passes make: each pass every s-th row and column, from one of its own on.

Repeated pixels are as many copies of the input. A transposed convolution is as many ordinary ones:
those taps of the kernel that meet the outputs of a phase are a kernel of their own, turned around.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import gcd

import numpy as np

from nhot.formats.format import Ints
from nhot.network import Conv2d, ConvTranspose2d, Tensor, Window

__all__ = ["WHOLE", "Phase", "PhaseTaps", "phases", "transposed"]


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Some positions of a tensor, or all. (y, x) pairs

    Parameters
    ----------
    spread
        Rows and columns from one of them to the next.
    first
        The first one.
    """

    spread: tuple[int, int] = (1, 1)
    first: tuple[int, int] = (0, 0)

    def size(self, height: int, width: int) -> tuple[int, int]:
        """How many rows and columns of a tensor are among them."""
        rows, columns = (
            -(-(total - first) // spread) for total, first, spread in
            zip((height, width), self.first, self.spread, strict=True)
        )
        return rows, columns


WHOLE = Phase()
"""All positions."""


@dataclass(frozen=True, kw_only=True)
class PhaseTaps:
    """The rows and columns of a kernel that meet a phase, as they are walked; -1 for no tap."""

    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def count(self) -> int:
        """Taps of the kernel that are among them."""
        rows, columns = (sum(tap >= 0 for tap in taps) for taps in (self.rows, self.columns))
        return rows * columns

    def of(self, weights: Ints) -> Ints:
        """The weights (filters, y, x, depth) of these taps, 0 where there is none."""
        rows, columns = np.array(self.rows)[:, None], np.array(self.columns)
        picked: Ints = weights[:, rows, columns]
        picked[:, (rows < 0) | (columns < 0)] = 0
        return picked


def phases(height: int, width: int, spread: tuple[int, int]) -> Iterator[Phase]:
    """The phases of a tensor, row by row."""
    for y in range(min(height, spread[0])):
        for x in range(min(width, spread[1])):
            yield Phase(spread=spread, first=(y, x))


def transposed(node: ConvTranspose2d, x: Tensor) -> Iterator[tuple[Phase, PhaseTaps, Conv2d]]:
    """The phases of a transposed convolution of ``x``, and for each the convolution that makes it.

    Its output is that of the phase alone. In its bias are the taps that meet zero points between
    the pixels, which sums of the whole have in them.
    """
    height, width, filters = node.output.shape
    for phase in phases(height, width, node.window.stride):
        axes = [_axis(node.window, phase, axis) for axis in (0, 1)]
        if _NO_TAPS in axes:
            axes = [_NO_TAPS, _NO_TAPS]
        taps = PhaseTaps(rows=axes[0].taps, columns=axes[1].taps)
        weights = taps.of(node.weights)
        others = node.weights.sum(axis=(1, 2, 3)) - weights.sum(axis=(1, 2, 3))
        size = phase.size(height, width)
        behind = [axes[axis].behind(x.shape[axis], size[axis]) for axis in (0, 1)]
        window = Window(
            kernel=weights.shape[1:3], dilation=(axes[0].dilation, axes[1].dilation),
            padding=(axes[0].before, axes[1].before, behind[0], behind[1]),
        )
        output = replace(node.output, shape=(*size, filters))
        yield phase, taps, Conv2d(
            inputs=node.inputs, output=output, weights=weights,
            bias=node.bias + x.zero_point * others, format=node.format, requant=node.requant,
            window=window, groups=node.groups,
        )


@dataclass(frozen=True, kw_only=True)
class _Axis:
    taps: tuple[int, ...]
    dilation: int = 1
    before: int = 0

    def behind(self, inputs: int, outputs: int) -> int:
        """Padding behind so many inputs that so many outputs see."""
        span = (len(self.taps) - 1) * self.dilation + 1
        return max(0, outputs - 1 + span - self.before - inputs)


_NO_TAPS = _Axis(taps=(-1,))


def _axis(window: Window, phase: Phase, axis: int) -> _Axis:
    """Along one axis, the taps that meet a phase, and where the first of them meets its input.

    Pixel p meets tap t at ``p * stride + t * dilation - padding``; the pixel that output k of the
    phase sees through the tap is ``k + start``.
    """
    stride, dilation = window.stride[axis], window.dilation[axis]
    origin = phase.first[axis] + window.padding[axis]
    met = [t for t in range(window.kernel[axis]) if (origin - t * dilation) % stride == 0]
    if not met:
        return _NO_TAPS
    start = (origin - met[-1] * dilation) // stride
    apart = dilation // gcd(dilation, stride)
    # A walk begins at the first pixel or before it: with taps without weight where it must.
    ahead = max(0, -(-start // apart))
    return _Axis(
        taps=(-1,) * ahead + tuple(met[::-1]), dilation=apart, before=ahead * apart - start
    )

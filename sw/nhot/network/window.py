"""Which inputs each output position of a convolution or a pool sees."""

from __future__ import annotations

from dataclasses import dataclass
from operator import index

import numpy as np

from nhot.errors import NhotError

__all__ = ["LARGEST", "Window"]

LARGEST = 1 << 16
"""Of a window's kernel, stride, padding and dilation: far beyond any tensor that has a use here."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """Which inputs an output position sees; (y, x) pairs, padding as (top, left, bottom, right)."""

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        for what, length, least in (
            ("kernel", 2, 1), ("stride", 2, 1), ("padding", 4, 0), ("dilation", 2, 1),
        ):
            value = tuple(index(size) for size in getattr(self, what))
            object.__setattr__(self, what, value)
            if len(value) != length or not all(least <= size <= LARGEST for size in value):
                raise NhotError(
                    f"Window {what} must be {length} numbers, each {least} to {LARGEST}, "
                    f"not {value}"
                )

    @property
    def taps(self) -> int:
        """Positions in the kernel."""
        return self.kernel[0] * self.kernel[1]

    @property
    def span(self) -> tuple[int, int]:
        """Height and width from the first to the last tap, ``dilation * (kernel - 1) + 1``."""
        return (
            self.dilation[0] * (self.kernel[0] - 1) + 1,
            self.dilation[1] * (self.kernel[1] - 1) + 1,
        )

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of the output; refused when the kernel does not fit."""
        top, left, bottom, right = self.padding
        padded = (height + top + bottom, width + left + right)
        if padded[0] < self.span[0] or padded[1] < self.span[1]:
            raise NhotError(f"Window of {self.span} must fit its padded input, not {padded}")
        return (
            (padded[0] - self.span[0]) // self.stride[0] + 1,
            (padded[1] - self.span[1]) // self.stride[1] + 1,
        )

    def transposed_size(
        self, height: int, width: int, extra: tuple[int, int] = (0, 0)
    ) -> tuple[int, int]:
        """Height and width of a transposed convolution's output; refused when nothing is left.

        ``extra`` is added at the bottom and the right, padding is cut off.
        """
        top, left, bottom, right = self.padding
        rows = (height - 1) * self.stride[0] + self.span[0] - top - bottom + extra[0]
        columns = (width - 1) * self.stride[1] + self.span[1] - left - right + extra[1]
        if rows < 1 or columns < 1:
            raise NhotError(
                f"Window padding {self.padding} must leave something of the output, "
                f"not {rows} x {columns}"
            )
        return rows, columns

    def sees_input(self, height: int, width: int) -> bool:
        """Whether every output position has at least one tap that is not in the padding."""
        top, left, _, _ = self.padding
        counts = self.output_size(height, width)
        return all(
            _sees(*axis) for axis in zip(
                counts, self.stride, self.dilation, (top, left), self.kernel, (height, width),
                strict=True,
            )
        )


def _sees(count: int, stride: int, dilation: int, before: int, kernel: int, size: int) -> bool:
    """The same along one axis, in time that depends on the padding before it alone."""
    last = (count - 1) * stride - before
    if last >= size:
        return False
    # Windows that start in the padding: their first tap beyond it is the one that may see the
    # input. Windows that start in the input see it.
    starts = np.arange(-before, min(last, -1) + 1, stride)
    first = starts % dilation
    return bool(((first < size) & (starts + (kernel - 1) * dilation >= first)).all())

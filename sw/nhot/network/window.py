"""Which inputs each output position of a convolution or a pool sees."""

from __future__ import annotations

from dataclasses import dataclass

from nhot.errors import NhotError

__all__ = ["Window"]


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
            value = tuple(int(size) for size in getattr(self, what))
            object.__setattr__(self, what, value)
            if len(value) != length or any(size < least for size in value):
                raise NhotError(
                    f"Window {what} must be {length} numbers, each at least {least}, not {value}"
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
            all(
                any(0 <= at * stride + tap * dilation - before < size for tap in range(kernel))
                for at in range(count)
            )
            for count, stride, dilation, before, kernel, size in zip(
                counts, self.stride, self.dilation, (top, left), self.kernel, (height, width),
                strict=True,
            )
        )

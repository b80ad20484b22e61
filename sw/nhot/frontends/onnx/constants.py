"""Constants of a file, computed or in it, and what may be asked of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.frontends.graph_steps import Floats

__all__ = ["Array", "Constant", "check_scales", "fits", "given", "integers", "reshaped",
           "scales_of", "small"]

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Constant:
    """A constant, computed or in the file.

    Parameters
    ----------
    values : array
    scale : array of the same shape, optional
        What the values are whole multiples of, where they were rounded.
    offset : float, optional
        A zero point that is not the middle of its type.
    """

    values: Array
    scale: Array | None = None
    offset: float | None = None

    def reals(self) -> Floats:
        """The values in single precision."""
        return np.asarray(self.values, np.float32)

    def map(self, change: Callable[[Array], Array]) -> Constant:
        """The same with its elements elsewhere."""
        scale = None if self.scale is None else change(self.scale)
        return replace(self, values=change(self.values), scale=scale)


def check_scales(scales: Array) -> None:
    """Refuse scales that no number is a multiple of, by the first of them."""
    wrong = scales[~(np.isfinite(scales) & (scales > 0))]
    if wrong.size:
        raise NhotError(f"scales must be above 0 and finite, not {wrong.flat[0]:g}")


def scales_of(weights: Constant, what: str = "weights") -> Floats | None:
    """The scale of each filter, which come first; None of what was not rounded."""
    if weights.offset is not None:
        raise NhotError(f"{what} must have the zero point 0 (128 of unsigned ones), "
                        f"not {weights.offset:g}")
    if weights.scale is None:
        return None
    rows = weights.scale.reshape(len(weights.scale), -1)
    if (rows != rows[:, :1]).any():
        raise NhotError(f"{what} must have one scale, or one for each filter, not others")
    return np.ascontiguousarray(rows[:, 0], np.float32)


def integers(constant: Constant) -> list[int]:
    """The elements of a short list of integers, as sizes and axes are."""
    if not np.issubdtype(constant.values.dtype, np.integer) or constant.values.size > 64:
        raise NhotError("sizes and axes must be a few integers")
    found: list[int] = constant.values.reshape(-1).tolist()
    return found


def reshaped(shape: tuple[int, ...], sizes: list[int]) -> tuple[int, ...]:
    """The sizes that a reshape of ``shape`` makes: 0 keeps one, -1 is what is left."""
    kept = [shape[place] if size == 0 and place < len(shape) else size
            for place, size in enumerate(sizes)]
    known, total = 1, int(np.prod(shape, dtype=object))
    for size in kept:
        known *= size if size != -1 else 1
    made = tuple(total // known if size == -1 and known else size for size in kept)
    if kept.count(-1) > 1 or min(made, default=1) < 0 or np.prod(made, dtype=object) != total:
        raise NhotError(f"it must keep {total} elements, not make {sizes} of {shape}")
    return made


def given(inputs: list[Constant | None], place: int) -> Constant:
    """The input of an operator at ``place``, which it must have."""
    constant = inputs[place] if place < len(inputs) else None
    if constant is None:
        raise NhotError(f"it must have an input {place}")
    return constant


def fits(shape: tuple[int, ...], *arrays: Array) -> None:
    """Refuse what would be larger than its operands: no bytes stand behind it."""
    if int(np.prod(shape, dtype=object)) > max(array.size for array in arrays):
        raise NhotError(f"its constants must suit each other, not make {shape}")


def small(count: int) -> None:
    """Refuse constants put together, or taken apart, that are no shapes."""
    if count > 4096:
        raise NhotError("it must be of a few numbers, as shapes are, where all are constants")

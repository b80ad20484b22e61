"""Rounding of tensors to the levels of a format, and the gradient that replaces its own."""

from __future__ import annotations

import torch
from torch import Tensor

from nhot.formats import Format

__all__ = ["magnitudes", "nearest", "straight_through", "toward_zero"]


def magnitudes(format: Format, like: Tensor) -> Tensor:
    """The levels that are not negative, ascending, in the type and on the device of ``like``."""
    levels = format.levels[format.levels >= 0]
    return torch.as_tensor(levels.copy(), dtype=like.dtype, device=like.device)


def nearest(values: Tensor, format: Format) -> Tensor:
    """The level nearest to each value, as :meth:`Format.nearest`: ties go towards zero.

    Saturates; same shape and type as ``values``. No gradient passes.
    """
    values = values.detach()
    positive = magnitudes(format, values)
    midpoints = (positive[1:] + positive[:-1]) / 2
    return _signed(positive[torch.bucketize(values.abs().contiguous(), midpoints)], values, format)


def toward_zero(values: Tensor, format: Format) -> Tensor:
    """The largest level that is not beyond each value, seen from zero. No gradient passes."""
    values = values.detach()
    positive = magnitudes(format, values)
    index = torch.bucketize(values.abs().contiguous(), positive[1:], right=True)
    return _signed(positive[index], values, format)


def straight_through(values: Tensor, rounded: Tensor, slope: Tensor | float = 1.0) -> Tensor:
    """``rounded``, with ``slope`` as its derivative by ``values``."""
    linear = values * slope
    return linear + (rounded - linear).detach()


def _signed(magnitude: Tensor, values: Tensor, format: Format) -> Tensor:
    signed = torch.where(values < 0, -magnitude, magnitude)
    return signed.clamp(float(format.levels[0]), float(format.levels[-1]))

"""Weights on the levels of a format: scale, rounding and the gradients of both."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nhot.errors import NhotError
from nhot.formats import Format, SignedBinary

__all__ = ["GridWeights", "SignedBinaryWeights", "WeightQuant", "nearest", "weight_quant"]

THRESHOLD = 0.05
"""Signed-binary: below this part of a filter's largest weight, a weight is zero. Source: PLUM."""

CANDIDATES = 80
"""Scales that a search tries, per filter."""


def nearest(values: Tensor, format: Format) -> Tensor:
    """The level nearest to each value, as :meth:`Format.nearest`: ties go towards zero.

    Saturates; same shape and type as ``values``. No gradient passes.
    """
    values = values.detach()
    positive = torch.as_tensor(format.levels[format.levels >= 0].copy(), dtype=values.dtype)
    midpoints = (positive[1:] + positive[:-1]) / 2
    magnitude = positive[torch.bucketize(values.abs(), midpoints)]
    signed = torch.where(values < 0, -magnitude, magnitude)
    return signed.clamp(float(format.levels[0]), float(format.levels[-1]))


class WeightQuant(nn.Module, ABC):
    """Base: ``forward(weight)`` gives the quantised weight, with straight-through gradients.

    ``weight`` is (filters, ...), float.
    """

    def __init__(self, format: Format):
        super().__init__()
        self.format = format

    @abstractmethod
    def integers(self, weight: Tensor) -> tuple[Tensor, NDArray[np.float64]]:
        """What :meth:`forward` multiplies: levels, shaped as ``weight``, and (filters,) scales."""


class GridWeights(WeightQuant):
    """``scale * nearest(weight / scale)`` for any symmetric format.

    The gradient passes straight through the rounding, and stops where a weight saturates. The scale
    is trained with it (source: LSQ, arXiv 1902.08153), as a logarithm: it stays positive and a
    step of the optimiser is a relative one.

    Parameters
    ----------
    format : Format
    weight : (filters, ...) float
        Where the scale starts: at the least squared error among a range of candidates.
    per_channel : bool
        One scale a filter, or one for all.
    """

    def __init__(self, format: Format, weight: Tensor, *, per_channel: bool = True):
        super().__init__(format)
        rows = weight.detach().flatten(1) if per_channel else weight.detach().reshape(1, -1)
        self.log_scale = nn.Parameter(search_scale(rows, format).log())

    def forward(self, weight: Tensor) -> Tensor:
        scale = self._scale(weight)
        # Where nothing saturates, d/dscale is level - weight / scale: the error of the rounding.
        limited = (weight / scale).clamp(-self.format.max_level, self.format.max_level)
        return scale * (limited + (nearest(limited, self.format) - limited).detach())

    def integers(self, weight: Tensor) -> tuple[Tensor, NDArray[np.float64]]:
        scale = self._scale(weight.detach()).detach()
        filters = np.broadcast_to(scale.flatten().double().numpy(), (weight.shape[0],))
        return nearest(weight / scale, self.format).long(), filters.copy()

    def _scale(self, weight: Tensor) -> Tensor:
        return self.log_scale.exp().reshape(-1, *[1] * (weight.dim() - 1))


class SignedBinaryWeights(WeightQuant):
    """Level 1 above a threshold: positive weights in the first half of the filters, negative after.

    Source: PLUM, arXiv 2312.01581, whose threshold, halves and clipped straight-through gradient
    these are. The scale is the mean magnitude of the filter's weights above the threshold, which is
    the least squared error; a factor that batch normalisation undoes.
    """

    def __init__(self, format: SignedBinary):
        super().__init__(format)

    def forward(self, weight: Tensor) -> Tensor:
        levels, scale = self._project(weight)
        limited = weight.clamp(-1, 1)
        return limited + (levels * scale - limited).detach()

    def integers(self, weight: Tensor) -> tuple[Tensor, NDArray[np.float64]]:
        levels, scale = self._project(weight)
        return levels.long(), scale.flatten().double().numpy()

    def _project(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        weight = weight.detach()
        axes = tuple(range(1, weight.dim()))
        sign = torch.ones_like(weight[(slice(None), *[slice(1)] * len(axes))])
        sign[weight.shape[0] // 2 :] = -1
        threshold = THRESHOLD * weight.abs().amax(axes, keepdim=True)
        active = (sign * weight >= threshold) & (threshold > 0)
        count = active.sum(axes, keepdim=True).clamp_min(1)
        mean = (weight.abs() * active).sum(axes, keepdim=True) / count
        scale = torch.where(mean > 0, mean, torch.ones_like(mean))
        return sign * active, scale


def weight_quant(format: Format, weight: Tensor, *, per_channel: bool = True) -> WeightQuant:
    """The quantiser of ``format`` for a layer that starts with ``weight`` (filters, ...)."""
    if not bool(torch.isfinite(weight).all()):
        raise NhotError("Weights must be finite numbers, not NaN or infinite")
    if isinstance(format, SignedBinary):
        return SignedBinaryWeights(format)
    return GridWeights(format, weight, per_channel=per_channel)


def search_scale(rows: Tensor, format: Format) -> Tensor:
    """The scale of least squared error for each row. (rows, weights) -> (rows,)

    Candidates run from where the largest weight is the largest level down to a fifth of that; a row
    of zeros gets the scale 1.
    """
    largest = rows.abs().amax(1)
    full = torch.where(largest > 0, largest, torch.full_like(largest, format.max_level))
    full = full / format.max_level
    best, least = full, torch.full_like(full, torch.inf)
    for fraction in torch.linspace(0.2, 1.0, CANDIDATES).tolist():
        scale = (full * fraction).unsqueeze(1)
        error = (scale * nearest(rows / scale, format) - rows).square().sum(1)
        best = torch.where(error < least, scale.squeeze(1), best)
        least = torch.minimum(error, least)
    return torch.where(largest > 0, best, torch.ones_like(best))

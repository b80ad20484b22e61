"""Weights of the levels -1, 0 and 1, chosen by a threshold: binary, ternary and signed-binary."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nhot.formats import Binary, Format, SignedBinary
from nhot.quant.weights.accumulator import strongest
from nhot.quant.weights.rounding import straight_through
from nhot.quant.weights.weights import WeightQuant

__all__ = [
    "THRESHOLD", "Threshold", "ThresholdWeights", "least_squares", "nothing", "share_of_largest",
    "share_of_mean",
]

Threshold = Callable[[Tensor], Tensor]
"""From magnitudes (filters, weights) to (filters, 1), at and above which a weight is not zero."""


THRESHOLD = 0.05
"""Of the largest weight of a filter. Source: PLUM, arXiv 2312.01581, its code."""


def share_of_largest(magnitude: Tensor, share: float = THRESHOLD) -> Tensor:
    """A part of the largest weight."""
    return share * magnitude.amax(1, keepdim=True)


def share_of_mean(magnitude: Tensor) -> Tensor:
    """0.7 of the mean magnitude. Source: TWN, arXiv 1605.04711."""
    return 0.7 * magnitude.mean(1, keepdim=True)


def least_squares(magnitude: Tensor) -> Tensor:
    """Where -s, 0, s with the best s err least; exact. Source: arXiv 2001.02786 poses the problem.

    With the k largest weights not zero the best s is their mean, and the error is the sum of all
    squares less ``(sum of the k largest)**2 / k``.
    """
    ordered = magnitude.sort(dim=1, descending=True).values
    count = torch.arange(1, ordered.shape[1] + 1, device=ordered.device)
    gain = ordered.double().cumsum(1).square() / count
    return ordered.gather(1, gain.argmax(1, keepdim=True))


def nothing(magnitude: Tensor) -> Tensor:
    """No weight is zero."""
    return torch.zeros_like(magnitude[:, :1])


class ThresholdWeights(WeightQuant):
    """Level 0 below a threshold, else the sign of the weight, or zero if the region has the other.

    The scale of a filter is the mean magnitude of its weights that are not zero: the least squared
    error. Batch normalisation undoes such a factor; where none follows, it is what is needed.

    Signed-binary: the first half of the filters (with tiles, every other tile) keeps its positive
    weights, the rest its negative ones. Source: PLUM, arXiv 2312.01581.

    The gradient passes straight through, and stops at weights beyond -1 to 1. With ``schedule`` it
    is instead the derivative of a tanh around the threshold that gets steeper as training
    goes on, ``k * t * (1 - tanh(t * (w - c))**2)`` with t from 0.1 to 10 and ``k = max(1/t, 1)``.
    Source: EDE of IR-Net, arXiv 1909.10788, at each filter's own threshold as PLUM adapts it.

    Parameters
    ----------
    format : Format
        Binary, ternary or signed-binary.
    threshold : callable
        One of those above.
    schedule : bool
    """

    def __init__(self, format: Format, threshold: Threshold, *, schedule: bool = False):
        super().__init__(format)
        self.threshold = threshold
        self.schedule = schedule

    def forward(self, weight: Tensor) -> Tensor:
        levels, scale, center = self._project(weight)
        if self.schedule:
            t = 0.1 * 100**self.progress
            slope = max(1 / t, 1) * t * (1 - (t * (weight.detach() - center)).tanh().square())
        else:
            slope = (weight.detach().abs() <= 1).to(weight.dtype)
        return straight_through(weight, levels * scale, slope)

    def scale(self, weight: Tensor) -> Tensor:
        return self._project(weight)[1].flatten()

    def integers(self, weight: Tensor) -> tuple[Tensor, NDArray[np.float64]]:
        levels, scale, _ = self._project(weight)
        return levels.long(), scale.flatten().double().cpu().numpy()

    def _project(self, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Levels, as ``weight``; scales, (filters, 1...); and where the schedule is steepest."""
        weight = weight.detach()
        axes = tuple(range(1, weight.dim()))
        magnitude = weight.abs()
        threshold = self.threshold(magnitude.flatten(1)).reshape(-1, *[1] * len(axes))
        active = magnitude >= threshold
        center = torch.zeros_like(threshold)
        if isinstance(self.format, SignedBinary):
            region = _region_signs(weight, self.format.tile)
            active &= region * weight > 0
            center = region * threshold
        elif not isinstance(self.format, Binary):
            active &= magnitude > 0
        sign = torch.where(weight < 0, -1.0, 1.0).to(weight.dtype)
        if self.limit is not None:
            positive, negative = (active & (sign == which) for which in (1, -1))
            active = strongest(magnitude, positive, self.limit) | strongest(
                magnitude, negative, self.limit
            )
        count = active.sum(axes, keepdim=True).clamp_min(1)
        mean = (magnitude * active).sum(axes, keepdim=True) / count
        # A filter of zeros has next to no scale: with binary weights, its levels are not zero.
        return sign * active, mean.clamp_min(torch.finfo(mean.dtype).tiny), center


def _region_signs(weight: Tensor, tile: int) -> Tensor:
    """+1 or -1 for each region: a half of the filters, or every other tile of input channels.

    With tiles, neighbouring filters start with different signs, so that each channel is seen with
    both.
    """
    filters = torch.arange(weight.shape[0], device=weight.device)[:, None]
    if tile:
        channels = torch.arange(weight.shape[1], device=weight.device) // tile
        positive = (filters + channels) % 2 == 0
    else:
        positive = filters < weight.shape[0] // 2
    signs = torch.where(positive, 1.0, -1.0).to(weight.dtype)
    return signs.reshape(*signs.shape, *[1] * (weight.dim() - 2))

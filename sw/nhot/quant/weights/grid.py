"""Weights at the level nearest to them, on a scale that is searched or learned."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nhot.formats import Format
from nhot.quant.weights.accumulator import limited_levels
from nhot.quant.weights.multipliers import Multipliers
from nhot.quant.weights.rounding import nearest
from nhot.quant.weights.search import search_scale
from nhot.quant.weights.weights import WeightQuant

__all__ = ["GridWeights"]

WIDER = 8
"""Doublings of the scale that are tried under a limit,"""

STEPS = 4
"""and steps of a doubling."""


NEAR = 1e-3
"""Of a level, to be one but for the rounding of floats."""


class GridWeights(WeightQuant):
    """``scale * nearest(weight / scale)`` for any symmetric format.

    The gradient passes straight through the rounding, and stops where a weight saturates. A learned
    scale is trained with it (source: LSQ, arXiv 1902.08153), as a logarithm: it stays positive and
    a step of the optimiser is a relative one.

    Parameters
    ----------
    format : Format
    weight : (filters, ...) float
        Where the scale starts: at the least squared error.
    per_channel : bool
        One scale a filter, or one for all.
    learned : bool
        Whether training changes the scale.
    power_of_two : bool
        Whether the scale is a power of two; such a one is not learned.
    known : (filters,) float, optional
        Scales to start at where they make levels of all weights of the filter.
    """

    log_scale: Tensor

    def __init__(
        self, format: Format, weight: Tensor, *, per_channel: bool = True, learned: bool = True,
        power_of_two: bool = False, known: Tensor | None = None,
    ):
        super().__init__(format)
        rows = weight.detach().flatten(1) if per_channel else weight.detach().reshape(1, -1)
        log_scale = _start(rows, format, None if power_of_two else known, power_of_two).log()
        if learned and not power_of_two:
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale)
        self.power_of_two = power_of_two

    def forward(self, weight: Tensor) -> Tensor:
        scale = self._scale(weight)
        # Where nothing saturates, d/dscale is level - weight / scale: the error of the rounding.
        limited = (weight / scale).clamp(-self.format.max_level, self.format.max_level)
        return scale * (limited + (self._levels(limited) - limited).detach())

    def integers(self, weight: Tensor) -> tuple[Tensor, NDArray[np.float64]]:
        scale = self._scale(weight.detach()).detach()
        filters = np.broadcast_to(scale.flatten().double().cpu().numpy(), (weight.shape[0],))
        return self._levels(weight / scale).long(), filters.copy()

    @torch.no_grad()
    def limit_accumulator(self, bits: int, input_bits: int, weight: Tensor) -> None:
        """As in the base, with the scale of least squared error under the limit.

        Fewer units hold a filter that is too large for the limit on the scale it had.
        """
        super().limit_accumulator(bits, input_bits, weight)
        self._widen(weight)

    @torch.no_grad()
    def search(self, weight: Tensor, multipliers: Multipliers) -> None:
        scale = search_scale(weight.flatten(1), self.format, multipliers=multipliers)
        self.log_scale.copy_(scale.log())
        if self.limit is not None:
            self._widen(weight)
            scale = multipliers.nearest(self.log_scale.exp())
            self.log_scale.copy_(scale.log())

    def scale(self, weight: Tensor) -> Tensor:
        return self._scale(weight.detach()).detach().flatten().expand(len(weight))

    def _widen(self, weight: Tensor) -> None:
        """Take the scale of least squared error under the limit, from the present one on."""
        first = self.log_scale.clone()
        best, least = first, torch.full_like(first, torch.inf)
        steps = 1 if self.power_of_two else STEPS
        for step in range(WIDER * steps):
            wider = first + math.log(2) * step / steps
            self.log_scale.copy_(wider)
            error = (self(weight) - weight).square().reshape(len(first), -1).sum(1)
            best = torch.where(error < least, wider, best)
            least = torch.minimum(error, least)
        self.log_scale.copy_(best)

    def _levels(self, values: Tensor) -> Tensor:
        if self.limit is None:
            return nearest(values, self.format)
        return limited_levels(values, self.format, self.limit)

    def _scale(self, weight: Tensor) -> Tensor:
        # In binary floating point the logarithm of a power of two is not exact, its rounding is.
        scale = self.log_scale.exp()
        if self.power_of_two:
            scale = torch.exp2(scale.log2().round())
        return scale.reshape(-1, *[1] * (weight.dim() - 1))


def _start(
    rows: Tensor, format: Format, known: Tensor | None, power_of_two: bool
) -> Tensor:
    """The scale of each row: the one that is known, where it fits, or else a searched one."""
    if known is None or len(known) != len(rows):
        return search_scale(rows, format, power_of_two=power_of_two)
    scale, rest = known.clone(), ~_on_levels(rows, known, format)
    if bool(rest.any()):
        scale[rest] = search_scale(rows[rest], format)
    return scale


def _on_levels(rows: Tensor, scale: Tensor, format: Format) -> Tensor:
    """Which rows are ``scale`` times levels of ``format``, but for what lies beyond the last."""
    ratio = (rows / scale[:, None]).clamp(-format.max_level, format.max_level)
    return ((nearest(ratio, format) - ratio).abs() < NEAR).all(1)

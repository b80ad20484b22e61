"""The multipliers that weight scales may lead to, where these are to have few terms."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nhot.formats import naf_weight
from nhot.network.requant import SCALES

__all__ = ["Multipliers"]

LEAST, MOST = SCALES
"""Multipliers are at least the one and below the other."""

STEPS = 64
"""Parts of a power of two: the finest multipliers are whole numbers of units of 2**-24 even so."""


class Multipliers:
    """The multipliers of at most ``terms`` signed powers of two, by the weight scales they take.

    The multiplier of a filter is its scale over its ``unit``. All are numbered in ascending order,
    ``octave`` of them from one power of two to the next.

    Parameters
    ----------
    terms : int
    unit : (filters,) float64
        Scale of the weights at which the multiplier is one: an output unit over an input unit and
        the filter's gain. It may be infinite, where the gain is zero.
    """

    def __init__(self, terms: int, unit: Tensor):
        self.terms = terms
        self.unit = unit
        parts = [part / STEPS for part in range(STEPS, 2 * STEPS) if naf_weight(part) <= terms]
        exponents = range(int(np.log2(LEAST)), int(np.log2(MOST)))
        self.octave = len(parts)
        self._all = torch.tensor(
            [part * 2.0**exponent for exponent in exponents for part in parts],
            dtype=torch.float64, device=unit.device,
        )

    def __getitem__(self, filters: slice) -> Multipliers:
        """Those of some filters."""
        return Multipliers(self.terms, self.unit[filters])

    def number(self, scale: Tensor) -> Tensor:
        """Which multiplier is nearest to that of ``scale``, by their ratio. Both (filters,)"""
        middles = (self._all[1:] * self._all[:-1]).sqrt()
        return torch.bucketize(scale.double() / self.unit, middles)

    def scale(self, number: Tensor) -> Tensor:
        """The scales that lead to these multipliers; beyond the last one, to the last. float64"""
        return self._all[number.clamp(0, len(self._all) - 1)] * self.unit

    def nearest(self, scale: Tensor) -> Tensor:
        """The scales nearest to ``scale``; those of multipliers out of range stay. float64"""
        scale = scale.double()
        multiplier = scale / self.unit
        fits = (multiplier >= LEAST) & (multiplier < MOST)
        return torch.where(fits, self.scale(self.number(scale)), scale)

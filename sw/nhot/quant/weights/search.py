"""The scale of least squared error, found without rounding every weight for every candidate.

Weights that round to one level are neighbours once the magnitudes are sorted. With running sums
over the sorted magnitudes, a candidate costs a binary search for each level, not a pass over all
weights.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from nhot.formats import Format
from nhot.quant.weights.multipliers import Multipliers
from nhot.quant.weights.rounding import magnitudes

__all__ = ["search_scale"]

FRACTIONS = torch.logspace(math.log2(0.2), math.log2(1.5), 100, base=2).tolist()
"""Candidates, as parts of the scale at which the largest weight is the largest level."""

FINE = 1024
"""With more levels than this, rounding errs so little that saturation never pays."""

_BLOCK = 1 << 21  # weights sorted at a time


def search_scale(
    rows: Tensor, format: Format, *, power_of_two: bool = False,
    multipliers: Multipliers | None = None,
) -> Tensor:
    """The scale of least squared error for each row. (rows, weights) -> (rows,)

    Each candidate is refined to the best scale for the levels that it gives, or rounded to a power
    of two, or is one that leads to one of ``multipliers``. Candidates run from where the largest
    weight is the largest level, and a little above, down to a fifth of that. A row of zeros gets
    the scale 1.
    """
    size = max(1, _BLOCK // rows.shape[1])
    parts = []
    for start in range(0, len(rows), size):
        block = slice(start, start + size)
        chosen = None if multipliers is None else multipliers[block]
        parts.append(_search(rows[block].detach(), format, power_of_two, chosen))
    return torch.cat(parts)


def _search(
    rows: Tensor, format: Format, power_of_two: bool, multipliers: Multipliers | None
) -> Tensor:
    ordered = rows.abs().sort(dim=1).values
    largest = ordered[:, -1].double()
    full = torch.where(largest > 0, largest, 1.0) / format.max_level
    sums = _Sums(ordered, format)
    best, least = full.clone(), torch.full_like(full, torch.inf)
    for candidate in _candidates(full, format, power_of_two, multipliers):
        product, power = sums.at(candidate)
        refined = not power_of_two and multipliers is None
        scale = product / power if refined else candidate
        # The squared error, less the sum of squares that all candidates share.
        error = scale * (scale * power - 2 * product)
        better = (error < least) & (product > 0)
        best = torch.where(better, scale, best)
        least = torch.where(better, error, least)
    return torch.where(largest > 0, best, torch.ones_like(best)).to(rows.dtype)


def _candidates(
    full: Tensor, format: Format, power_of_two: bool, multipliers: Multipliers | None
) -> Iterator[Tensor]:
    if multipliers is not None:
        last = multipliers.number(full * 2)
        yield from (multipliers.scale(last - step) for step in range(4 * multipliers.octave))
    elif power_of_two:
        yield from (torch.exp2(full.log2().ceil() - step) for step in range(-1, 4))
    elif len(format.levels) > FINE:
        yield full
    else:
        yield from (full * fraction for fraction in FRACTIONS)


class _Sums:
    """``sum(level * |w|)`` and ``sum(level**2)`` of each row at any scale.

    Parameters
    ----------
    ordered : (rows, weights) float
        Magnitudes, ascending.
    format : Format
    """

    def __init__(self, ordered: Tensor, format: Format):
        levels = magnitudes(format, ordered)
        self.midpoints = ((levels[1:] + levels[:-1]) / 2).double()
        # A sum over levels is one over the steps from each level to the next.
        self.first = float(levels[0])
        self.steps = (levels[1:] - levels[:-1]).double()
        self.squares = (levels[1:].square() - levels[:-1].square()).double()
        self.ordered = ordered
        running = ordered.cumsum(1, dtype=torch.float64)
        self.running = torch.nn.functional.pad(running, (1, 0))

    def at(self, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Both sums, (rows,) float64, with each magnitude at the level nearest to it."""
        limits = (self.midpoints * scale[:, None]).to(self.ordered.dtype)
        below = torch.searchsorted(self.ordered, limits, right=True)
        total, count = self.running[:, -1], self.ordered.shape[1]
        above = total[:, None] - self.running.gather(1, below)
        product = self.first * total + above @ self.steps
        power = self.first**2 * count + (count - below).double() @ self.squares
        return product, power

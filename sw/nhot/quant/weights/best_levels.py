"""The levels of a table: those of least squared error for the weights of a layer.

At given scales the choice is exact. Weights between two neighbours of a table err by these two
alone, so that the error of a table is a sum over its gaps, and the best table up to a level goes on
from a best table up to another: a shortest path (dynamic programming; for the quantisers of least
squared error of one dimension see Bruce, 1965, and Wu, IEEE Transactions on Information Theory
1991).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nhot.formats import Format, OpenTable, Table
from nhot.quant.weights.search import search_scale

__all__ = ["best_magnitudes", "fit_table"]

ROUNDS = 2
"""Of levels chosen for the scales, and scales for the levels; more hardly change a thing."""

Floats = NDArray[np.float64]


def fit_table(
    format: OpenTable, weight: Tensor, *, per_channel: bool = True, power_of_two: bool = False
) -> Table:
    """The table for ``weight`` (filters, ...), on a scale for each filter or one for all.

    Levels and scales are chosen in turn, beginning with the scales for all levels of the format
    that the table is of.
    """
    rows = weight.detach().flatten(1) if per_channel else weight.detach().reshape(1, -1)
    rows = rows.double().cpu()
    scale = search_scale(rows, format.of, power_of_two=power_of_two)
    for _ in range(ROUNDS):
        ratio = (rows / scale[:, None]).abs()
        importance = scale.square()[:, None].expand_as(ratio)
        table = Table(of=format.of, magnitudes=best_magnitudes(
            ratio.flatten().numpy(), importance.flatten().numpy(), format.of, format.codes // 2
        ))
        scale = search_scale(rows, table, power_of_two=power_of_two)
    return table


def best_magnitudes(
    values: Floats, importance: Floats, of: Format, count: int
) -> tuple[int, ...]:
    """The ``count`` magnitudes of ``of``, zero first, to which ``values`` are nearest in all.

    Parameters
    ----------
    values, importance : (weights,) float64
        Magnitudes in units of their scales, and what the square of each one's error counts.
    """
    levels = of.levels[of.levels >= 0].astype(np.float64)
    errors = _Errors(values, importance)
    gaps = errors.between(*np.meshgrid(levels, levels, indexing="ij"))
    # The least error below each level, were it the last, and where the last gap of that began.
    least = np.where(levels == 0, 0.0, np.inf)
    starts = []
    for _ in range(count - 1):
        through = least[:, None] + gaps
        starts.append(through.argmin(0))
        least = through.min(0)
    place = int((least + errors.to(levels, levels, np.full_like(levels, np.inf))).argmin())
    path = [place]
    for start in reversed(starts):
        place = int(start[place])
        path.append(place)
    return tuple(int(levels[place]) for place in reversed(path))


class _Errors:
    """Squared errors of what lies in an interval, in constant time but for a search.

    Parameters
    ----------
    values, importance : (weights,) float64
    """

    def __init__(self, values: Floats, importance: Floats):
        order = np.argsort(values, kind="stable")
        self.values, weights = values[order], importance[order]
        self.sums = [
            np.concatenate([[0.0], np.cumsum(weights * self.values**power)]) for power in range(3)
        ]

    def to(self, level: Floats, low: Floats, high: Floats) -> Floats:
        """Of rounding what is above ``low``, and not above ``high``, to ``level``."""
        first, last = (np.searchsorted(self.values, end, side="right") for end in (low, high))
        count, linear, square = (one[last] - one[first] for one in self.sums)
        return np.asarray(square - 2 * level * linear + level**2 * count)

    def between(self, lower: Floats, upper: Floats) -> Floats:
        """Of what lies between two levels, rounded to the nearer; infinite unless they ascend."""
        middle = (lower + upper) / 2
        error = self.to(lower, lower, middle) + self.to(upper, middle, upper)
        return np.where(upper > lower, error, np.inf)

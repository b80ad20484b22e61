"""The best choice of one option for each layer under a budget, exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nhot.formats.format import Ints

__all__ = ["solve"]

Doubles = NDArray[np.float64]

SLACK = 1e-9
"""Relative, for sums of floats in another order."""
MOST = 100_000
"""Partial choices that are kept."""


def solve(costs: Ints, losses: Doubles, budget: float) -> Ints:
    """The options that lose least, of those whose costs add up to ``budget`` at most.

    The multiple-choice knapsack problem, by dynamic programming: after each layer only those
    partial choices are kept that no other one beats in both cost and loss. Dropped as well is what
    cannot become better than a choice already known, by the bound of a Lagrange multiplier; that
    keeps them few. Of equal losses the cheapest is taken. The result is the best one unless losses
    are almost proportional to costs, in many layers: then more than :data:`MOST` partial choices
    may be left, and the most promising are followed.

    Parameters
    ----------
    costs : (layers, options) int64
        The cheapest options together must be within the budget.
    losses : (layers, options) float64
    budget : float

    Returns
    -------
    (layers,) int64
        The index of the option of each layer.
    """
    price, feasible = _relaxed(costs, losses, budget)
    known = float(losses[np.arange(len(losses)), feasible].sum())
    least_cost = _from_the_end(costs.min(axis=1))
    least_sum = _from_the_end((losses + price * costs).min(axis=1))
    tolerance = SLACK * (float(np.abs(losses).max(axis=1).sum()) + price * budget)
    cost, loss = np.zeros(1, dtype=np.int64), np.zeros(1)
    steps: list[tuple[Ints, Ints]] = []  # which state before, which option, for each state
    for index in range(len(costs)):
        grown = (cost[:, None] + costs[index]).ravel()
        lost = (loss[:, None] + losses[index]).ravel()
        bound = lost + price * (grown - budget) + least_sum[index + 1]
        kept = np.flatnonzero(
            (grown + least_cost[index + 1] <= budget) & (bound <= known + tolerance)
        )
        kept = kept[np.lexsort((lost[kept], grown[kept]))]
        before = np.minimum.accumulate(np.concatenate([[np.inf], lost[kept][:-1]]))
        kept = kept[lost[kept] < before]
        if len(kept) > MOST:
            kept = kept[np.sort(np.argpartition(bound[kept], MOST)[:MOST])]
        cost, loss = grown[kept], lost[kept]
        steps.append(np.divmod(kept, costs.shape[1]))
    if not len(loss) or loss[-1] > known:
        return feasible
    state, chosen = len(loss) - 1, []
    for parents, options in reversed(steps):
        chosen.append(int(options[state]))
        state = int(parents[state])
    return np.array(chosen[::-1], dtype=np.int64)


def _relaxed(costs: Ints, losses: Doubles, budget: float) -> tuple[float, Ints]:
    """The least price of cost at which the best options fit the budget, and these options."""

    def at(price: float) -> tuple[bool, Ints]:
        # Of equal ones the cheapest.
        total = losses + price * costs
        best = total <= total.min(axis=1, keepdims=True)
        options = np.where(best, costs, np.iinfo(np.int64).max).argmin(axis=1)
        return bool(costs[np.arange(len(costs)), options].sum() <= budget), options

    fits, options = at(0.0)
    if fits:
        return 0.0, options
    low, high = 0.0, 2 * float(np.ptp(losses, axis=1).max()) + 1.0  # a unit of cost outweighs all
    options = at(high)[1]
    for _ in range(100):
        middle = (low + high) / 2
        fits, found = at(middle)
        if fits:
            high, options = middle, found
        else:
            low = middle
    return high, options


def _from_the_end(values: Ints | Doubles) -> Doubles:
    """The sum of each value and all behind it, and 0 behind the last."""
    return np.append(np.cumsum(values[::-1])[::-1], 0).astype(np.float64)

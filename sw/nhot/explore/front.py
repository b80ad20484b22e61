"""Pareto fronts: what nothing else beats: as good in everything, better in something."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["front"]

Costs = Sequence[float]


def front(points: Sequence[Costs], hopes: Sequence[Costs] | None = None) -> list[int]:
    """Places of the points that no other beats.

    Parameters
    ----------
    points : sequence of costs
        Of each of which less is better.
    hopes : sequence of costs, optional
        What each may come to instead, where costs are estimates: a point stays if that is not
        beaten by what the others are.
    """
    best: list[tuple[float, ...]] = []
    for costs in sorted({tuple(one) for one in points}):  # what beats another comes before it
        if not any(_beats(one, costs) for one in best):
            best.append(costs)
    # What is beaten at all is beaten by one of these.
    hoped = points if hopes is None else hopes
    return [place for place, costs in enumerate(hoped)
            if not any(_beats(one, costs) for one in best)]


def _beats(one: Costs, other: Costs) -> bool:
    return tuple(one) != tuple(other) and all(a <= b for a, b in zip(one, other, strict=True))

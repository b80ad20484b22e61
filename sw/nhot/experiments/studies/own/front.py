"""Pareto fronts: what nothing else is better than."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["front"]


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Places of the points that no other one beats, by cost and then by place.

    Parameters
    ----------
    points : sequence of (cost, gain)
        Of which less cost and more gain is better. One beats another if it is better in one of the
        two and no worse in the other.
    """
    return sorted(
        (place for place, one in enumerate(points)
         if not any(_beats(other, one) for other in points)),
        key=lambda place: (points[place][0], place),
    )


def _beats(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return a[0] <= b[0] and a[1] >= b[1] and a != b

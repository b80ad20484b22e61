"""Axes that show the differences there are: zoomed, from zero, or logarithmic."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Axis", "accuracy_axis", "amount_axis", "log_axis", "of_axis", "score_axis",
           "zoomed_axis"]

WIDE = 30.0
"""Ratio of the greatest value to the least from which on an axis is logarithmic."""

ERRORS = 8.0
"""The same for errors, whose ratio is what tells good accuracies apart."""


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A way from values to places, 0 (left or below) to 100.

    Parameters
    ----------
    low, high : float
        Values at the ends.
    ticks : sequence of float
    kind : str
        ``linear`` from zero, ``zoomed`` or ``log``.
    warp : callable
        What is spaced evenly.
    """

    low: float
    high: float
    ticks: Sequence[float]
    kind: str
    warp: Callable[[float], float] = float

    def at(self, value: float) -> float:
        """The place of ``value``; beyond an end it is that end."""
        low, high = self.warp(self.low), self.warp(self.high)
        inside = min(max(value, self.low), self.high)
        return min(max(100 * (self.warp(inside) - low) / (high - low), 0.0), 100.0)


def amount_axis(values: Iterable[float]) -> Axis:
    """For amounts, 0 or more: from zero, or logarithmic if the least of them would not be seen."""
    known = [value for value in values if value > 0] or [1.0]
    if max(known) / min(known) > WIDE:
        return log_axis(known)
    ticks = _ticks(0.0, max(known))
    return Axis(low=0.0, high=max(max(known), ticks[-1]), ticks=ticks, kind="linear")


def score_axis(values: Sequence[float]) -> Axis:
    """For scores of any kind: zoomed, or logarithmic if they differ very much."""
    low, high = min(values), max(values)
    return log_axis(values) if 0 < low < high / WIDE else zoomed_axis(low, high)


def of_axis(axis: Axis) -> str:
    """What has to be said of it."""
    return " The axis is logarithmic." if axis.kind == "log" else ""


def zoomed_axis(low: float, high: float, least: float = 0.0) -> Axis:
    """From ``low`` to ``high`` and a margin, at least ``least`` together."""
    span = max(high - low, least, abs(high) * 1e-6, 1e-9)
    centre = (low + high) / 2
    left, right = centre - span * 0.6, centre + span * 0.6
    ticks = [tick for tick in _ticks(left, right) if left <= tick <= right]
    return Axis(low=left, high=right, ticks=ticks, kind="zoomed")


def log_axis(values: Iterable[float]) -> Axis:
    """Logarithmic, for values above zero."""
    known = [value for value in values if value > 0] or [1.0]
    low, high = math.log10(min(known)), math.log10(max(known))
    margin = max((high - low) * 0.06, 0.02)
    left, right = 10 ** max(low - margin, -300), 10 ** min(high + margin, 300)
    step = max(1, math.ceil((high - low) / 5))
    factors = (1, 2, 5) if high - low < 2.2 else (1,)
    ticks = [
        factor * 10.0**power for power in range(math.floor(low) - 1, math.ceil(high) + 1, step)
        for factor in factors if -300 < power < 300
    ]
    return Axis(low=left, high=right, ticks=[tick for tick in ticks if left <= tick <= right],
                kind="log", warp=math.log10)


def accuracy_axis(shares: Sequence[float], lows: Sequence[float], highs: Sequence[float]) -> Axis:
    """For accuracies as parts of 1, and the ends of what chance would make of them.

    Zoomed; with errors of very different sizes it is logarithmic in the error.
    """
    errors = [max(1 - share, 1e-5) for share in shares]
    if max(errors) / min(errors) <= ERRORS:
        zoomed = zoomed_axis(min(lows), max(highs), least=0.01)
        right = min(zoomed.high, 1.002)
        left = max(zoomed.low, -0.002)
        ticks = [tick for tick in _ticks(left, right) if max(left, 0) <= tick <= min(right, 1)]
        return Axis(low=left, high=right, ticks=ticks, kind="zoomed")
    least = max(1 - max(highs), min(errors) / 2, 1e-6)
    most = min(1 - min(lows), 1.0)
    left, right = 1 - min(most * 1.15, 1.0), 1 - least * 0.85
    known = (0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999)
    return Axis(low=left, high=right, ticks=[tick for tick in known if left <= tick <= right],
                kind="log", warp=lambda share: -math.log10(max(1 - share, 1e-9)))


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers from the last at or below ``low`` to the first not below
    ``high``."""
    span = high - low
    power = 10.0 ** math.floor(math.log10(span))
    step = next(power * one for one in (0.2, 0.5, 1, 2, 5) if span / (power * one) <= 5)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]

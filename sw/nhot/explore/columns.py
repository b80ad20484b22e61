"""Points as columns, for a terminal and for a page, and what was left out as lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nhot.explore.point import Point

__all__ = ["Column", "columns", "left_out"]

Value = int | float | str


@dataclass(frozen=True, kw_only=True)
class Column:
    """One thing that is told of every point.

    Parameters
    ----------
    head : str
    value : callable
        From a point; a float is shown with one digit behind the point.
    numeric : bool
        Whether it is aligned right.
    axis : bool
        Whether it is an axis of the sweep, of no interest where it has one value.
    """

    head: str
    value: Callable[[Point], Value]
    numeric: bool = True
    axis: bool = False


def columns(points: Sequence[Point], metric: str) -> list[Column]:
    """The columns of a table of some of ``points``; axes with one value are left out."""
    return [one for one in _columns(metric)
            if not one.axis or len({one.value(point) for point in points}) > 1]


def _columns(metric: str) -> tuple[Column, ...]:
    return (
        Column(head="format", value=lambda one: one.rounding.format, numeric=False),
        Column(head="bits", value=lambda one: one.rounding.bits, axis=True),
        Column(head="terms", value=lambda one: one.rounding.requant_terms, axis=True),
        Column(head="TxPxS", value=lambda one: one.array, numeric=False),
        Column(head="R", value=lambda one: one.config.requantisers),
        Column(head="R terms", value=lambda one: one.config.requant_terms, axis=True),
        Column(head="lane", value=lambda one: one.config.lane, numeric=False, axis=True),
        Column(head="depthwise", value=lambda one: "yes" if one.config.depthwise else "no",
               numeric=False, axis=True),
        Column(head="board", value=lambda one: one.board, numeric=False),
        Column(head=metric, value=lambda one: one.scored.text),
        Column(head="LUTs", value=lambda one: one.luts),
        Column(head="blocks", value=lambda one: one.block_memories),
        Column(head="DSPs", value=lambda one: one.dsps, axis=True),
        Column(head="cycles", value=lambda one: one.cycles),
        Column(head="MHz", value=lambda one: one.fmax_mhz),
        Column(head="inferences/s", value=lambda one: round(one.rate)),
    )


def left_out(counted: Counter[str], most: int = 8) -> list[str]:
    """How many were left out and why, the most frequent reasons first."""
    common = counted.most_common()
    lines = [f"{count:,} left out: {reason}" for reason, count in common[:most]]
    rest = sum(count for _, count in common[most:])
    return [*lines, f"{rest:,} left out for other reasons"] if rest else lines

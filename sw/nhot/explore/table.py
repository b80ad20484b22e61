"""Points as a table, and what was left out as lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from nhot.explore.point import Point
from nhot.report.sections import SHARES
from nhot.trials import Scored

__all__ = ["NUMERIC", "cells", "heads", "left_out", "score_text"]

_HEADS = ("", "format", "bits", "terms", "T x P x S", "R", "R terms", "lane", "board", "LUTs",
          "blocks", "cycles", "Fmax, MHz", "inferences/s", "figures")
_SCORE = 9
"""Where the measure stands among these."""

NUMERIC = {"bits", "terms", "R", "R terms", "LUTs", "blocks", "cycles", "Fmax, MHz",
           "inferences/s"}
"""Heads of columns of numbers, but for the measure's."""


def heads(metric: str) -> tuple[str, ...]:
    """Of the columns; ``metric`` is that of the scores."""
    return (*_HEADS[:_SCORE], metric, *_HEADS[_SCORE:])


def cells(points: Sequence[Point], front: Sequence[Point]) -> list[tuple[str | int, ...]]:
    """A row for each point; those of the front have a mark."""
    return [
        ("*" if point in front else "", point.rounding.format, point.rounding.bits,
         point.rounding.requant_terms, point.array, point.config.requantisers,
         point.config.requant_terms, point.config.lane, point.board, score_text(point.scored),
         point.luts, point.block_memories, point.cycles, f"{point.fmax_mhz:.1f}",
         f"{point.rate:,.0f}", point.stage)
        for point in points
    ]


def left_out(counted: Counter[str], most: int = 8) -> list[str]:
    """How many were left out and why, the most frequent reasons first."""
    common = counted.most_common()
    lines = [f"{count:,} left out: {reason}" for reason, count in common[:most]]
    rest = sum(count for _, count in common[most:])
    return [*lines, f"{rest:,} left out for other reasons"] if rest else lines


def score_text(scored: Scored) -> str:
    """A measure as people read it."""
    return (f"{100 * scored.value:.2f} %" if scored.metric in SHARES else f"{scored.value:.4g}")

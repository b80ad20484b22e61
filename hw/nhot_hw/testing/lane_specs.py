"""Lanes by the names of their formats."""

from __future__ import annotations

from nhot.formats import parse
from nhot_hw.lanes import LaneSpec

__all__ = ["spec_of"]


def spec_of(
    format: str = "2hot", inputs: int = 2, style: str = "parallel", **options: object
) -> LaneSpec:
    """A lane of the format of that name; 2-hot with two inputs where nothing else is said."""
    return LaneSpec(format=parse(format), inputs=inputs, style=style, **options)

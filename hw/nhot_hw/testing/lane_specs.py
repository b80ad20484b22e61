"""Lanes by the names of their formats."""

from __future__ import annotations

from nhot.formats import parse
from nhot_hw.lanes import LaneSpec

__all__ = ["spec_of"]


def spec_of(name: str, inputs: int, style: str = "parallel", **options: object) -> LaneSpec:
    """A lane of the format ``name``."""
    return LaneSpec(format=parse(name), inputs=inputs, style=style, **options)

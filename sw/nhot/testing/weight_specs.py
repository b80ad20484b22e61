"""How weights are rounded, by the names of their formats."""

from __future__ import annotations

from typing import Any

from nhot.formats import parse
from nhot.quant.weights import WeightSpec

__all__ = ["spec"]


def spec(name: str, **options: Any) -> WeightSpec:
    """Weights of the format ``name``."""
    return WeightSpec(format=parse(name), **options)

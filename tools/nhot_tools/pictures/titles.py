"""All pictures: their names, titles, and what draws them."""

from __future__ import annotations

from collections.abc import Callable

from nhot_hw.core.timing import Rows
from nhot_tools.pictures.scenes import control, line, results, storage, sums
from nhot_tools.pictures.svg import render

__all__ = ["PICTURES", "picture"]

PICTURES: dict[str, Callable[[], Rows]] = {
    name.replace("_", "-"): getattr(module, name)
    for module in (control, storage, sums, results, line) for name in module.__all__
}
"""By the names of their files."""


def picture(name: str) -> str:
    """Simulate and draw; an SVG."""
    scene = PICTURES[name]
    return render(scene(), scene.__doc__ or name)

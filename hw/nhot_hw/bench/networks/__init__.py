"""Whole networks on whole engines: the four of MLPerf Tiny, how fast and how full."""

from __future__ import annotations

from nhot.errors import NhotError

__all__ = ["NAMES", "names"]

NAMES = ("ic", "kws", "vww", "ad")
"""Image classification, keyword spotting, visual wake words, anomaly detection."""


def names(text: str | None) -> list[str]:
    """The networks in a list with commas, each once; all of them without one."""
    chosen = list(NAMES) if text is None else list(dict.fromkeys(text.split(",")))
    for name in chosen:
        if name not in NAMES:
            raise NhotError(f"Network must be one of {', '.join(NAMES)}, not {name!r}")
    return chosen

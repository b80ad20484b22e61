"""Cores from a few words: their lanes, and the command that writes them."""

from __future__ import annotations

from nhot.cli import main
from nhot.formats import parse
from nhot_hw.lanes import LaneSpec

__all__ = ["core", "spec_of"]


def spec_of(*, format="2hot", inputs=2, **options):
    """Of one lane, 2-hot with two inputs where nothing else is said."""
    return LaneSpec(format=parse(format), inputs=inputs, **options)


def core(folder, *arguments):
    """Run ``nhot core``, which writes ``folder``; its exit code."""
    return main(["core", *map(str, arguments), "-o", str(folder)])

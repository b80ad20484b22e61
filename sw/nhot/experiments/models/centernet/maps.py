"""What the channels of a detector's one output are.

Maps are (classes + 4, height / 4, width / 4): a heatmap for each class, whose logit says how likely
the centre of an object is in a cell, then width and height of the object there, then the offset
(x, y) of its centre in the cell, in cells.

An integer network has one output and one scale for all of it. So sizes are logarithms, which makes
them numbers as small as logits and offsets are: with pixels, as the paper has them, an offset would
be less than a step of eight bits.
"""

from __future__ import annotations

__all__ = ["HEATMAP", "OFFSET", "REGRESSED", "SIZE", "STRIDE", "UNIT"]

STRIDE = 4
"""Pixels of the image that a cell is wide and high."""

UNIT = 32.0
"""Pixels of a side whose logarithm is zero: ``log(side / UNIT)`` is what a map holds."""

REGRESSED = 4
"""Channels after the heatmaps: two of size and two of offset."""

HEATMAP = slice(None, -4)
SIZE = slice(-4, -2)
OFFSET = slice(-2, None)

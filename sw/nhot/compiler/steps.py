"""Weights as the array meets them: steps of S inputs, of those words that a tile of filters reads.

A filter of a grouped convolution sees the channels of its group alone, and a tile of P filters the
words in which these lie. Where every tile needs as many words, each so far behind the one before,
no other words are read: a depthwise layer with P = S has one word a tile, and its weights lie on a
diagonal. Where they are not, as with several tiles a word, a layer may go in parts (``parts.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nhot.contract.config import EngineConfig
from nhot.formats.format import Ints

__all__ = ["Reach", "grouped_steps", "reach"]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Which words of an input position the tiles of a layer read.

    Parameters
    ----------
    filters : range
        Of the layer; those that the tiles are made of.
    first : int
        First word of the first tile.
    words : int
        That each tile reads, one after the other.
    distance : int
        Words from the first one of a tile to that of the next.
    """

    filters: range
    first: int
    words: int
    distance: int


def reach(
    filters: int, groups: int, places: Ints, config: EngineConfig, part: range | None = None
) -> Reach:
    """The fewest words that hold what each tile reads, at a constant distance.

    Of all filters, or of a ``part`` that begins with a tile; ``places`` are the bytes of a position
    that the channels of all groups lie in. No tile reads beyond the words of a position.
    """
    part = part or range(filters)
    depth = len(places) // groups
    tile = np.arange(-(-len(part) // config.filters))
    start = part.start + tile * config.filters
    last_filter = np.minimum(start + config.filters, part.stop) - 1
    first = places[start * groups // filters * depth] // config.inputs
    last = places[(last_filter * groups // filters + 1) * depth - 1] // config.inputs
    base, left = int(first[0]), int(places[-1]) // config.inputs + 1 - int(first[0])
    distance = int(((first - base)[1:] // tile[1:]).min()) if len(tile) > 1 else 0
    while True:  # a distance of 0 always holds
        words = int((last - base - tile * distance).max()) + 1
        if int(tile[-1]) * distance + words <= left:
            return Reach(filters=part, first=base, words=words, distance=distance)
        distance -= 1


def grouped_steps(
    levels: Ints, groups: int, places: Ints, reach: Reach, config: EngineConfig
) -> Ints:
    """Weights (filters, y, x, depth) of a layer in the words of the tiles of ``reach``.

    (filters of ``reach``, y, x, words, S) int64. Inputs of a word that a filter does not see have a
    weight of zero.
    """
    filters, height, width, depth = levels.shape
    part = reach.filters
    index = np.arange(len(part))
    first = (reach.first + index // config.filters * reach.distance) * config.inputs
    group = (part.start + index) * groups // filters
    channels = places[group[:, None] * depth + np.arange(depth)] - first[:, None]
    steps = np.zeros((len(part), height, width, reach.words * config.inputs), np.int64)
    np.put_along_axis(steps, channels[:, None, None], levels[part.start : part.stop], axis=3)
    return steps.reshape(len(part), height, width, reach.words, config.inputs)

"""Weights as the array meets them: steps of S inputs, of those words that a tile of filters reads.

A filter of a grouped convolution sees the channels of its group alone, and a tile of P filters the
words in which these lie. Where every tile needs as many words, each so far behind the one before,
no other words are read: a depthwise layer with P = S has one word a tile, and its weights lie on a
diagonal.
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
    words : int
        That each tile reads, one after the other.
    distance : int
        Words from the first one of a tile to that of the next.
    """

    words: int
    distance: int


def reach(filters: int, groups: int, depth: int, config: EngineConfig) -> Reach:
    """The fewest words that hold what each tile reads, at a constant distance.

    ``depth`` is the channels of a group. No tile reads beyond the words of a position.
    """
    tile = np.arange(-(-filters // config.filters))
    last_filter = np.minimum((tile + 1) * config.filters, filters) - 1
    first = tile * config.filters * groups // filters * depth // config.inputs
    last = ((last_filter * groups // filters + 1) * depth - 1) // config.inputs
    distance = int((first[1:] // tile[1:]).min()) if len(tile) > 1 else 0
    while True:  # a distance of 0 always holds
        words = int((last - tile * distance).max()) + 1
        if int(tile[-1]) * distance + words <= last[-1] + 1:
            return Reach(words=words, distance=distance)
        distance -= 1


def grouped_steps(levels: Ints, groups: int, reach: Reach, config: EngineConfig) -> Ints:
    """Weights (filters, y, x, depth) in the words of their tiles. (filters, y, x, words, S) int64

    Inputs of a word that a filter does not see have a weight of zero.
    """
    filters, height, width, depth = levels.shape
    index = np.arange(filters)
    first = index // config.filters * reach.distance * config.inputs
    channels = (index * groups // filters * depth - first)[:, None] + np.arange(depth)
    steps = np.zeros((filters, height, width, reach.words * config.inputs), np.int64)
    np.put_along_axis(steps, channels[:, None, None], levels, axis=3)
    return steps.reshape(filters, height, width, reach.words, config.inputs)

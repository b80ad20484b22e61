"""Additions as a layer of the lanes: each channel of the sum takes its own channel of two tensors.

An addition requantises each operand by a multiplier of its own, and the window unit hands them on
one after the other, a pixel at a time. If both multipliers are one number times a level of the
engine's weights, lanes that weight the operands with these levels form the very same sum, for T
pixels at a time, and that one number is left to the requantisers. So it is with multipliers that
are powers of two, not too far apart. Such a layer walks the positions as a single row, and its two
taps are the two operands, wherever they lie.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nhot.compiler.layout import offset
from nhot.compiler.lower import Layer, stored, walked
from nhot.compiler.passes import Pass
from nhot.compiler.steps import grouped_steps, reach
from nhot.compiler.walks import POINT
from nhot.contract.config import EngineConfig
from nhot.contract.program import Operation
from nhot.formats import Format
from nhot.formats.format import Ints
from nhot.formats.terms import naf_weight
from nhot.network import Add
from nhot.network.requant import MAX_TERMS

__all__ = ["lower_addition"]


def lower_addition(one: Pass, config: EngineConfig) -> Layer | None:
    """The pass of an :class:`Add` as a layer of the lanes; None if its sums are none of theirs."""
    node, fmt = one.walk.node, config.weight_format
    assert isinstance(node, Add)
    factors = common_factor(node.requant.multiplier, fmt)
    height, width, channels = walked(one.inputs[0], config)
    if factors is None or not fmt.contains(0):
        return None
    weights, multiplier = factors
    places = np.arange(channels)
    words = reach(channels, channels, places, config)
    if words.words * config.inputs > max(config.filters, config.inputs):
        return None  # its tiles would read words that they do not add
    levels, signs = fmt.fold_signs(np.tile(weights[:, None, None], (channels, 1, 1, 1)))
    shifts = np.array([held.tensor.zero_point + offset(held.tensor) for held in one.inputs])
    requant = replace(node.requant, multiplier=signs * multiplier)
    return Layer(
        **vars(one), operation=Operation.ARRAY, window=POINT,
        levels=grouped_steps(levels, channels, places, words, config), reach=words,
        bias=-signs * int(weights @ shifts), requant=stored(requant, one.output.tensor),
        source=(1, height * width, channels), target=(1, height * width, channels),
    )


def common_factor(multipliers: Ints, fmt: Format) -> tuple[Ints, int] | None:
    """Levels and one number whose products are the multipliers; of several the fewest terms."""
    found = [
        (naf_weight(factor), -abs(factor), factor)
        for level in fmt.levels.tolist() if level > 0
        for factor, rest in [divmod(int(multipliers[0]), level)]
        if factor and not rest and not (multipliers % factor).any()
        and fmt.contains(multipliers // factor).all()
    ]
    if not found or min(found)[0] > MAX_TERMS:
        return None
    *_, factor = min(found)
    return multipliers // factor, factor

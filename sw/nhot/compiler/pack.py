"""Weights and requantisation records as the words of their memories."""

from __future__ import annotations

import numpy as np

from nhot.compiler.lower import Layer
from nhot.contract.config import EngineConfig
from nhot.formats.format import Ints
from nhot.formats.terms import naf_terms, naf_weight
from nhot.network.requant import MAX_TERMS

__all__ = ["hardware_bias", "in_words", "inverted", "requant_words", "term_word", "weight_levels"]


def weight_levels(layer: Layer, config: EngineConfig) -> Ints:
    """Levels in the order in which the array reads them. (words, P, S) int64"""
    assert layer.levels is not None
    return config.weight_format.filled(in_words(layer.levels, config))


def in_words(steps: Ints, config: EngineConfig) -> Ints:
    """Steps (filters, y, x, words, S) in the order in which the array reads them. (words, P, S)

    Word by word: filter tile, kernel y, kernel x, word that the tile reads; within a word filter
    by filter. Filters beyond the layer's are zero.
    """
    fill = -len(steps) % config.filters
    padded = np.pad(steps, ((0, fill), *[(0, 0)] * 4))
    split = padded.reshape(-1, config.filters, *padded.shape[1:])
    return split.transpose(0, 2, 3, 4, 1, 5).reshape(-1, config.filters, config.inputs)


def requant_words(layer: Layer, config: EngineConfig) -> Ints:
    """Records of R lanes of (bias, terms) word pairs. (2 * groups, R) uint32 in int64

    An array layer has a record a group of R filters; any other has one record (an addition two)
    that all outputs share.
    """
    bias = hardware_bias(layer, config)
    terms = np.array([term_word(int(m)) for m in layer.requant.multiplier], dtype=np.int64)
    if layer.operation.on_lanes:
        fill = -len(bias) % config.requantisers
        bias, terms = (np.pad(a, (0, fill)).reshape(-1, config.requantisers) for a in (bias, terms))
    else:
        bias, terms = (np.repeat(a[:, None], config.requantisers, axis=1) for a in (bias, terms))
    return np.stack([bias & 0xFFFF_FFFF, terms], axis=1).reshape(-1, config.requantisers)


def hardware_bias(layer: Layer, config: EngineConfig) -> Ints:
    """The bias with the ones that the lanes leave out: every field counts, padding included."""
    if not layer.operation.on_lanes:
        return layer.bias
    return layer.bias + inverted(layer, config)


def inverted(layer: Layer, config: EngineConfig) -> Ints:
    """The ones that the lanes leave out of each filter's sums, whatever the input. (filters,)"""
    assert layer.levels is not None
    counts = config.weight_format.inverted_terms(layer.levels)
    return np.asarray(counts.sum(axis=(1, 2, 3)), dtype=np.int64)


def term_word(multiplier: int) -> int:
    """Four bytes: bit 7 non-zero, bit 6 negative, bits 4..0 the shift."""
    word = 0
    for i, (sign, shift) in enumerate(reversed(naf_terms(multiplier))):
        assert shift < 32  # a multiplier is at most 2^31
        word |= (0x80 | (sign < 0) << 6 | shift) << (8 * i)
    assert naf_weight(multiplier) <= MAX_TERMS
    return word

"""The layers of a quantised model: each trains in float and computes in integers.

A layer has two lives. ``forward`` is fake quantisation, in float, for training. ``integers`` is
the exact computation, with the very levels, biases and multipliers that ``node`` writes into the
integer network. Values are (batch, channels, height, width); integers are int64.
"""

from nhot.quant.layers.affine import QuantAffine
from nhot.quant.layers.clamp import QuantClamp
from nhot.quant.layers.filters import QuantFilters
from nhot.quant.layers.joins import QuantAdd, QuantConcat
from nhot.quant.layers.layer import Grid, QuantInput, QuantLayer, RoundingLayer
from nhot.quant.layers.pools import QuantAvgPool, QuantMaxPool, QuantUpsample
from nhot.quant.layers.round_terms import QuantRoundTerms
from nhot.quant.layers.transposed import QuantConvTranspose

__all__ = [
    "Grid", "QuantAdd", "QuantAffine", "QuantAvgPool", "QuantClamp", "QuantConcat",
    "QuantConvTranspose", "QuantFilters", "QuantInput", "QuantLayer", "QuantMaxPool",
    "QuantRoundTerms", "QuantUpsample", "RoundingLayer",
]

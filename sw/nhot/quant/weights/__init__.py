"""Weights on the levels of a format: which level, at which scale, and the gradients of both."""

from nhot.quant.weights.grid import GridWeights
from nhot.quant.weights.multipliers import Multipliers
from nhot.quant.weights.rounding import nearest, toward_zero
from nhot.quant.weights.search import search_scale
from nhot.quant.weights.spec import Rule, Scale, WeightSpec, weight_quant
from nhot.quant.weights.threshold import THRESHOLD, ThresholdWeights
from nhot.quant.weights.weights import WeightQuant

__all__ = [
    "THRESHOLD", "GridWeights", "Multipliers", "Rule", "Scale",
    "ThresholdWeights", "WeightQuant", "WeightSpec", "nearest",
    "search_scale", "toward_zero", "weight_quant",
]

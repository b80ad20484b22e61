"""Ranges of activations that give up outliers for finer steps."""

from __future__ import annotations

import copy

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from nhot.quant.activations import ActivationQuant
from nhot.quant.exact import ExactActivations, replace_rounding
from nhot.quant.layers import RoundingLayer
from nhot.quant.model import QuantModel, as_samples, batches
from nhot.quant.post_training.walk import images

__all__ = ["fit_ranges"]

BINS = 2048
CANDIDATES = 81
LEAST = 0.2
"""The smallest part of the full range that is tried."""


def fit_ranges(model: QuantModel, samples: ArrayLike | Tensor) -> None:
    """Give every activation the range that it is rounded in with the least squared error, in place.

    Tried are parts of the full range, from a fifth to all of it, with both ends scaled alike; what
    lies beyond saturates. The fewer the bits, the more there is to gain: at 8 almost nothing, at 4
    and below much. A range that is known (of the input) stays. Weights are rounded and activations
    are not while values are counted. The model is left in evaluation mode.

    Parameters
    ----------
    model : QuantModel
    samples : (samples, channels, height, width), or as ``quantize`` takes them, float
    """
    tensor = as_samples(samples)
    x = images(model, tensor).to(model.filters[0].weight.device)
    model.calibrate(tensor)
    model.eval()
    counter = copy.deepcopy(model)
    counts: dict[str, _Counts] = {}
    for layer in counter:
        if isinstance(layer, RoundingLayer):
            if not layer.rounding.fixed:
                counts[layer.name] = _Counts(layer.rounding)
            replace_rounding(layer, counts.get(layer.name, ExactActivations()))
    with torch.no_grad():
        for (batch,) in batches(x):
            values = {counter.input.name: counter.input(batch)}
            for layer in list(counter)[1:]:
                values[layer.name] = layer(*(values[name] for name in layer.sources))
    for layer in model:
        if layer.name in counts:
            assert isinstance(layer, RoundingLayer)
            part = counts[layer.name].best_part()
            layer.rounding.minimum.mul_(part)
            layer.rounding.maximum.mul_(part)
    model.choose_scales()


class _Counts(ExactActivations):
    """Counts the values it passes on, in bins over the range of ``full``."""

    def __init__(self, full: ActivationQuant):
        super().__init__(full.bits)
        self.unit = full.unit
        self.low, self.high = float(full.minimum), float(full.maximum)
        self.counts = torch.zeros(BINS, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        counts = torch.histc(x.float(), BINS, self.low, self.high)
        self.counts += counts.double().cpu()
        return x

    def best_part(self) -> float:
        """The part of the range that rounds with the least squared error."""
        width = (self.high - self.low) / BINS
        values = self.low + width * (torch.arange(BINS, dtype=torch.float64) + 0.5)
        parts: list[float] = torch.linspace(1, LEAST, CANDIDATES, dtype=torch.float64).tolist()
        return min(parts, key=lambda part: self._error(values, part))

    def _error(self, values: Tensor, part: float) -> float:
        quant = ActivationQuant(self.bits, fixed=(self.low * part, self.high * part))
        quant.unit = self.unit
        grid = quant.tensor("activation", (1, 1, 1))
        rounded = ((values / grid.scale).round() + grid.zero_point).clamp(grid.low, grid.high)
        error = (rounded - grid.zero_point) * grid.scale - values
        return float((self.counts * error.square()).sum())

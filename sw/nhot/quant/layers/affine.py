"""Constants of a model, or zeros around a map, that no layer with weights could take in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nhot.network.tensor import Shape
from nhot.quant.activations import ActivationQuant
from nhot.quant.layers.filters import QuantFilters
from nhot.quant.tracing.frozen import FrozenNorm
from nhot.quant.weights import WeightSpec

__all__ = ["QuantAffine"]


class QuantAffine(QuantFilters):
    """``gain * x + offset`` for each channel: a depthwise 1x1 convolution and a frozen norm.

    All weights are one, so that any format has them; where it has no positive level for a filter
    (signed-binary), they are minus one, and the gain is negated. They are not trained.

    Parameters
    ----------
    name, source, shape, rounding, input_shape, spec
        As in :class:`QuantFilters`.
    gain, offset : (channels,) Tensor
    """

    def __init__(
        self, name: str, source: str, shape: Shape, rounding: ActivationQuant, input_shape: Shape,
        spec: WeightSpec, gain: Tensor, offset: Tensor,
    ):
        channels = len(gain)
        module = nn.Conv2d(channels, channels, 1, groups=channels, bias=False, device="meta")
        module.weight = nn.Parameter(torch.ones(channels, 1, 1, 1))
        super().__init__(name, source, shape, rounding, module, input_shape, spec)
        self.weight.requires_grad_(False)
        self.norm = FrozenNorm(gain, offset)
        self._choose_signs()

    def set_spec(self, spec: WeightSpec) -> None:
        super().set_spec(spec)
        self._choose_signs()

    @torch.no_grad()
    def _choose_signs(self) -> None:
        assert isinstance(self.norm, FrozenNorm)
        old = self.weight.sign()
        positive = self.weights(torch.ones_like(self.weight)) > 0
        self.weight.copy_(torch.where(positive, 1.0, -1.0))
        self.norm.weight.mul_((self.weight * old).flatten())
        self.weights = self._weight_quant()

"""Both models side by side, layer by layer, over all samples at once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from nhot.quant.layers import QuantFilters, QuantLayer, QuantRoundTerms
from nhot.quant.model import QuantModel, as_maps, as_samples, batches
from nhot.quant.post_training.twin import check_twin, float_twin

__all__ = ["Adjust", "apply", "images", "walk"]

Adjust = Callable[[QuantFilters, Tensor, QuantFilters, Tensor], None]
"""Changes a quantised layer, given what it reads, the float layer, and what that one reads."""

BATCH = 64


def walk(
    model: QuantModel, float_model: nn.Module, samples: ArrayLike | Tensor, adjust: Adjust
) -> None:
    """Call ``adjust`` for each layer with weights, in order; later ones see what it changed.

    The quantised layers read what the quantised layers before them make, in fake quantisation,
    and the float layers what float layers make. Values are kept for as long as a layer is to read
    them: of both models, for all samples. The model is left in evaluation mode.
    """
    tensor = as_samples(samples)
    terms = next((layer.n for layer in model if isinstance(layer, QuantRoundTerms)), None)
    twin = float_twin(float_model, tensor, terms)
    check_twin(model, twin)
    device = model.filters[0].weight.device
    twin.to(device).eval()
    model.eval()
    x = images(model, tensor).to(device)
    last = {source: index for index, layer in enumerate(model) for source in layer.sources}
    rounded: dict[str, Tensor] = {}
    exact: dict[str, Tensor] = {}
    floats = {layer.name: layer for layer in twin}
    for index, layer in enumerate(model):
        other = floats[layer.name]
        reads = [rounded[name] for name in layer.sources] or [x]
        float_reads = [exact[name] for name in layer.sources] or [x]
        if isinstance(layer, QuantFilters) and isinstance(other, QuantFilters):
            adjust(layer, reads[0], other, float_reads[0])
        rounded[layer.name] = apply(layer, *reads)
        exact[layer.name] = apply(other, *float_reads)
        for name in layer.sources:
            if last[name] == index:
                rounded.pop(name, None)
                exact.pop(name, None)


@torch.no_grad()
def apply(layer: QuantLayer, *inputs: Tensor) -> Tensor:
    """What ``layer`` makes of all samples, some at a time."""
    return torch.cat([layer(*parts) for parts in batches(*inputs, size=BATCH)])


def images(model: QuantModel, samples: Tensor) -> Tensor:
    """Samples as (samples, channels, height, width), which must be the input's."""
    return as_maps(samples, model.input.shape)

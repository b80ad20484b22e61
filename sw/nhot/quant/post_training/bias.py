"""Bias correction: no layer shifts the mean of its outputs."""

from __future__ import annotations

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from nhot.quant.layers import QuantFilters
from nhot.quant.model import QuantModel
from nhot.quant.post_training.twin import sums
from nhot.quant.post_training.walk import apply, walk

__all__ = ["correct_bias"]


def correct_bias(
    model: QuantModel, float_model: nn.Module, samples: ArrayLike | Tensor
) -> None:
    """Make the mean output of every channel what it is in the float model, in place.

    Rounded weights do not err by zero on average, and layers behind see the same shift in every
    sample. Layer by layer, what a channel's sums (bias and batch normalisation in, activation not)
    exceed the float layer's by, on average over samples and pixels, is taken from its bias: that
    of the batch normalisation where there is one. Later layers are measured with earlier ones
    corrected. Source: arXiv 1906.04721, with means measured rather than derived.

    Parameters
    ----------
    model : QuantModel
        Made from ``float_model``; left in evaluation mode.
    float_model : nn.Module
    samples : (samples, channels, height, width), or as ``quantize`` takes them, float
        No labels are needed; some hundred do.

    Raises
    ------
    NhotError
        The models have not the same layers (the first difference is named), or samples are not
        finite or not of the model's shape.
    """
    walk(model, float_model, samples, _correct)


def _correct(layer: QuantFilters, x: Tensor, other: QuantFilters, float_x: Tensor) -> None:
    shift = _means(layer, x) - _means(other, float_x)
    with torch.no_grad():
        if layer.norm is None:
            layer.bias.sub_(shift.to(layer.bias))
        elif layer.norm.affine:
            layer.norm.bias.sub_(shift.to(layer.norm.bias))
        else:
            assert layer.norm.running_var is not None
            deviation = (layer.norm.running_var.double() + layer.norm.eps).sqrt()
            layer.bias.sub_((shift * deviation).to(layer.bias))


def _means(layer: QuantFilters, x: Tensor) -> Tensor:
    """The mean of each channel's sums. (channels,) float64"""
    return apply(sums(layer), x).mean((0, 2, 3), dtype=torch.float64)

"""Layers that round nothing, and whether they compute what the caller's model does."""

from __future__ import annotations

import copy
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from nhot.errors import NhotError
from nhot.quant.activations import ActivationQuant
from nhot.quant.layers import QuantFilters, QuantLayer, RoundingLayer
from nhot.quant.model import QuantModel
from nhot.quant.tracing.graph import Traced, line
from nhot.quant.weights import WeightQuant

__all__ = ["ExactActivations", "check_layers", "replace_rounding", "unround"]

TOLERANCE = 1e-4
"""Of the largest value: folding constants and normalisation moves float32 by far less."""

SAMPLES = 8

Layer = TypeVar("Layer", bound=QuantLayer)


class ExactActivations(ActivationQuant):
    """Rounds nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class ExactWeights(WeightQuant):
    """Rounds nothing."""

    def forward(self, weight: Tensor) -> Tensor:
        return weight

    def scale(self, weight: Tensor) -> Tensor:
        raise TypeError("Weights that are not rounded have no scale")

    def integers(self, weight: Tensor) -> tuple[Tensor, NDArray[np.float64]]:
        raise TypeError("Weights that are not rounded have no integers")


def unround(layer: Layer) -> Layer:
    """Let ``layer`` compute in float."""
    if isinstance(layer, QuantFilters):
        layer.weights = ExactWeights(layer.format)
        layer.short = None
    if isinstance(layer, RoundingLayer):
        replace_rounding(layer, ExactActivations())
    return layer


def replace_rounding(layer: RoundingLayer, rounding: ActivationQuant) -> None:
    """Let ``layer`` end in another rounding; layers that use the grid of the old one do nothing."""
    layer.rounding.calibrating = True
    layer.rounding = rounding


def check_layers(
    layers: QuantModel, traced: Traced, ends: dict[str, fx.Node], model: nn.Module, samples: Tensor
) -> None:
    """Refuse layers that would not compute what ``model`` does, by the first step that differs.

    Compared in float, within :data:`TOLERANCE`, on other samples than those that were traced where
    there are any, and on another number of them. What is found so is what tracing cannot see: a
    model that keeps something from call to call, draws random numbers, or depends on the number
    of samples.

    Parameters
    ----------
    layers : QuantModel
    traced : Traced
    ends : dict
        The last step that each layer stands for.
    model : nn.Module
        In evaluation mode, never called so far.
    samples : Tensor
    """
    exact = copy.deepcopy(layers).eval()
    for layer in exact:
        unround(layer)
    other = samples[-SAMPLES:] if len(samples) > 2 else torch.cat([samples] * 3)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(len(traced.values))  # other numbers than while tracing
        try:
            expected = model(other.clone())
        except Exception as error:
            raise NhotError(
                f"Model must run on any number of samples, but on {len(other)}: {line(error)}"
            ) from error
        found = exact.floats(other)[exact.output]
        if _close(found, expected):
            return
        values = exact.floats(traced.sample)
    for name, node in ends.items():
        if name in values and not _close(values[name], traced.values[node]):
            raise NhotError(
                f"Layer {name!r} must compute what step {node.name!r} of the model does, "
                f"but differs by {_difference(values[name], traced.values[node])}"
            )
    raise NhotError(
        "Model must compute the same in each call and for each sample, but differs from what was "
        f"traced by {_difference(found, expected)}"
    )


def _alike(found: Tensor, expected: Tensor) -> bool:
    """Whether both hold as many numbers of as many samples."""
    return (
        isinstance(expected, Tensor) and found.numel() == expected.numel()
        and expected.shape[:1] == found.shape[:1]
    )


def _close(found: Tensor, expected: Tensor) -> bool:
    if not _alike(found, expected):
        return False
    if not bool(torch.isfinite(expected).all()):
        return True  # refused by name when ranges are taken
    expected = expected.reshape(found.shape)
    return bool((found - expected).abs().max() <= TOLERANCE * expected.abs().max())


def _difference(found: Tensor, expected: Tensor) -> str:
    if not _alike(found, expected):
        return "its shape"
    difference = (found - expected.reshape(found.shape)).abs().max()
    return f"{float(difference):.3g}, where the largest value is {float(expected.abs().max()):.3g}"

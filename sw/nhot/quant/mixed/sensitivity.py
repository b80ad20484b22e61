"""What rounding the weights of one layer does to a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.progress import Progress
from nhot.quant.layers import QuantFilters
from nhot.quant.model import QuantModel, batches

__all__ = ["Measure", "by_curvature", "by_output"]

Measure = Literal["kl", "error", "hessian"]

BATCH = 64
DRAWS = 8
"""Random vectors for each layer and batch of samples."""


def by_output(
    twin: QuantModel, models: Sequence[QuantModel], x: Tensor, measure: Literal["kl", "error"]
) -> NDArray[np.float64]:
    """How far the output moves with one layer rounded and all else exact.

    ``kl`` is the divergence of the class probabilities from the float model's, the mean over the
    samples in nats; ``error`` is the squared error of the output, relative to its square.

    Parameters
    ----------
    twin : QuantModel
        What the models were made from, rounding nothing.
    models : sequence of QuantModel
        The same layers in one format each.
    x : (samples, channels, height, width) float
    measure : {"kl", "error"}

    Returns
    -------
    (layers with weights, models) float64
    """
    total = np.zeros((len(twin.filters), len(models)))
    scale = 0.0
    with torch.no_grad(), Progress("measuring layers", len(x), unit="samples") as progress:
        weights = [
            [layer.weights(layer.weight) for layer in model.filters] for model in models
        ]
        for (batch,) in batches(x, size=BATCH):
            values = _values(twin, batch)
            exact = values[twin.output]
            scale += len(exact) if measure == "kl" else float(exact.double().square().sum())
            for row, layer in enumerate(twin.filters):
                for column, rounded in enumerate(weights):
                    output = _with_weight(twin, values, layer, rounded[row])
                    total[row, column] += _distance(exact, output, measure)
            progress.step(len(batch))
    return total / scale


def by_curvature(
    twin: QuantModel, models: Sequence[QuantModel], x: Tensor, labels: Tensor, *, seed: int = 0
) -> NDArray[np.float64]:
    """How much the loss grows, by its curvature: mean Hessian trace times squared rounding error.

    The loss is cross entropy. The trace for each layer's weights is Hutchinson's estimate
    ``E[v * (H @ v)]`` with random signs v. Source: HAWQ-v2, arXiv 1911.03852. Arguments and result
    as :func:`by_output`; labels are (samples,) int64.
    """
    traces = _traces(twin, x, labels, torch.Generator().manual_seed(seed))
    result = np.zeros((len(twin.filters), len(models)))
    with torch.no_grad():
        for column, model in enumerate(models):
            for row, (layer, exact) in enumerate(zip(model.filters, twin.filters, strict=True)):
                error = (layer.weights(layer.weight) - exact.weight).double().square().sum()
                # Where the trace is not positive, rounding is expected to do no harm.
                result[row, column] = max(traces[row], 0.0) / exact.weight.numel() * float(error)
    return result


def _traces(
    twin: QuantModel, x: Tensor, labels: Tensor, generator: torch.Generator
) -> list[float]:
    weights = [layer.weight.requires_grad_() for layer in twin.filters]
    total = [0.0] * len(weights)
    with Progress("estimating curvature", len(x), unit="samples") as progress:
        for batch, classes in batches(x, labels, size=BATCH):
            logits = _values(twin, batch)[twin.output].flatten(1)
            loss = F.cross_entropy(logits, classes, reduction="sum") / len(x)
            gradients = torch.autograd.grad(loss, weights, create_graph=True)
            # One layer at a time: other layers would add nothing to the mean, and much noise.
            for index, (weight, gradient) in enumerate(zip(weights, gradients, strict=True)):
                for _ in range(DRAWS):
                    signs = torch.randint(0, 2, weight.shape, generator=generator)
                    signs = signs.to(weight) * 2 - 1
                    (product,) = torch.autograd.grad(
                        gradient, weight, signs, retain_graph=True, materialize_grads=True
                    )
                    total[index] += float((signs * product).sum()) / DRAWS
            progress.step(len(batch))
    return total


def _values(twin: QuantModel, x: Tensor) -> dict[str, Tensor]:
    """What every layer makes of ``x``."""
    values = {twin.input.name: twin.input(x)}
    for layer in list(twin)[1:]:
        values[layer.name] = layer(*(values[name] for name in layer.sources))
    return values


def _with_weight(
    twin: QuantModel, values: dict[str, Tensor], changed: QuantFilters, weight: Tensor
) -> Tensor:
    """The output with another weight in one layer; only what depends on it is computed anew."""
    source = values[changed.sources[0]]
    moved: dict[str, Tensor] = {
        changed.name: functional_call(changed, {"weight": weight}, (source,))
    }
    for layer in twin:
        if not moved.keys().isdisjoint(layer.sources):
            moved[layer.name] = layer(*(moved.get(name, values[name]) for name in layer.sources))
    return moved[twin.output]


def _distance(exact: Tensor, output: Tensor, measure: Literal["kl", "error"]) -> float:
    if measure == "error":
        distance = (output - exact).double().square().sum()
    else:
        log_p, log_q = (logits.flatten(1).double().log_softmax(1) for logits in (exact, output))
        distance = (log_p.exp() * (log_p - log_q)).sum()
    if not bool(torch.isfinite(distance)):
        raise NhotError("Outputs must be finite numbers, not NaN or infinite")
    return float(distance)

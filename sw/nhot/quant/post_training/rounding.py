"""Adaptive rounding: each weight up or down, whichever serves the layer's output best."""

from __future__ import annotations

import copy

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.func import functional_call

from nhot.errors import NhotError
from nhot.formats import Format
from nhot.progress import Progress
from nhot.quant.layers import QuantFilters
from nhot.quant.model import QuantModel
from nhot.quant.post_training.twin import exact
from nhot.quant.post_training.walk import apply, walk
from nhot.quant.weights import GridWeights

__all__ = ["adapt_rounding", "neighbours"]

BATCH = 32
LR = 2e-2
WARM_UP = 0.2
"""Part of the steps in which weights may stay between two levels."""
STEEP, SHALLOW = 20.0, 2.0
"""Exponents of the regulariser after the warm-up and at the end."""
PUSH = 1.0
"""Weight of the regulariser, in units of the error that rounding to nearest makes."""
STRETCH = 0.1
"""How far the sigmoid reaches beyond 0 and 1, so that it takes both values."""


def adapt_rounding(
    model: QuantModel, float_model: nn.Module, samples: ArrayLike | Tensor, *, steps: int = 1000,
    seed: int = 0,
) -> None:
    """Choose between the two levels around each weight by what the layer computes, in place.

    Layer by layer, the squared error of the outputs (activation in, requantisation left out) to
    the float layer's is minimised, given the inputs that the quantised layers before it make. A
    sigmoid a weight stands between the two levels, and a regulariser that grows steeper pushes it
    to one of them. A layer that this does not improve keeps its rounding. Scales stay as they are;
    weights become exactly what they are rounded to, so later training starts from there. Layers
    whose levels a threshold chooses (binary, signed-binary) are left alone.
    Source: AdaRound, arXiv 2004.10568, here between neighbours on the grid of any format.

    Parameters
    ----------
    model : QuantModel
        Made from ``float_model``; left in evaluation mode.
    float_model : nn.Module
    samples : (samples, channels, height, width), or as ``quantize`` takes them, float
        No labels are needed; some hundred do.
    steps : int
        Of the optimiser, for each layer.
    seed : int
        Of the samples that a step sees.

    Raises
    ------
    NhotError
        As :func:`correct_bias`.
    """
    if steps < 1:
        raise NhotError(f"Steps of adaptive rounding must be at least 1, not {steps}")
    generator = torch.Generator().manual_seed(seed)

    def adapt(layer: QuantFilters, x: Tensor, other: QuantFilters, float_x: Tensor) -> None:
        if isinstance(layer.weights, GridWeights):
            _adapt(layer, layer.weights, x, apply(other, float_x), steps, generator)

    walk(model, float_model, samples, adapt)


def neighbours(values: Tensor, format: Format) -> tuple[Tensor, Tensor]:
    """The greatest level not above each value and the least not below it; same shape and type.

    Both are the same where a value is a level, or beyond them all.
    """
    levels = torch.as_tensor(format.levels.copy(), dtype=values.dtype, device=values.device)
    values = values.contiguous()
    lower = levels[(torch.bucketize(values, levels, right=True) - 1).clamp_min(0)]
    upper = levels[torch.bucketize(values, levels).clamp_max(len(levels) - 1)]
    return lower, upper


class _Between(nn.Module):
    """Weights between two levels each, with a sigmoid for where.

    Parameters
    ----------
    values, scale : Tensor
        Weights over their scale, and the scale, which broadcasts.
    format : Format
    """

    def __init__(self, values: Tensor, scale: Tensor, format: Format):
        super().__init__()
        self.lower, upper = neighbours(values, format)
        self.gap = upper - self.lower
        self.scale = scale
        part = ((values - self.lower) / self.gap.clamp_min(1)).clamp(0, 1)
        self.position = nn.Parameter(torch.logit((part + STRETCH) / (1 + 2 * STRETCH)))

    def part(self) -> Tensor:
        """Where each weight is between its levels, 0 to 1."""
        return (self.position.sigmoid() * (1 + 2 * STRETCH) - STRETCH).clamp(0, 1)

    def weight(self) -> Tensor:
        """The weights, between their levels."""
        return (self.lower + self.gap * self.part()) * self.scale

    def levels(self) -> Tensor:
        """The level that each weight is nearer to, by its part."""
        return self.lower + self.gap * (self.part() > 0.5)


def _adapt(
    layer: QuantFilters, quant: GridWeights, x: Tensor, target: Tensor, steps: int,
    generator: torch.Generator,
) -> None:
    free = exact(layer)
    integers, scales = quant.integers(layer.weight)
    scale = torch.from_numpy(scales).to(layer.weight).reshape(-1, 1, 1, 1)
    nearest = integers.to(layer.weight)
    before = _error(free, nearest * scale, x, target)
    if before == 0:
        return
    between = _Between(layer.weight.detach() / scale, scale, layer.format)
    optimizer = torch.optim.Adam(between.parameters(), lr=LR)
    with Progress(f"adapting {layer.name}", steps, unit="steps") as progress:
        for step in range(steps):
            chosen = torch.randint(len(x), (min(BATCH, len(x)),), generator=generator).to(x.device)
            made = functional_call(free, {"weight": between.weight()}, (x[chosen],))
            loss = (made - target[chosen]).square().mean() / before
            loss = loss + PUSH * _regularizer(between.part(), step / steps)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            progress.step()
    levels = _within_limit(between.levels().detach(), nearest, quant.limit)
    if _error(free, levels * scale, x, target) < before:
        layer.weight.data.copy_(levels * scale)


def _regularizer(part: Tensor, done: float) -> Tensor | float:
    """How far weights are from a level, on average; nothing during the warm-up."""
    if done < WARM_UP:
        return 0.0
    exponent = STEEP + (SHALLOW - STEEP) * (done - WARM_UP) / (1 - WARM_UP)
    return (1 - (2 * part - 1).abs().pow(exponent)).mean()


def _within_limit(levels: Tensor, fallback: Tensor, limit: int | None) -> Tensor:
    """``levels``, but ``fallback`` in filters that an accumulator limit does not allow them."""
    if limit is None:
        return levels
    rows = levels.flatten(1)
    largest = torch.maximum(rows.clamp_min(0).sum(1), (-rows).clamp_min(0).sum(1))
    return torch.where((largest <= limit).reshape(-1, 1, 1, 1), levels, fallback)


def _error(free: QuantFilters, weight: Tensor, x: Tensor, target: Tensor) -> float:
    """The mean squared error of the layer's outputs with these weights."""
    layer = copy.deepcopy(free)
    layer.weight.data.copy_(weight)
    return float((apply(layer, x) - target).square().mean())

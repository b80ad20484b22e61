"""The choice of a format for each layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.experiments.training.losses import check_classes
from nhot.formats import Format, parse
from nhot.quant.mixed.budget import Budget, as_budget
from nhot.quant.mixed.costs import layer_costs
from nhot.quant.mixed.knapsack import solve
from nhot.quant.mixed.sensitivity import Measure, by_curvature, by_output
from nhot.quant.model import QuantModel, as_samples
from nhot.quant.post_training.twin import float_twin
from nhot.quant.post_training.walk import images
from nhot.quant.quantize import quantize
from nhot.quant.training import as_labels

__all__ = ["Choice", "Option", "choose_formats"]


@dataclass(frozen=True, kw_only=True)
class Option:
    """What a layer costs in a format, and what rounding it alone does."""

    layer: str
    format: Format
    cost: int
    sensitivity: float


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A format for each layer with weights.

    Parameters
    ----------
    formats : dict
        By layer name, as :func:`nhot.quant.quantize` takes them.
    budget : Budget
        That was kept to, in absolute numbers.
    cost : int
        Of all layers together.
    sensitivity : float
        The sum of what was measured for each layer by itself: the prediction that was minimised.
    table : tuple of Option
        All that could be chosen, layer by layer.
    """

    formats: dict[str, Format]
    budget: Budget
    cost: int
    sensitivity: float
    table: tuple[Option, ...]


def choose_formats(
    model: nn.Module, samples: ArrayLike | Tensor, *, budget: Budget | str,
    candidates: Sequence[Format | str] = ("1hot", "2hot", "3hot"), measure: Measure = "kl",
    labels: ArrayLike | Tensor | None = None, reference: Format | str = "2hot",
    engine: EngineConfig | None = None, seed: int = 0,
) -> Choice:
    """Choose a format for each layer so that a budget is kept and the model suffers least.

    Sensitivities of single layers are added up, and the best sum within the budget is found
    exactly. A model of several formats is for a reference or an engine that runs them; see
    ``docs/post-training.md`` for what that is.

    Parameters
    ----------
    model : nn.Module
        A float model; it is not changed.
    samples : (samples, channels, height, width), or as ``quantize`` takes them, float
        Some hundred.
    budget : Budget or str
        In numbers, or as :func:`parse_budget` reads it.
    candidates : sequence of Format or str
    measure : {"kl", "error", "hessian"}
        Of sensitivity: the divergence of the class probabilities, for classifiers; the relative
        squared error of the output, for all models; or the mean trace of the Hessian of the cross
        entropy times the squared rounding error, with labels.
    labels : (samples,) int, optional
        Class of each sample.
    reference : Format or str
        What a relative budget is relative to: this format in all layers.
    engine : EngineConfig, optional
        With serial lanes, for a budget of cycles.
    seed : int
        Of the estimate of the trace.

    Raises
    ------
    NhotError
        The budget is below the cheapest choice, the measure is not one for this model, or
        the model cannot be quantised.
    """
    chosen = as_budget(budget)
    formats = _distinct(candidates)
    tensor = as_samples(samples)
    models = [quantize(model, format, tensor) for format in formats]
    names = list(models[0].formats)
    costs = np.array([layer_costs(one, chosen.cost, engine) for one in models], dtype=np.int64).T
    if chosen.relative:
        whole = sum(layer_costs(quantize(model, reference, tensor), chosen.cost, engine))
        chosen = Budget(chosen.cost, chosen.amount * whole)
    cheapest = int(costs.min(axis=1).sum())
    if chosen.amount < cheapest:
        raise NhotError(
            f"Budget must be at least {cheapest:,} {chosen.cost}, every layer in its cheapest "
            f"format, not {chosen.amount:,.0f}"
        )
    losses = _sensitivities(model, models, tensor, measure, labels, seed)
    best = solve(costs, losses, chosen.amount)
    rows = np.arange(len(names))
    return Choice(
        formats={name: formats[option] for name, option in zip(names, best, strict=True)},
        budget=chosen, cost=int(costs[rows, best].sum()),
        sensitivity=float(losses[rows, best].sum()),
        table=tuple(
            Option(layer=name, format=format, cost=int(costs[row, column]),
                   sensitivity=float(losses[row, column]))
            for row, name in enumerate(names) for column, format in enumerate(formats)
        ),
    )


def _distinct(candidates: Sequence[Format | str]) -> list[Format]:
    formats = [parse(one) if isinstance(one, str) else one for one in candidates]
    if not formats or len(set(formats)) < len(formats):
        names = ", ".join(format.name for format in formats) or "none"
        raise NhotError(f"Candidates must be one or more different formats, not {names}")
    return formats


def _sensitivities(
    model: nn.Module, models: list[QuantModel], samples: Tensor, measure: Measure,
    labels: ArrayLike | Tensor | None, seed: int,
) -> NDArray[np.float64]:
    """(layers, candidates) float64"""
    if measure not in get_args(Measure):
        raise NhotError(f"Measure must be one of {', '.join(get_args(Measure))}, not {measure!r}")
    twin = float_twin(model, samples).eval()
    x = images(twin, samples)
    if measure == "error":
        return by_output(twin, models, x, measure)
    shape = next(layer.shape for layer in twin if layer.name == twin.output)
    if shape[:2] != (1, 1) or shape[2] < 2:
        raise NhotError(
            f"Measure must be 'error' for an output of shape {shape} (height, width, channels), "
            f"which is not one of classes, not {measure!r}"
        )
    if measure == "kl":
        return by_output(twin, models, x, measure)
    if labels is None:
        raise NhotError("Labels must be given for the measure 'hessian'")
    classes = as_labels(labels, len(samples))
    check_classes(samples.new_zeros(1, shape[2]), classes)
    return by_curvature(twin, models, x, classes, seed=seed)

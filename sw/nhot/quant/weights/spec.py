"""How the weights of a layer are rounded: the choices, checked, and the quantiser they give."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, get_args

import torch
from torch import Tensor

from nhot.errors import NhotError
from nhot.formats import Binary, Format, NHot, OpenTable, SignedBinary
from nhot.quant.weights.best_levels import fit_table
from nhot.quant.weights.grid import GridWeights
from nhot.quant.weights.threshold import (
    THRESHOLD,
    Threshold,
    ThresholdWeights,
    least_squares,
    nothing,
    share_of_largest,
    share_of_mean,
)
from nhot.quant.weights.weights import WeightQuant

__all__ = ["Rule", "Scale", "WeightSpec", "weight_quant"]

Scale = Literal["learned", "searched", "power-of-two"]
Rule = Literal["nearest", "twn", "least-squares"]

TERNARY = NHot(bits=2, n=1)


@dataclass(frozen=True, kw_only=True)
class WeightSpec:
    """How the weights of a layer are rounded.

    Parameters
    ----------
    format : Format
        An open table is fitted to the weights.
    per_channel : bool
        A scale for each filter, or one for the layer.
    scale : {"learned", "searched", "power-of-two"}
        Where the scale of the nearest levels comes from: the least squared error, trained on from
        there or not, or the power of two of least squared error.
    rule : {"nearest", "twn", "least-squares"}
        Which level a ternary weight takes: the nearest one, or by a threshold that follows the
        weights. Binary and signed-binary have rules of their own, and a scale for each filter.
    threshold : float
        Below this part of the largest magnitude of their filter signed-binary weights are zero.
    schedule : bool
        Whether the gradient of binary and signed-binary weights follows a schedule.
    """

    format: Format
    per_channel: bool = True
    scale: Scale = "learned"
    rule: Rule = "nearest"
    threshold: float = THRESHOLD
    schedule: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.format, Format):
            raise TypeError(f"Format of weights must be a Format, not {self.format!r}")
        for what, values in (("scale", get_args(Scale)), ("rule", get_args(Rule))):
            value = getattr(self, what)
            if value not in values:
                raise NhotError(
                    f"{what.capitalize()} of weights must be one of {', '.join(values)}, "
                    f"not {value!r}"
                )
        if self.rule != "nearest" and self.format != TERNARY:
            raise NhotError(
                f"Rule of weights must be 'nearest' unless they are ternary, not {self.rule!r} "
                f"for {self.format.name}"
            )
        if not 0 <= self.threshold < 1:
            raise NhotError(
                f"Threshold of weights must be at least 0 and below 1, not {self.threshold}"
            )
        if self.threshold != THRESHOLD and not isinstance(self.format, SignedBinary):
            raise NhotError(
                f"Threshold of weights must be {THRESHOLD} unless they are signed-binary, "
                f"not {self.threshold} for {self.format.name}"
            )
        if self.schedule and not isinstance(self.format, Binary | SignedBinary):
            raise NhotError(
                "Gradient schedule must be for binary or signed-binary weights, "
                f"not {self.format.name}"
            )

    def with_format(self, format: Format) -> WeightSpec:
        """The same for another format; what it has no use for is left out."""
        signs = isinstance(format, Binary | SignedBinary)
        return replace(
            self, format=format, rule=self.rule if format == TERNARY else "nearest",
            threshold=self.threshold if isinstance(format, SignedBinary) else THRESHOLD,
            schedule=self.schedule and signs,
        )


def weight_quant(spec: WeightSpec, weight: Tensor, known: Tensor | None = None) -> WeightQuant:
    """The quantiser that ``spec`` says for a layer that starts with ``weight`` (filters, ...).

    ``known`` (filters,) are the scales that the weights were rounded on before, if they were.
    """
    if not bool(torch.isfinite(weight).all()):
        raise NhotError("Weights must be finite numbers, not NaN or infinite")
    threshold = _threshold(spec)
    if threshold is not None:
        return ThresholdWeights(spec.format, threshold, schedule=spec.schedule)
    format, power_of_two = spec.format, spec.scale == "power-of-two"
    if isinstance(format, OpenTable):
        format = fit_table(
            format, weight, per_channel=spec.per_channel, power_of_two=power_of_two
        )
    return GridWeights(
        format, weight, per_channel=spec.per_channel, learned=spec.scale == "learned",
        power_of_two=power_of_two, known=known,
    )


def _threshold(spec: WeightSpec) -> Threshold | None:
    """What chooses the levels; None where the nearest are taken."""
    if isinstance(spec.format, SignedBinary):
        return partial(share_of_largest, share=spec.threshold)
    if isinstance(spec.format, Binary):
        return nothing
    return {"twn": share_of_mean, "least-squares": least_squares}.get(spec.rule)

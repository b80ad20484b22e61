"""The float model as layers that match those of the quantised one."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from nhot.errors import NhotError
from nhot.formats import Uniform
from nhot.quant.exact import ExactActivations, replace_rounding, unround
from nhot.quant.layers import QuantFilters, QuantLayer
from nhot.quant.model import QuantModel
from nhot.quant.quantize import quantize

__all__ = ["check_twin", "exact", "float_twin", "sums"]


def float_twin(
    model: nn.Module, samples: Tensor, activation_terms: int | None = None
) -> QuantModel:
    """The layers that ``model`` would be quantised to, computing what ``model`` itself computes.

    Of use layer by layer, each called with the values of its sources. ``activation_terms`` is what
    the quantised model has: it brings layers along, which do nothing here.
    """
    twin = quantize(model, Uniform(bits=8), samples, activation_terms=activation_terms)
    for layer in twin:
        unround(layer)
    return twin.requires_grad_(False)


def exact(layer: QuantFilters) -> QuantFilters:
    """A copy of a layer that rounds nothing: its weights, bias, normalisation and activation."""
    return unround(copy.deepcopy(layer)).requires_grad_(False).eval()


def sums(layer: QuantFilters) -> QuantFilters:
    """A copy of a layer that gives its sums: bias and normalisation in, activation left out.

    Weights are rounded if those of ``layer`` are.
    """
    result = copy.deepcopy(layer).requires_grad_(False).eval()
    result.activation = nn.Identity()
    replace_rounding(result, ExactActivations())
    return result


def check_twin(model: QuantModel, twin: QuantModel) -> None:
    """Refuse a float model that ``model`` cannot have been made from, by the first difference."""
    floats = {layer.name: layer for layer in twin}
    for layer in model:
        if layer.name not in floats:
            raise NhotError(
                f"Float model must have the layers of the quantised one, but lacks {layer.name!r}"
            )
        expected, found = _facts(layer), _facts(floats.pop(layer.name))
        for what, value in expected.items():
            if found[what] != value:
                raise NhotError(
                    f"{what} of {layer.name!r} must be {value} in the float model as in the "
                    f"quantised one, not {found[what]}"
                )
    for name in floats:
        raise NhotError(
            f"Quantised model must have the layers of the float one, but lacks {name!r}"
        )


def _facts(layer: QuantLayer) -> dict[str, object]:
    """What must be the same of a layer in both models."""
    weights = tuple(layer.weight.shape) if isinstance(layer, QuantFilters) else "none"
    kind = type(layer).__name__.removeprefix("Quant")
    return {"Kind": kind, "Sources": layer.sources, "Shape": layer.shape, "Weights": weights}

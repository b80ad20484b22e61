"""The one call that makes a float model a quantised one."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from nhot.errors import NhotError
from nhot.formats import Format, parse
from nhot.network.requant import MAX_TERMS, check_requant_terms
from nhot.quant.exact import check_layers
from nhot.quant.layers import RoundingLayer
from nhot.quant.model import QuantModel, as_samples
from nhot.quant.tracing.graph import trace
from nhot.quant.tracing.prepare import prepare
from nhot.quant.tracing.trace import Tracer
from nhot.quant.weights import THRESHOLD, Rule, Scale, WeightSpec

__all__ = ["quantize", "stand_in"]

BITS = 8
"""Of activations, where nothing else is said."""


@torch.inference_mode(False)
def quantize(
    model: nn.Module, format: Format | str, samples: ArrayLike | Tensor | None, *,
    bits: int | None = BITS,
    per_channel: bool = True, scale: Scale = "learned", rule: Rule = "nearest",
    threshold: float = THRESHOLD, schedule: bool = False,
    formats: Mapping[str, Format | str] | None = None, accumulator_bits: int | None = None,
    activation_terms: int | None = None, requant_terms: int = MAX_TERMS,
    input_range: tuple[float, float] | None = None,
) -> QuantModel:
    """Round the weights of a float model to ``format`` and its activations to ``bits``.

    Neither model nor samples are changed. Batch normalisation and ReLU are fused into the layers
    before them. What comes out would compute, without rounding, what the model does in evaluation
    mode; that is checked.

    Parameters
    ----------
    model : nn.Module
        Traceable by torch.fx; made of what :data:`nhot.quant.SUPPORTED` lists.
    format : Format or str
        Of all weights; a name as :func:`nhot.formats.parse` reads it.
    samples : (samples, channels, height, width) float
        Or (samples, channels, length), or (samples, features). Inputs that activation ranges are
        taken from: as the network will see them, some hundred. None of a model that says all ranges
        itself, as quantised files of other tools do.
    bits : int, optional
        Of every activation, 2 to 8. None: activations are real while the model is trained and
        evaluated, as work on weights alone has it; a network made of it has 8 bits.
    per_channel, scale, rule, threshold, schedule
        How weights are rounded: see :class:`nhot.quant.WeightSpec`.
    formats : dict, optional
        Formats of single layers, by the names of their modules.
    accumulator_bits : int, optional
        Width that no sum of a filter may overflow, whatever its inputs are; weights are rounded so
        that none does. The bias comes on top.
    activation_terms : int, optional
        Most signed powers of two of an activation that a layer with weights reads: n-hot for
        activations. The engine does not run it.
    requant_terms : int
        Most signed powers of two of a multiplier: 1, 2 or 4. With 4 multipliers are rounded, with
        fewer the scales of weights and activations are chosen so that none is to be. A requantiser
        with that many shifters takes a value a cycle.
    input_range : (low, high), optional
        What the least and the greatest integer of the input stand for, where that is known: an
        image in 0 to 1 is (0, 1). Without it the range is that of ``samples``.

    Raises
    ------
    NhotError
        A module or operation is not supported (named, with the list), the model has hooks, differs
        from call to call or keeps something of a call, weights or samples are not
        finite, an activation is zero on all samples, or options do not fit together.
    """
    spec = WeightSpec(
        format=_parsed(format), per_channel=per_channel, scale=scale, rule=rule,
        threshold=threshold, schedule=schedule,
    )
    _check_terms(requant_terms, spec)
    if bits is None and activation_terms is not None:
        raise NhotError("Bits of activations must be given with a number of their terms")
    special = {name: _parsed(chosen) for name, chosen in (formats or {}).items()}
    if not isinstance(model, nn.Module):
        raise TypeError(f"Model must be a torch.nn.Module, not {type(model).__name__}")
    inputs = as_samples(stand_in(model) if samples is None else samples)
    traced = trace(prepare(model), inputs[:2])
    tracer = Tracer(
        traced, spec=spec, formats=special, bits=BITS if bits is None else bits,
        input_range=input_range, activation_terms=activation_terms,
    )
    tracer.run()
    quantized = QuantModel(
        tracer.built.layers.values(), tracer.output, axes=tracer.axes,
        accumulator_bits=accumulator_bits, requant_terms=requant_terms, real=bits is None,
    )
    if not quantized.filters:
        raise NhotError("Model must have at least one Conv2d or Linear")
    quantized.check_names(special)
    check_layers(quantized, traced, tracer.built.ends, prepare(model), inputs)
    if samples is None:
        _check_known(quantized)
    quantized.eval().calibrate(inputs)
    return quantized


def stand_in(model: nn.Module) -> Tensor:
    """Samples for want of others, of a model that says the range of its input."""
    make = getattr(model, "stand_in", None)
    samples = make() if callable(make) else None
    if not isinstance(samples, Tensor):
        raise NhotError("Samples (--data) must be given: the model does not say the range of its "
                        "input")
    return samples


def _check_known(model: QuantModel) -> None:
    """Refuse layers whose range would be that of stand-ins."""
    for layer in model:
        if isinstance(layer, RoundingLayer) and not layer.rounding.fixed:
            raise NhotError("Samples (--data) must be given: the model does not say the range of "
                            f"layer {layer.name!r}")


def _check_terms(terms: int, spec: WeightSpec) -> None:
    """Refuse a number of terms that there is none of, or that leaves no scale to choose."""
    check_requant_terms(terms)
    if terms == MAX_TERMS:
        return
    if not spec.per_channel:
        raise NhotError(
            f"Requantisation terms must be {MAX_TERMS} with a scale for each layer, not {terms}: "
            "filters have gains of their own"
        )
    if spec.scale == "power-of-two":
        raise NhotError(
            f"Requantisation terms must be {MAX_TERMS} with scales of weights that are powers of "
            f"two, not {terms}: they are chosen for the multipliers"
        )


def _parsed(format: Format | str) -> Format:
    return parse(format) if isinstance(format, str) else format

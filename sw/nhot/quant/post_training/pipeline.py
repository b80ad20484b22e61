"""The whole of post-training quantisation in one call."""

from __future__ import annotations

from collections.abc import Mapping

from numpy.typing import ArrayLike
from torch import Tensor, nn

from nhot.formats import Format
from nhot.quant.model import QuantModel
from nhot.quant.post_training.bias import correct_bias
from nhot.quant.post_training.ranges import fit_ranges
from nhot.quant.post_training.rounding import adapt_rounding
from nhot.quant.quantize import quantize

__all__ = ["quantize_post_training"]


def quantize_post_training(
    model: nn.Module, format: Format | str, samples: ArrayLike | Tensor, *,
    adaptive: bool = False, steps: int = 1000, seed: int = 0, bits: int = 8,
    formats: Mapping[str, Format | str] | None = None, accumulator_bits: int | None = None,
    input_range: tuple[float, float] | None = None,
) -> QuantModel:
    """Quantise a float model as well as that goes without training: no labels, few samples.

    :func:`nhot.quant.quantize`, then :func:`fit_ranges`, :func:`adapt_rounding` if ``adaptive``,
    and :func:`correct_bias`. The float model is not changed; the result can be fine-tuned.

    Parameters
    ----------
    model, format, samples, bits, formats, accumulator_bits, input_range
        As in :func:`nhot.quant.quantize`.
    adaptive : bool
        Whether weights are rounded by what their layer computes, rather than to the nearest level.
    steps, seed
        As in :func:`adapt_rounding`.

    Raises
    ------
    NhotError
        As :func:`nhot.quant.quantize`.
    """
    quantized = quantize(
        model, format, samples, bits=bits, formats=formats, accumulator_bits=accumulator_bits,
        input_range=input_range,
    )
    fit_ranges(quantized, samples)
    if adaptive:
        adapt_rounding(quantized, model, samples, steps=steps, seed=seed)
        fit_ranges(quantized, samples)
    correct_bias(quantized, model, samples)
    return quantized

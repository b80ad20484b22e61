"""The steps of post-training quantisation in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from numpy.typing import ArrayLike
from torch import Tensor, nn

from nhot.formats import Format
from nhot.network.requant import MAX_TERMS
from nhot.quant.model import QuantModel
from nhot.quant.post_training.bias import correct_bias
from nhot.quant.post_training.drop import warn_untrained
from nhot.quant.post_training.ranges import fit_ranges
from nhot.quant.post_training.rounding import adapt_rounding
from nhot.quant.quantize import quantize

__all__ = ["post_train", "quantize_post_training"]


def quantize_post_training(
    model: nn.Module, format: Format | str, samples: ArrayLike | Tensor, *,
    adaptive: bool = False, steps: int = 1000, seed: int = 0, bits: int = 8,
    formats: Mapping[str, Format | str] | None = None, accumulator_bits: int | None = None,
    requant_terms: int = MAX_TERMS, input_range: tuple[float, float] | None = None,
) -> QuantModel:
    """Quantise a float model as well as that goes without training: no labels, few samples.

    :func:`nhot.quant.quantize`, then :func:`post_train`. The float model is not changed; the result
    can be fine-tuned.

    Parameters
    ----------
    model, format, samples, bits, formats, accumulator_bits, requant_terms, input_range
        As in :func:`nhot.quant.quantize`.
    adaptive, steps, seed
        As in :func:`post_train`.

    Raises
    ------
    NhotError
        As :func:`nhot.quant.quantize`.
    """
    quantized = quantize(
        model, format, samples, bits=bits, formats=formats, accumulator_bits=accumulator_bits,
        requant_terms=requant_terms, input_range=input_range,
    )
    post_train(quantized, model, samples, adaptive=adaptive, steps=steps, seed=seed)
    return quantized


def post_train(
    quantized: QuantModel, model: nn.Module, samples: ArrayLike | Tensor, *,
    adaptive: bool = False, corrected: bool = True, steps: int = 1000, seed: int = 0,
    labels: ArrayLike | Tensor | None = None, after: Callable[[str], None] | None = None,
) -> None:
    """Make up for the rounding of ``model`` as well as that goes without training, in place.

    :func:`fit_ranges`, :func:`adapt_rounding` if ``adaptive``, and :func:`correct_bias` if
    ``corrected``; nothing if neither. Where the format is one that needs training, a warning says
    what is lost (:func:`nhot.quant.post_training.warn_untrained`).

    Parameters
    ----------
    quantized : QuantModel
        Of ``model``, as :func:`nhot.quant.quantize` gives it.
    adaptive : bool
        Whether weights are rounded by what their layer computes, rather than to the nearest level.
    corrected : bool
        Whether the mean of each output channel is made that of the float model.
    steps, seed
        As in :func:`adapt_rounding`.
    labels : (samples,) integers, optional
        For the warning alone.
    after : callable, optional
        Called with "adapted" and "corrected" as these are done.
    """
    after = after or (lambda _: None)
    if adaptive or corrected:
        fit_ranges(quantized, samples)
    if adaptive:
        adapt_rounding(quantized, model, samples, steps=steps, seed=seed)
        fit_ranges(quantized, samples)
        after("adapted")
    if corrected:
        correct_bias(quantized, model, samples)
        after("corrected")
    warn_untrained(quantized, model, samples, labels)

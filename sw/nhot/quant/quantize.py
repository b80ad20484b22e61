"""The one call that makes a float model a quantised one."""

from __future__ import annotations

import copy

from numpy.typing import ArrayLike
from torch import Tensor, nn

from nhot.errors import NhotError
from nhot.formats import Format, parse
from nhot.quant.model import QuantModel, as_samples
from nhot.quant.tracing import Tracer, trace

__all__ = ["quantize"]


def quantize(
    model: nn.Module, format: Format | str, samples: ArrayLike | Tensor, *, bits: int = 8,
    per_channel: bool = True, input_range: tuple[float, float] | None = None,
) -> QuantModel:
    """Round the weights of a float model to ``format`` and its activations to ``bits``.

    The model is not changed. Batch normalisation and ReLU are fused into the layers before them.

    Parameters
    ----------
    model : nn.Module
        Traceable by torch.fx; made of what :data:`nhot.quant.SUPPORTED` lists.
    format : Format or str
        Of all weights; a name as :func:`nhot.formats.parse` reads it.
    samples : (samples, channels, height, width) or (samples, features) float
        Inputs that activation ranges are taken from: as the network will see them, some hundred.
    bits : int
        Of every activation, 2 to 8.
    per_channel : bool
        A weight scale for each filter, or one for each layer.
    input_range : (low, high), optional
        What the least and the greatest integer of the input stand for, where that is known: an
        image in 0 to 1 is (0, 1). Without it the range is that of ``samples``.

    Raises
    ------
    NhotError
        A module or operation is not supported (named, with the list), weights or samples are not
        finite, or an activation is zero on all samples.
    """
    chosen = parse(format) if isinstance(format, str) else format
    inputs = as_samples(samples)
    if not isinstance(model, nn.Module):
        raise TypeError(f"Model must be a torch.nn.Module, not {type(model).__name__}")
    model = copy.deepcopy(model).cpu().float().eval()
    tracer = Tracer(
        *trace(model, inputs[:2]), format=chosen, bits=bits, per_channel=per_channel,
        input_range=input_range,
    )
    tracer.run()
    quantized = QuantModel(tracer.layers.values(), tracer.output, flat=tracer.flat)
    if not quantized.filters:
        raise NhotError("Model must have at least one Conv2d or Linear")
    quantized.eval().calibrate(inputs)
    return quantized

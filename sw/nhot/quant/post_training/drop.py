"""What formats that need training lose without it, so that nobody finds out on a board."""

from __future__ import annotations

import logging
import math

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from nhot.formats import Binary, SignedBinary
from nhot.quant.model import QuantModel
from nhot.quant.training import accuracy

__all__ = ["noise_ratio", "warn_untrained"]

_log = logging.getLogger("nhot")


def warn_untrained(
    quantized: QuantModel, model: nn.Module, samples: ArrayLike | Tensor,
    labels: ArrayLike | Tensor | None = None,
) -> None:
    """Warn of binary and signed-binary weights that were rounded and not trained.

    Rounding puts half of them on the wrong side of zero. The warning says what that does on
    ``samples``: to the accuracy where there are ``labels``, or else how far the outputs are above
    their error.

    Parameters
    ----------
    quantized : QuantModel
        Of ``model``.
    samples : (samples, channels, height, width) or (samples, features) float
    labels : (samples,) integers, optional
    """
    names = dict.fromkeys(
        format.name for format in quantized.formats.values()
        if isinstance(format, Binary | SignedBinary)
    )
    if not names:
        return
    if labels is None:
        drop = f"the output is {noise_ratio(quantized, model, samples):.1f} dB above its error"
    else:
        before, now = accuracy(model, samples, labels), accuracy(quantized, samples, labels)
        drop = f"accuracy goes from {before:.1%} to {now:.1%}"
    _log.warning(
        "weights in %s need training (nhot quantize --finetune --recipe from-scratch); without, %s "
        "on %d samples", ", ".join(names), drop, len(torch.as_tensor(samples)),
    )


def noise_ratio(quantized: QuantModel, model: nn.Module, samples: ArrayLike | Tensor) -> float:
    """Power of the float outputs over that of the error of the quantised ones, in dB.

    Infinite where there is no error. Both models are left in evaluation mode.
    """
    x = torch.as_tensor(samples, dtype=torch.float32)
    with torch.no_grad():
        wanted = model.eval()(x).double()
        error = quantized.eval()(x).double().reshape(wanted.shape) - wanted
    signal, noise = float(wanted.square().sum()), float(error.square().sum())
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf

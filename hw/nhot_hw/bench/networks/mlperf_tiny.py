"""The four networks of MLPerf Tiny, from weights to integers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from nhot.errors import NhotError
from nhot.experiments.models import build, entry
from nhot.experiments.training import repeatable
from nhot.formats import NHot, Uniform, parse
from nhot.frontends.module import import_model
from nhot.network import Network
from nhot.quant import quantize_post_training, to_network
from nhot.quant.quantize import quantize

__all__ = ["NETWORKS", "Model", "float_model", "integer_network"]

_SAMPLES = 32
_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Model:
    """One of the four.

    Parameters
    ----------
    entry : str
        The architecture in the catalogue of models.
    file : str
        What the file of the reference weights is called.
    low, high : float
        What an input lies between.
    """

    entry: str
    file: str
    low: float
    high: float


NETWORKS = {
    "ic": Model(entry="resnet8", file="ic01_float.tflite", low=0, high=255),
    "kws": Model(entry="ds-cnn", file="kws01_float.tflite", low=-123, high=26),
    "vww": Model(entry="mobilenet-v1-0.25", file="vww01_float.tflite", low=0, high=1),
    "ad": Model(entry="autoencoder", file="ad01_float.tflite", low=-85, high=15),
}
"""By short name: image classification, keyword spotting, visual wake words, anomaly detection."""


def float_model(name: str, folder: Path | None = None) -> tuple[nn.Module, bool]:
    """The network ``name`` in float, and whether it has the reference weights.

    These are taken from ``folder`` if it has the network's file. Otherwise it is the catalogue's
    architecture with random weights, always the same ones.
    """
    model = NETWORKS[name]
    if folder is not None:
        if not folder.is_dir():
            raise NhotError(f"Folder of models {str(folder)!r} must exist")
        if (folder / model.file).exists():
            return import_model(folder / model.file), True
    with repeatable(_SEED):
        return build(model.entry).eval(), False


def integer_network(
    name: str, format: str, folder: Path | None = None, *, requant_terms: int = 2,
) -> tuple[Network, bool]:
    """The network ``name`` with weights in ``format``, and whether these are the reference's.

    Rounded without training, with multipliers of at most so many terms. Ranges of activations are
    those of random inputs within the network's own range.
    """
    model, reference = float_model(name, folder)
    with repeatable(_SEED):
        x = _random(NETWORKS[name])
        # What needs training stays as it is rounded: for cycles alone.
        trained = isinstance(parse(format), NHot | Uniform)
        make = quantize_post_training if trained else quantize
        rounded = make(model, format, x, requant_terms=requant_terms)
    return to_network(rounded, name), reference


def _random(model: Model) -> Tensor:
    shape = entry(model.entry).input_shape
    return torch.rand(_SAMPLES, *shape) * (model.high - model.low) + model.low

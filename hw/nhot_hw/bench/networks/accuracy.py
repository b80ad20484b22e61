"""How often the reference model for images is right once its weights are rounded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from nhot.errors import NhotError
from nhot.experiments.data.cifar10 import load_cifar10
from nhot.experiments.data.dataset import Floats
from nhot.experiments.training import repeatable
from nhot.formats import NHot, Uniform, parse
from nhot.progress import track
from nhot.quant import accuracy, quantize_post_training
from nhot_hw.bench.networks.mlperf_tiny import NETWORKS, float_model

__all__ = ["IMAGES", "accuracies"]

IMAGES = 2000
"""Test images, from the first on."""

_SAMPLES = 512


def accuracies(
    folder: Path | None, data: Path, formats: Iterable[str], *, requant_terms: int = 2
) -> dict[str, float]:
    """The part of CIFAR-10's first test images that "ic" names rightly, by format; "float" first.

    Rounded without training: ranges and biases are those of some training images. Besides
    ``formats``, of which those are left out that need training, it is measured in int8.

    Parameters
    ----------
    folder : path
        Of the reference weights; there must be those of "ic".
    data : path
        The folder of CIFAR-10.
    """
    model, reference = float_model("ic", folder)
    if not reference:
        raise NhotError(f"Folder of models {str(folder)!r} must have {NETWORKS['ic'].file!r} to "
                        "be judged on data")
    images = load_cifar10(data)
    samples = _pixels(images.train_x[:_SAMPLES])
    x, y = _pixels(images.test_x[:IMAGES]), images.test_y[:IMAGES]
    names = [name for name in dict.fromkeys(["int8", *formats])
             if isinstance(parse(name), NHot | Uniform)]
    result = {"float": accuracy(model, x, y)}
    for name in track(names, "accuracy", unit="formats"):
        with repeatable(0):
            rounded = quantize_post_training(
                model, name, samples, requant_terms=requant_terms, input_range=(0, 255)
            )
        result[name] = accuracy(rounded, x, y)
    return result


def _pixels(images: Floats) -> Tensor:
    """Bytes as floats, as the reference model takes them."""
    return torch.tensor(images) * 255

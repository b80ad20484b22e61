"""What a network of a study is trained to do: its data, its loss and its measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from numpy.typing import ArrayLike
from torch import Tensor, nn

from nhot.data import Dataset, load_cifar10, load_digits
from nhot.errors import NhotError
from nhot.studies.study import Study
from nhot.training import Augment, CropFlip, accuracy
from nhot.training.batches import Data
from nhot.training.losses import CrossEntropy, Loss

__all__ = ["SAMPLES", "Task", "open_task"]

SAMPLES = 512
"""Samples that ranges of activations are taken from."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Data to train on, and how good a model is.

    Parameters
    ----------
    data : Data
        Batches for the loss.
    samples : (samples, channels, height, width)
        That ranges of activations are taken from.
    measure : callable
        From a model to the metric on the held-out data, more being better.
    loss : Loss
    augment : Augment, optional
    input_range : (low, high), optional
        As :func:`nhot.quant.quantize` has it.
    """

    data: Data
    samples: ArrayLike | Tensor
    measure: Callable[[nn.Module], float]
    loss: Loss = field(default_factory=CrossEntropy)
    augment: Augment | None = None
    input_range: tuple[float, float] | None = None


def open_task(study: Study, data: Path | None) -> Task:
    """The task of ``study``, its data set read from the folder ``data``."""
    if study.data == "digits":
        return _classification(load_digits(), None)
    if data is None:
        raise NhotError(f"--data must name the folder of the data set {study.data}")
    return _classification(load_cifar10(data), CropFlip())


def _classification(data: Dataset, augment: Augment | None) -> Task:
    # Each has the floats made once, however the data set keeps them.
    train_x, test_x = data.train_x, data.test_x
    return Task(
        data=(train_x, data.train_y), samples=train_x[:SAMPLES], augment=augment,
        measure=partial(accuracy, data=(test_x, data.test_y)), input_range=data.input_range,
    )

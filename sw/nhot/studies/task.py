"""What a network of a study is trained to do: its data, its loss and its measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike
from torch import Tensor, nn

from nhot.data import Dataset, load_cifar10, load_digits
from nhot.data.coco import Coco
from nhot.data.coco_splits import open_coco
from nhot.errors import NhotError
from nhot.models import entry
from nhot.studies.detection import CentreLoss, Jitter, Precision, in_memory
from nhot.studies.study import Study
from nhot.training import Augment, CropFlip, accuracy
from nhot.training.batches import Data
from nhot.training.losses import CrossEntropy, Loss

__all__ = ["SAMPLES", "Task", "open_task"]

SAMPLES = 512
"""Samples that ranges of activations are taken from."""

PHOTOGRAPHS = 48
"""The same for photographs, whose activations are many: all of them are in memory at once."""


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
    figures : callable, optional
        From a model to what else is measured, for its record.
    """

    data: Data
    samples: ArrayLike | Tensor
    measure: Callable[[nn.Module], float]
    loss: Loss = field(default_factory=CrossEntropy)
    augment: Augment | None = None
    input_range: tuple[float, float] | None = None
    figures: Callable[[nn.Module], dict[str, Any]] | None = None


def open_task(study: Study, data: Path | None) -> Task:
    """The task of ``study``, its data set read from the folder ``data``."""
    if study.data == "digits":
        return _classification(load_digits(), None)
    if data is None:
        raise NhotError(f"--data must name the folder of the data set {study.data}")
    if study.data == "coco":
        return _detection(study, data)
    return _classification(load_cifar10(data), CropFlip())


def _classification(data: Dataset, augment: Augment | None) -> Task:
    # Each has the floats made once, however the data set keeps them.
    train_x, test_x = data.train_x, data.test_x
    return Task(
        data=(train_x, data.train_y), samples=train_x[:SAMPLES], augment=augment,
        measure=partial(accuracy, data=(test_x, data.test_y)), input_range=data.input_range,
    )


def _detection(study: Study, data: Path) -> Task:
    """Trained on the split ``train``, measured on ``test``."""
    _, height, width = entry(study.network).input_shape
    splits = open_coco(data, size=(height, width))
    train, test = splits.split("train"), splits.split("test")
    assert isinstance(train, Coco)
    assert isinstance(test, Coco)
    expected = study.options["classes"]
    if len(splits.classes) != expected:
        raise NhotError(f"Categories of the data set of study {study.name} must be {expected}, "
                        f"not {len(splits.classes)}: {', '.join(splits.classes)}")
    images, boxes, labels = in_memory(train)
    precision = Precision(in_memory(test)[0], test.objects, splits.classes)
    return Task(
        data=(images, boxes, labels), samples=images[:PHOTOGRAPHS], augment=Jitter(),
        measure=precision, figures=precision.figures, loss=CentreLoss(expected),
        input_range=splits.input_range,
    )

"""Measuring a model: over a whole data set, in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from nhot.experiments.data.dataset import Floats
from nhot.experiments.training.batches import Batch, Data, TensorData, as_data, collate
from nhot.experiments.training.environment import device_of
from nhot.experiments.training.losses import CrossEntropy, Loss
from nhot.formats.format import Ints

__all__ = ["accuracy", "in_order", "mean_loss", "outputs", "predictions"]

BATCH = 256


def accuracy(model: nn.Module, data: Data, *, batch: int = BATCH) -> float:
    """The part of the samples of ``data``, (samples, labels), that ``model`` classifies so."""
    labels, answers, _ = predictions(model, data, batch=batch)
    return float((labels == answers).mean())


@torch.no_grad()
def predictions(model: nn.Module, data: Data, *, batch: int = BATCH) -> tuple[Ints, Ints, int]:
    """Labels of the samples of ``data``, the classes that ``model`` gives, and how many there are.

    Both are (samples,), in the order of the data.
    """
    device = device_of(model)
    model.eval()
    labels, answers, classes = [], [], 0
    for x, found in in_order(data, batch):
        scores = model(x.to(device))
        labels.append(found.cpu().numpy())
        answers.append(scores.argmax(1).cpu().numpy())
        classes = scores.shape[1]
    return np.concatenate(labels), np.concatenate(answers), classes


@torch.no_grad()
def outputs(model: nn.Module, x: Floats, *, batch: int = BATCH) -> Floats:
    """What ``model`` gives for samples ``x``, in evaluation mode. (samples, ...) float32"""
    device = device_of(model)
    model.eval()
    made = [model(part.to(device)).float().cpu().numpy() for (part,) in in_order((x,), batch)]
    return np.concatenate(made)


@torch.no_grad()
def mean_loss(
    model: nn.Module, data: Data, loss: Loss | None = None, *, batch: int = BATCH
) -> float:
    """The mean of ``loss(model, *batch)`` over ``data``; cross entropy without one."""
    device = device_of(model)
    chosen = loss or CrossEntropy()
    model.eval()
    total, count = 0.0, 0
    for part in in_order(data, batch):
        total += float(chosen(model, *(one.to(device) for one in part))) * len(part[0])
        count += len(part[0])
    return total / count


def in_order(data: Data, batch: int = BATCH) -> Iterator[Batch]:
    """Batches of all samples, in order."""
    source = as_data(data)
    for start in range(0, len(source), batch):
        indices = range(start, min(start + batch, len(source)))
        if isinstance(source, TensorData):
            yield source.take(torch.tensor(indices))
        else:
            yield collate([source[index] for index in indices])

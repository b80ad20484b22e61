"""Measuring a model: over a whole data set, in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from nhot.training.batches import Batch, Data, TensorData, as_data, collate
from nhot.training.environment import device_of
from nhot.training.losses import CrossEntropy, Loss

__all__ = ["accuracy", "in_order", "mean_loss"]

BATCH = 256


@torch.no_grad()
def accuracy(model: nn.Module, data: Data, *, batch: int = BATCH) -> float:
    """The part of the samples of ``data``, (samples, labels), that ``model`` classifies so."""
    device = device_of(model)
    model.eval()
    right = count = 0
    for x, labels in in_order(data, batch):
        right += int((model(x.to(device)).argmax(1) == labels.to(device)).sum())
        count += len(labels)
    return right / count


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

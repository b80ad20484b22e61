"""Losses: what a training makes small. Each is called as ``loss(model, *batch)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nhot.errors import NhotError

__all__ = ["CrossEntropy", "Distillation", "Loss", "MeanSquares", "check_classes"]


class Loss(Protocol):
    """``loss(model, *batch)``: one number, the mean over the samples of the batch.

    It calls the model itself, so that it may use as many inputs and outputs as the task has.
    """

    def __call__(self, model: nn.Module, /, *batch: Tensor) -> Tensor:
        """A tensor of one float, with its gradient."""


@dataclass(frozen=True)
class CrossEntropy:
    """Cross entropy of a classifier; a batch is (samples, labels).

    Parameters
    ----------
    label_smoothing : float
        The part of the target that is spread over all classes.
    """

    label_smoothing: float = 0.0

    def __call__(self, model: nn.Module, /, *batch: Tensor) -> Tensor:
        """The mean over the batch."""
        x, labels = _pair(batch)
        logits = model(x).float()
        check_classes(logits, labels)
        return F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)


@dataclass(frozen=True)
class MeanSquares:
    """Mean squared error of outputs; a batch is (samples, targets), or samples to reproduce."""

    def __call__(self, model: nn.Module, /, *batch: Tensor) -> Tensor:
        """The mean over the batch and all elements."""
        x, target = batch if len(batch) == 2 else (batch[0], batch[0])
        output = model(x).float()
        if output.shape != target.shape:
            raise NhotError(f"Output of the model must have its target's shape "
                            f"{tuple(target.shape)}, not {tuple(output.shape)}")
        return F.mse_loss(output, target.float())


class Distillation:
    """Follow a teacher: cross entropy with the labels, mixed with that to the teacher's outputs.

    Source: Hinton et al., arXiv 1503.02531; the square of the temperature keeps both gradients of
    one size.

    Parameters
    ----------
    teacher : nn.Module
        Gives (batch, classes), as the model does; is not trained.
    weight : float
        Of the teacher, 0 to 1; the labels have the rest.
    temperature : float
        Divides the outputs of both, so that classes which are unlikely count too.
    label_smoothing : float
    """

    def __init__(
        self, teacher: nn.Module, *, weight: float = 0.5, temperature: float = 4.0,
        label_smoothing: float = 0.0,
    ):
        if not 0 <= weight <= 1:
            raise NhotError(f"Weight of the teacher must be 0 to 1, not {weight}")
        if not temperature > 0:
            raise NhotError(f"Temperature must be above 0, not {temperature}")
        self.teacher = teacher
        self.weight = weight
        self.temperature = temperature
        self.label_smoothing = label_smoothing

    def __call__(self, model: nn.Module, /, *batch: Tensor) -> Tensor:
        """The mean over the batch."""
        x, labels = _pair(batch)
        logits = model(x).float()
        check_classes(logits, labels)
        with torch.no_grad():
            taught = self.teacher.to(x.device).eval()(x).float()
        if taught.shape != logits.shape:
            raise NhotError(f"Teacher must give {tuple(logits.shape)}, as the model does, "
                            f"not {tuple(taught.shape)}")
        soft = F.kl_div(
            F.log_softmax(logits / self.temperature, 1),
            F.log_softmax(taught / self.temperature, 1), log_target=True, reduction="batchmean",
        )
        hard = F.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        return self.weight * self.temperature**2 * soft + (1 - self.weight) * hard


def check_classes(logits: Tensor, labels: Tensor) -> None:
    """Refuse an output that is not a number for each class, and labels beyond its classes."""
    if logits.dim() != 2:
        raise NhotError(
            f"Model to train must give (batch, classes), not shape {tuple(logits.shape)}"
        )
    if labels.dim() != 1 or labels.is_floating_point():
        raise NhotError(f"Labels must be one integer a sample, "
                        f"not {labels.dtype} of shape {tuple(labels.shape)}")
    least, most = (int(one) for one in torch.aminmax(labels))
    if least < 0 or most >= logits.shape[1]:
        raise NhotError(
            f"Labels must be 0 to {logits.shape[1] - 1}, as the model has classes, "
            f"not {least} to {most}"
        )


def _pair(batch: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    if len(batch) != 2:
        raise NhotError(f"A batch must be (samples, labels), not {len(batch)} tensors")
    return batch[0], batch[1]

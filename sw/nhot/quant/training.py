"""Training on arrays in memory: classification, and fine-tuning in the stages of a format."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from nhot.errors import NhotError
from nhot.experiments import training
from nhot.experiments.training import Distillation, Settings
from nhot.experiments.training.batches import Batch
from nhot.experiments.training.losses import check_classes
from nhot.quant.model import QuantModel, as_samples
from nhot.quant.recipes import RecipeResult, recipe, run_recipe, stages

__all__ = ["Augment", "accuracy", "finetune", "fit", "stages"]

Augment = Callable[[Tensor], Tensor]
"""Changes a batch of samples at random, with torch's generator."""


def fit(
    model: nn.Module, x: ArrayLike | Tensor, y: ArrayLike | Tensor, *, epochs: int, lr: float,
    seed: int = 0, batch: int = 64, augment: Augment | None = None, what: str = "training",
) -> None:
    """Train ``model`` to classify, in place, and leave it in evaluation mode.

    Adam on cross entropy; the rate rises to ``lr`` and falls to zero over the epochs. The same seed
    gives the same model on the same machine, whatever else it does: one thread, own random numbers.
    :func:`nhot.experiments.training.fit` has all other settings.

    Parameters
    ----------
    x : (samples, ...) float
    y : (samples,) int
        Class of each sample.
    """
    settings = _settings(epochs, lr, seed, batch)
    data = _checked(model, x, y)
    training.fit(model, data, settings, augment=_on_samples(augment), what=what)


def finetune(
    model: QuantModel, x: ArrayLike | Tensor, y: ArrayLike | Tensor, *, epochs: int = 20,
    lr: float = 2e-3, seed: int = 0, batch: int = 64, augment: Augment | None = None,
    teacher: nn.Module | None = None, run: str | os.PathLike[str] | None = None,
) -> RecipeResult:
    """Train a quantised model in the :func:`stages` of its format, in place.

    Each stage searches scales and ranges anew, then trains for ``epochs``, the second one at a
    quarter of ``lr``. :func:`nhot.quant.recipes.run_recipe` has all other ways.

    Parameters
    ----------
    teacher : nn.Module, optional
        The float model, whose outputs count as much as the labels.
    run : path, optional
        A folder for checkpoints and logs, from which an interrupted training goes on.
    """
    data = _checked(model, x, y)
    two = recipe("two-stage", model.formats, _settings(epochs, lr, seed, batch))
    return run_recipe(
        model, data, two, loss=None if teacher is None else Distillation(teacher),
        augment=_on_samples(augment), samples=data[0], run=run,
    )


def accuracy(model: nn.Module, x: ArrayLike | Tensor, y: ArrayLike | Tensor) -> float:
    """The part of the samples that ``model``, in evaluation mode, classifies as labelled."""
    return training.accuracy(model, _checked(model, x, y))


def as_labels(y: ArrayLike | Tensor, count: int) -> Tensor:
    """Labels as a tensor of integers, one for each of ``count`` samples."""
    labels = torch.as_tensor(y)
    if labels.shape != (count,) or labels.is_floating_point():
        raise NhotError(
            f"Labels must be one integer a sample ({count}), "
            f"not {labels.dtype} of shape {tuple(labels.shape)}"
        )
    return labels.long()


def _settings(epochs: int, lr: float, seed: int, batch: int) -> Settings:
    return Settings(
        epochs=epochs, lr=lr, seed=seed, batch=batch, optimizer="adam", schedule="one-cycle",
        device="cpu", channels_last=False,
    )


@torch.no_grad()
def _checked(
    model: nn.Module, x: ArrayLike | Tensor, y: ArrayLike | Tensor
) -> tuple[Tensor, Tensor]:
    """Samples and labels that fit each other and the model."""
    samples = as_samples(x)
    labels = as_labels(y, len(samples))
    check_classes(model.eval()(samples[:2]), labels)
    return samples, labels


def _on_samples(augment: Augment | None) -> training.Augment | None:
    """An augmentation of samples as one of batches, which the loop seeds for every step."""
    if augment is None:
        return None

    def augmented(batch: Batch, _: torch.Generator) -> Batch:
        return (augment(batch[0]), *batch[1:])

    return augmented

"""Training: one loop for float and quantised models, and the stages of fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.formats import Format, NHot, Uniform
from nhot.progress import Progress
from nhot.quant.model import QuantModel, as_samples, batches

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

    Parameters
    ----------
    x : (samples, ...) float
    y : (samples,) int
        Class of each sample.
    """
    samples = as_samples(x)
    labels = as_labels(y, len(samples))
    if epochs < 1:
        raise NhotError(f"Epochs must be at least 1, not {epochs}")
    if batch < 2 or len(samples) < 2:
        raise NhotError(f"Batches must have at least 2 samples, not {min(batch, len(samples))}")
    _check_classes(model, samples[:2], labels)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    steps = -(-len(samples) // batch) * epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=lr, total_steps=max(steps, 2))
    with repeatable(seed), Progress(what, epochs, unit="epochs") as progress:
        model.train()
        for _ in range(epochs):
            order = torch.randperm(len(samples))
            for part, targets in batches(samples[order], labels[order], size=batch):
                if len(part) < 2:
                    continue  # batch normalisation has no statistics of one sample
                optimizer.zero_grad()
                loss = F.cross_entropy(model(augment(part) if augment else part), targets)
                if not bool(torch.isfinite(loss)):
                    raise NhotError(f"Training must not diverge; the rate {lr} is too high for it")
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            progress.step()
        model.eval()


def stages(format: Format) -> tuple[Format, ...]:
    """The formats that fine-tuning goes through, the last being ``format``.

    n-hot is trained in two: first on the uniform grid that its levels are taken from, then on the
    levels. (The source, arXiv 2103.11704, names two stages; that these are the two is our reading.)
    """
    if isinstance(format, NHot):
        uniform = Uniform(bits=format.bits)
        if len(uniform.levels) > len(format.levels):
            return uniform, format
    return (format,)


def finetune(
    model: QuantModel, x: ArrayLike | Tensor, y: ArrayLike | Tensor, *, epochs: int = 20,
    lr: float = 2e-3, seed: int = 0, batch: int = 64, augment: Augment | None = None,
) -> None:
    """Train a quantised model in the :func:`stages` of its format, in place.

    Each stage searches scales and ranges anew, then trains for ``epochs``, the second one at a
    quarter of ``lr``.
    """
    for index, format in enumerate(stages(model.format)):
        model.set_format(format)
        model.calibrate(x)
        fit(
            model, x, y, epochs=epochs, lr=lr / 4**index, seed=seed + index, batch=batch,
            augment=augment, what=f"fine-tuning {format.name}",
        )


@torch.no_grad()
def accuracy(model: nn.Module, x: ArrayLike | Tensor, y: ArrayLike | Tensor) -> float:
    """The part of the samples that ``model``, in evaluation mode, classifies as labelled."""
    samples = as_samples(x)
    labels = as_labels(y, len(samples))
    model.eval()
    right = sum(
        int((model(part).argmax(1) == targets).sum()) for part, targets in batches(samples, labels)
    )
    return right / len(samples)


def as_labels(y: ArrayLike | Tensor, count: int) -> Tensor:
    """Labels as a tensor of integers, one for each of ``count`` samples."""
    labels = torch.as_tensor(y)
    if labels.shape != (count,) or labels.is_floating_point():
        raise NhotError(
            f"Labels must be one integer a sample ({count}), "
            f"not {labels.dtype} of shape {tuple(labels.shape)}"
        )
    return labels.long()


@torch.no_grad()
def _check_classes(model: nn.Module, samples: Tensor, labels: Tensor) -> None:
    """Refuse a model whose output is not a number for each class, and labels beyond its classes."""
    shape = tuple(model.eval()(samples).shape)
    if len(shape) != 2:
        raise NhotError(f"Model to train must give (batch, classes), not shape {shape}")
    if int(labels.min()) < 0 or int(labels.max()) >= shape[1]:
        raise NhotError(
            f"Labels must be 0 to {shape[1] - 1}, as the model has classes, "
            f"not {int(labels.min())} to {int(labels.max())}"
        )


@contextmanager
def repeatable(seed: int) -> Iterator[None]:
    """Own random numbers, and one thread: the order of sums depends on the number of threads."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)

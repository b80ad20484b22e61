"""What a model is to do: its data, its loss and its measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

from nhot.errors import NhotError
from nhot.experiments.tasks.source import Source

if TYPE_CHECKING:
    from nhot.experiments.training import Loss
    from nhot.experiments.training.batches import Data
    from nhot.experiments.training.loop import Evaluate

__all__ = ["AUTOENCODER", "DETECTOR", "Kind", "Task", "open_task"]

DETECTOR = "centernet"
"""The network that finds objects rather than classes."""

AUTOENCODER = "autoencoder"
"""The network that gives its input back."""


Kind = Literal["classification", "reproduction", "detection"]
"""To tell classes, to give outputs of least squared error, or to find objects."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """Data, and what a model is to make of them.

    Parameters
    ----------
    source : Source
    read : callable
        From a source and its split to what the loss takes.
    loss : Loss
    metric : str
        What ``measure`` gives: ``accuracy``, ``loss`` or ``mAP``.
    measure : callable, optional
        From a model to the metric on held-out data, if there are any.
    held_out : Data, optional
    """

    source: Source
    read: Callable[[Source, str], Data]
    loss: Loss
    metric: str
    measure: Evaluate | None
    held_out: Data | None

    @cached_property
    def data(self) -> Data:
        """What to train on."""
        return self.read(self.source, "train")

    def check(self, model: Any, data: Data) -> None:
        """Refuse a model that does not take ``data``, by trying two samples of them.

        These have the least and the greatest label, where labels are known and one a sample.
        """
        import numpy as np

        from nhot.experiments.training import mean_loss

        arrays: Any = data
        if isinstance(data, tuple):
            labelled = len(data) == 2 and self.metric == "accuracy"
            ends = [arrays[1].argmin(), arrays[1].argmax()] if labelled else [0, -1]
            chosen = tuple(array[ends] for array in arrays)
        else:
            chosen = tuple(map(np.stack, zip(arrays[0], arrays[len(arrays) - 1], strict=True)))
        bare = len(chosen) == 1 and (self.metric != "loss" or self.source.targets is not None)
        try:
            mean_loss(model, chosen, _runs if bare else self.loss)
        except NhotError:
            raise
        except Exception as error:
            text = f"{type(error).__name__}: {' '.join(str(error).split())}"
            shape = chosen[0].shape[1:]
            raise NhotError(f"Model must take samples of shape {shape}, but: {text}") from None


def open_task(
    kind: Kind, source: Source, other: Source | None = None
) -> Task:
    """The task of this kind; what is to be measured with is read.

    Parameters
    ----------
    kind : Kind
    source : Source
    other : Source, optional
        To measure with; without it the held-out split of ``source``.
    """
    split = source.held_out() if other is None else other.held_out(alone=True)
    opened = {
        "detection": _detection, "reproduction": _reproduction, "classification": _classification,
    }[kind]
    return opened(source, other or source, split)


def _classification(source: Source, other: Source, split: str | None) -> Task:
    from nhot.experiments.training import CrossEntropy, accuracy

    # Samples without labels have no accuracy; those that are named to be measured with must have.
    measured = split is not None and (other.labelled or other is not source)
    held_out = _labelled(other, split) if split and measured else None
    return Task(
        source=source, read=_labelled, loss=CrossEntropy(), metric="accuracy", held_out=held_out,
        measure=None if held_out is None else partial(accuracy, data=held_out),
    )


def _reproduction(source: Source, other: Source, split: str | None) -> Task:
    """Outputs to come near to: those of the data, or the samples themselves (an autoencoder)."""
    from nhot.experiments.training import MeanSquares, mean_loss

    if split and (source.targets is None) != (other.targets is None):
        with_y, without = (source, other) if other.targets is None else (other, source)
        raise NhotError(f"Data {without.name} must have targets y, as {with_y.name} has")
    held_out = _wanted(other, split) if split else None
    loss = MeanSquares()
    return Task(
        source=source, read=_wanted, loss=loss, metric="loss", held_out=held_out,
        measure=None if held_out is None else partial(mean_loss, data=held_out, loss=loss),
    )


def _detection(source: Source, other: Source, split: str | None) -> Task:
    from nhot.experiments.tasks.detection import CentreLoss, Precision

    classes = source.splits.classes
    held_out = _objects(other, split) if split else None
    measure = None
    if split and held_out is not None:
        scenes: Any = other.splits.split(split)
        measure = Precision(held_out[0], scenes.objects, classes)
    return Task(
        source=source, read=_objects, loss=CentreLoss(len(classes)), metric="mAP",
        measure=measure, held_out=held_out,
    )


def _labelled(source: Source, split: str) -> Data:
    if not source.labelled:
        raise NhotError(f"Data {source.name} must have labels y, one for each sample, to train or "
                        "to measure with")
    return source.data(split)


def _wanted(source: Source, split: str) -> Data:
    """Samples with the outputs wanted of them, or alone where these are the samples."""
    data = source.data(split)
    if not isinstance(data, tuple):
        raise NhotError(f"Data {source.name} must fit into memory for the loss mean-squares")
    return data[:1] if source.targets is None else (data[0], source.targets)


def _objects(source: Source, split: str) -> Any:
    from nhot.experiments.data import Coco
    from nhot.experiments.data.coco_folds import Scenes
    from nhot.experiments.tasks.detection import in_memory

    scenes = source.splits.split(split)
    if not isinstance(scenes, Coco | Scenes):
        raise NhotError(f"Data {source.name} must be COCO instances for {DETECTOR}")
    return in_memory(scenes)


def _runs(model: Any, /, *batch: Any) -> Any:
    return model(batch[0]).sum()

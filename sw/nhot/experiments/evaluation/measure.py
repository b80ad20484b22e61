"""A model's outputs beside what data say, by task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.experiments.data import Coco, ToyAdmos, coco_metrics, stack
from nhot.experiments.data.dataset import Floats
from nhot.experiments.evaluation.roc import area, partial_area
from nhot.experiments.tasks.source import Source
from nhot.formats.format import Ints
from nhot.progress import Progress

__all__ = ["TASKS", "Evaluation", "Model", "Task", "evaluate", "some_samples", "task_of"]

Task = Literal["classes", "anomalies", "numbers", "objects"]
TASKS: tuple[Task, ...] = get_args(Task)
"""To tell classes, to score what is not normal, to come near to numbers, or to find objects."""

BATCH = 64
MANY = 20
"""Classes from which on it also counts whether the label is among the five largest outputs."""


class Model(Protocol):
    """What :func:`evaluate` measures."""

    @property
    def gives_class(self) -> bool:
        """Whether an output is the class itself."""

    def outputs(self, x: Floats) -> NDArray[np.float64]:
        """(samples, height, width, channels) of samples as the data have them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """What came of it.

    Parameters
    ----------
    task : Task
    metric : str
        ``accuracy``, ``AUC``, ``mean squares`` or ``mAP``.
    value : float
    samples : int
    figures : dict
        More of them by name.
    labels, answers : (samples,) int64, optional
        Of classes.
    classes : int
        How many the model tells apart, 0 of other tasks.
    names : tuple of str
        Of the classes, if they are known.
    inputs : (samples, ...), optional
        The samples, of classes, as data have them.
    """

    task: Task
    metric: str
    value: float
    samples: int
    figures: dict[str, float] = field(default_factory=dict)
    labels: Ints | None = None
    answers: Ints | None = None
    classes: int = 0
    names: tuple[str, ...] = ()
    inputs: Any = None


def task_of(source: Source, split: str) -> Task:
    """What the data are for, where nobody says it."""
    samples = source.splits.split(split)
    if isinstance(samples, Coco):
        return "objects"
    if isinstance(samples, ToyAdmos):
        return "anomalies"
    return "classes" if source.labelled else "numbers"


def evaluate(
    model: Model, source: Source, *, split: str, task: Task | None = None, most: int | None = None
) -> Evaluation:
    """Measure ``model`` on a split of ``source``, or on ``most`` of its samples, evenly spread.

    ``classes``: the largest output is the answer, or the output itself where the network ends in an
    argmax. ``anomalies``: the score is the mean squared difference of output and sample, of a
    recording the mean of its vectors' (as MLPerf Tiny and DCASE 2020 task 2 have it), or the output
    where it is one number. ``numbers``: squared differences from the data's outputs, or from the
    samples where there are none. ``objects``: as COCO measures it.
    """
    chosen = task_of(source, split) if task is None else task
    samples: Any = source.splits.split(split)
    scenes = isinstance(samples, Coco)
    if scenes != (chosen == "objects"):
        needed = "COCO instances" if chosen == "objects" else "samples, not COCO instances,"
        raise NhotError(f"Data {source.name} must be {needed} for the task {chosen}")
    if chosen in {"classes", "anomalies"} and not source.labelled:
        raise NhotError(f"Data {source.name} must have labels y, one integer for each sample, for "
                        f"the task {chosen}")
    places = _places(len(samples), most)
    with Progress("evaluating", len(places), unit="samples") as progress:
        measure = {"classes": _classes, "anomalies": _anomalies, "numbers": _numbers,
                   "objects": _objects}[chosen]
        return measure(model, source, samples, places, progress)


def some_samples(source: Source, split: str, most: int) -> Floats:
    """At most so many samples of a split, evenly spread, without labels. (samples, ...)

    Of ToyADMOS, one vector of a recording.
    """
    samples: Any = source.splits.split(split)
    some = [samples[place][0] for place in _places(len(samples), most).tolist()]
    if isinstance(samples, ToyAdmos):
        some = [vectors[len(vectors) // 2] for vectors in some]
    return np.stack(some)


def _places(count: int, most: int | None) -> Ints:
    if most is not None and most < 1:
        raise NhotError(f"Number of samples must be at least 1, not {most}")
    if most is None or most >= count:
        return np.arange(count)
    return np.arange(most) * count // most


def _batches(samples: Any, places: Ints) -> Iterator[tuple[Ints, Floats, Ints]]:
    """Places, samples and labels, some at a time."""
    for start in range(0, len(places), BATCH):
        some = places[start : start + BATCH]
        arrays = stack(_Some(samples, some))
        yield some, arrays.x, arrays.y


class _Some:
    def __init__(self, samples: Any, places: Ints):
        self.samples, self.places = samples, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> tuple[Floats, int]:
        x, y, *_ = self.samples[int(self.places[index])]
        return x, y


def _classes(
    model: Model, source: Source, samples: Any, places: Ints, progress: Progress
) -> Evaluation:
    labels, answers, five, classes = [], [], 0, 0
    for _, x, y in _batches(samples, places):
        outputs = model.outputs(x)
        classes = _count(model, outputs)
        scores = outputs.reshape(len(outputs), -1)
        if classes and y.max() >= classes:
            raise NhotError(f"Labels of {source.name} must be 0 to {classes - 1}, the classes of "
                            f"the model, not {y.max()}")
        if y.min() < 0:
            raise NhotError(f"Labels of {source.name} must be 0 or more, not {y.min()}")
        found = scores[:, 0].astype(np.int64) if model.gives_class else scores.argmax(axis=1)
        if classes >= MANY:
            five += int((np.argsort(-scores, axis=1, kind="stable")[:, :5] == y[:, None]).sum())
        labels.append(y)
        answers.append(found)
        progress.step(len(x))
    wanted, given = np.concatenate(labels), np.concatenate(answers)
    names = source.splits.classes
    return Evaluation(
        task="classes", metric="accuracy", value=float((wanted == given).mean()),
        samples=len(wanted), labels=wanted, answers=given,
        classes=classes or max(len(names), int(max(wanted.max(), given.max())) + 1),
        names=names, figures={"top 5": five / len(wanted)} if classes >= MANY else {},
        inputs=_Some(samples, places),
    )


def _count(model: Model, outputs: NDArray[np.float64]) -> int:
    """The classes that the model tells apart; 0 where its outputs do not say."""
    if model.gives_class:
        return 0
    height, width, channels = outputs.shape[1:]
    if height * width > 1 or channels < 2:
        raise NhotError("Model must give a score for each of its classes, not outputs of "
                        f"{(height, width, channels)} (height, width, channels); "
                        "another --task may suit it")
    return int(channels)


def _anomalies(
    model: Model, source: Source, samples: Any, places: Ints, progress: Progress
) -> Evaluation:
    labels, scores = [], []
    if isinstance(samples, ToyAdmos):  # a sample is a recording of many vectors
        for place in places.tolist():
            vectors, label = samples[place]
            labels.append(np.array([label]))
            scores.append(_errors(model, vectors).mean(keepdims=True))
            progress.step()
    else:
        for _, x, y in _batches(samples, places):
            labels.append(y)
            scores.append(_errors(model, x))
            progress.step(len(x))
    wanted, given = np.concatenate(labels), np.concatenate(scores)
    return Evaluation(
        task="anomalies", metric="AUC", value=area(wanted, given), samples=len(wanted),
        figures={"AUC up to 10 % false alarms": partial_area(wanted, given),
                 "mean score of what is normal": float(given[wanted == 0].mean()),
                 "mean score of anomalies": float(given[wanted == 1].mean())},
    )


def _errors(
    model: Model, x: Floats, wanted: Floats | None = None, whose: str = "a sample"
) -> NDArray[np.float64]:
    """The mean squared difference of each output from what it should be, or the output alone."""
    outputs = model.outputs(x)
    made = outputs.transpose(0, 3, 1, 2).reshape(len(x), -1)
    if wanted is None and made.shape[1] == 1 < x[0].size:
        return made[:, 0]
    target = (x if wanted is None else wanted).reshape(len(x), -1)
    if made.shape != target.shape:
        raise NhotError(f"Model must give {target.shape[1]} numbers, as many as {whose} has, "
                        f"not {made.shape[1]}")
    return np.asarray(((made - target) ** 2).mean(axis=1), np.float64)


def _numbers(
    model: Model, source: Source, samples: Any, places: Ints, progress: Progress
) -> Evaluation:
    parts, targets, size = [], source.targets, 0.0
    if isinstance(samples, ToyAdmos):
        raise NhotError(f"Data {source.name} must be for the task anomalies, not numbers")
    for some, x, _ in _batches(samples, places):
        wanted = x if targets is None else targets[some]
        whose = f"y of {source.name}"
        if targets is None:
            whose = f"a sample of {source.name}, which has no labels y,"
        parts.append(_errors(model, x, wanted, whose))
        size += float((np.asarray(wanted, np.float64) ** 2).sum())
        progress.step(len(x))
    errors = np.concatenate(parts)
    wanted = samples[0][0] if targets is None else targets[0]
    energy = size / len(errors) / wanted.size
    ratio = errors.mean() / energy if energy else 0.0
    return Evaluation(
        task="numbers", metric="mean squares", value=float(errors.mean()), samples=len(errors),
        figures={"of the squares of what is wanted": float(ratio)},
    )


def _objects(
    model: Model, source: Source, samples: Any, places: Ints, progress: Progress
) -> Evaluation:
    from nhot.experiments.models.centernet.decode import BATCH, THRESHOLD, decode

    found, classes = [], source.splits.classes
    for start in range(0, len(places), BATCH):
        some = places[start : start + BATCH].tolist()
        outputs = model.outputs(np.stack([samples[place].image for place in some]))
        found += [decode(maps, threshold=THRESHOLD) for maps in outputs.transpose(0, 3, 1, 2)]
        progress.step(len(some))
    metrics = coco_metrics([samples.objects[place] for place in places], found, classes)
    each = {f"AP of {name}": one["AP"] for name, one in metrics["classes"].items()}
    return Evaluation(
        task="objects", metric="mAP", value=metrics["mAP"], samples=len(places),
        figures={"AP50": metrics["AP50"], "AP75": metrics["AP75"], **each},
    )

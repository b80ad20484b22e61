"""Average precision of detected boxes, as COCO measures it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any, NamedTuple, TypedDict

import numpy as np

from nhot.errors import MissingToolError, NhotError
from nhot.experiments.data.coco import Objects
from nhot.experiments.data.dataset import Floats
from nhot.formats.format import Ints

__all__ = ["ClassMetrics", "Detections", "Metrics", "coco_metrics", "evaluated"]


class Detections(NamedTuple):
    """What a network found in one image.

    ``boxes`` is (found, 4), each x, y, width and height; ``scores`` (found,), of which only the
    order matters; ``labels`` (found,) integers.
    """

    boxes: Floats
    scores: Floats
    labels: Ints


class ClassMetrics(TypedDict):
    """Average precisions of one class, as in :class:`Metrics`."""

    AP: float
    AP50: float


class Metrics(TypedDict):
    """Average precisions from 0 to 1, and those of each class that there is in the images.

    ``mAP`` is the mean over overlaps (IoU) of 0.5 to 0.95 in steps of 0.05, the main number of
    COCO; ``AP50`` and ``AP75`` are for 0.5 and 0.75.
    """

    mAP: float
    AP50: float
    AP75: float
    classes: dict[str, ClassMetrics]


def coco_metrics(
    ground_truth: Sequence[Objects], detections: Sequence[Detections], classes: Sequence[str]
) -> Metrics:
    """Average precisions by ``COCOeval`` of pycocotools: all areas, 100 detections an image.

    Parameters
    ----------
    ground_truth : sequence of Objects
        Of each image, as :attr:`Coco.objects` has them.
    detections : sequence of Detections
        Of the same images, in the same pixels.
    classes : sequence of str
        In the order of labels.
    """
    evaluation = evaluated(ground_truth, detections, classes)
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.accumulate()
    # (overlaps, recalls, classes), of all areas and 100 detections; -1 where a class has no object.
    return _summary(evaluation.eval["precision"][:, :, :, 0, 2], classes)


def evaluated(
    ground_truth: Sequence[Objects], detections: Sequence[Detections], classes: Sequence[str]
) -> Any:
    """A ``COCOeval`` of the arguments of :func:`coco_metrics` that has matched each image."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise MissingToolError(
            "Detection is measured with the package pycocotools; run: pip install 'nhot[data]'"
        ) from None
    if len(ground_truth) != len(detections):
        raise NhotError(f"Detections must be of {len(ground_truth)} images, not {len(detections)}")
    if not any((~objects.crowd).any() for objects in ground_truth):
        raise NhotError("Ground truth must have at least one object, not none")
    tables = []
    for entries in (_truths(ground_truth), _found(detections)):
        for entry in entries:
            if not 0 <= entry["category_id"] < len(classes):
                raise NhotError(
                    f"Labels must be 0 to {len(classes) - 1}, not {entry['category_id']}"
                )
        table = COCO()
        table.dataset = {
            "images": [{"id": image} for image in range(len(ground_truth))],
            "categories": [{"id": label, "name": name} for label, name in enumerate(classes)],
            # Ids start at 1: the evaluation takes a match with number 0 for none.
            "annotations": [entry | {"id": number} for number, entry in enumerate(entries, 1)],
        }
        tables.append(table)
    with contextlib.redirect_stdout(io.StringIO()):
        for table in tables:
            table.createIndex()
        evaluation = COCOeval(*tables, "bbox")
        evaluation.evaluate()
    return evaluation


def _truths(ground_truth: Sequence[Objects]) -> list[dict[str, Any]]:
    return [
        _annotation(image, box, label) | {"iscrowd": int(crowd)}
        for image, objects in enumerate(ground_truth)
        for box, label, crowd in zip(*objects, strict=True)
    ]


def _found(detections: Sequence[Detections]) -> list[dict[str, Any]]:
    return [
        _annotation(image, box, label) | {"score": float(score), "iscrowd": 0}
        for image, found in enumerate(detections)
        for box, score, label in zip(*found, strict=True)
    ]


def _annotation(image: int, box: Floats, label: int) -> dict[str, Any]:
    x, y, width, height = (float(value) for value in box)
    return {"image_id": image, "category_id": int(label), "bbox": [x, y, width, height],
            "area": width * height}


def _summary(precision: np.ndarray[Any, np.dtype[np.float64]], classes: Sequence[str]) -> Metrics:
    there = [label for label in range(len(classes)) if (precision[:, :, label] > -1).any()]
    mean = precision[:, :, there].mean(axis=1)  # (overlaps, classes)
    return {
        "mAP": float(mean.mean()), "AP50": float(mean[0].mean()), "AP75": float(mean[5].mean()),
        "classes": {
            classes[label]: {"AP": float(values.mean()), "AP50": float(values[0])}
            for label, values in zip(there, mean.T, strict=True)
        },
    }

"""Average precision on photographs drawn anew, which tells how far chance in them goes.

The bootstrap (Efron, 1979): of as many photographs as there are, drawn with replacement. Two
networks are compared on the same draws, photograph by photograph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nhot.experiments.data.coco import Objects
from nhot.experiments.data.coco_metrics import Detections, evaluated

__all__ = ["drawn", "resampled_precision"]

Booleans = NDArray[np.bool_]
Counts = NDArray[np.int64]


class _Matches(NamedTuple):
    """Detections of a class, the most certain first, and what there was to find.

    ``image`` is (found,), that of each; ``right`` and ``wrong`` (overlaps, found), neither for one
    that does not count; ``objects`` (images,).
    """

    image: Counts
    right: Booleans
    wrong: Booleans
    objects: Counts


def drawn(images: int, draws: int, seed: int) -> Counts:
    """How often each image is drawn, (draws, images): the same for the same arguments."""
    rng = np.random.default_rng(seed)
    return np.array([
        np.bincount(rng.integers(0, images, images), minlength=images) for _ in range(draws)
    ])


def resampled_precision(
    ground_truth: Sequence[Objects], detections: Sequence[Detections], classes: Sequence[str],
    often: Counts,
) -> list[float]:
    """The mAP of :func:`coco_metrics` on images of which each is there ``often`` times.

    ``often`` is (draws, images). Of a draw without any object the mAP is -1.
    """
    evaluation = evaluated(ground_truth, detections, classes)
    matches = list(_matches(evaluation, len(ground_truth), len(classes)))
    recalls = evaluation.params.recThrs
    return [_mean_precision(matches, times, recalls) for times in often]


def _matches(evaluation: Any, images: int, classes: int) -> Iterator[_Matches]:
    """Of each class, from what ``COCOeval`` keeps of each class, range of areas and image."""
    areas = len(evaluation.params.areaRng)
    for label in range(classes):
        start = label * areas * images  # the first range has all areas
        objects = np.zeros(images, np.int64)
        found: list[tuple[NDArray[Any], ...]] = []
        for place, one in enumerate(evaluation.evalImgs[start : start + images]):
            if one is None:
                continue
            objects[place] = np.count_nonzero(np.asarray(one["gtIgnore"]) == 0)
            matched, counts = one["dtMatches"] > 0, ~one["dtIgnore"].astype(bool)
            scores = np.asarray(one["dtScores"])
            found.append((scores, np.full(len(scores), place), matched & counts, ~matched & counts))
        if not found:
            continue
        scores, image, right, wrong = (
            np.concatenate(parts, axis=-1) for parts in zip(*found, strict=True)
        )
        order = np.argsort(-scores, kind="stable")
        yield _Matches(image[order], right[:, order], wrong[:, order], objects)


def _mean_precision(matches: list[_Matches], often: Counts, recalls: NDArray[Any]) -> float:
    """Over the classes that there are objects of, all overlaps and all recalls."""
    there = [one for one in matches if one.objects @ often]
    if not there:
        return -1.0
    return float(np.mean([_precisions(one, often, recalls).mean() for one in there]))


def _precisions(one: _Matches, often: Counts, recalls: NDArray[Any]) -> NDArray[Any]:
    """(overlaps, recalls): the best precision with at least that recall, 0 beyond what is found."""
    times = often[one.image]
    right, wrong = (np.cumsum(part * times, axis=1) for part in (one.right, one.wrong))
    recall = right / (one.objects @ often)
    precision = right / (right + wrong + np.spacing(1))
    best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    beyond = np.zeros((len(best), 1))
    best = np.concatenate([best, beyond], axis=1)
    return np.array([
        row[np.searchsorted(reached, recalls, side="left")]
        for row, reached in zip(best, recall, strict=True)
    ])

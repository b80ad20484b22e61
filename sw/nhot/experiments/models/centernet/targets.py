"""What a detector should give: maps drawn from boxes."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from nhot.errors import NhotError
from nhot.experiments.data.dataset import Floats
from nhot.experiments.models.centernet.maps import HEATMAP, OFFSET, REGRESSED, SIZE, STRIDE, UNIT

__all__ = ["targets"]

OVERLAP = 0.7
"""Intersection over union that a box keeps when its centre is moved by the radius."""


def targets(
    boxes: ArrayLike, labels: ArrayLike, *, classes: int, shape: tuple[int, int]
) -> Floats:
    """Maps of the objects in an image, (classes + 4, height / 4, width / 4).

    A heatmap is 1 in the cell of a centre, and falls around it as a Gaussian that is the wider, the
    larger the object is; where two meet the larger value stays. Size and offset are zero but in the
    cells of centres. Of two objects in one cell the later one gives both.

    Parameters
    ----------
    boxes : (objects, 4)
        Each x, y, width and height in pixels from the top left corner; the centre lies in the
        image.
    labels : (objects,) int
        Class of each object.
    classes : int
    shape : (height, width)
        Of the image, multiples of 4.
    """
    height, width = shape
    if height < STRIDE or width < STRIDE or height % STRIDE or width % STRIDE:
        raise NhotError(f"Height and width of an image must be multiples of {STRIDE}, not {shape}")
    objects = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    sides = objects[:, 2:]
    centres = objects[:, :2] + sides / 2
    kinds = _labels(labels, len(objects), classes)
    inside = (centres >= 0).all(1) & (centres < (width, height)).all(1) & (sides > 0).all(1)
    if not inside.all():
        index = int(inside.argmin())
        raise NhotError(
            f"Box {index} must be x, y, width, height around a centre in the image of "
            f"{width} x {height}, not {objects[index].tolist()}"
        )
    maps = np.zeros((classes + REGRESSED, height // STRIDE, width // STRIDE), np.float32)
    for kind, side, centre in zip(kinds, sides, centres / STRIDE, strict=True):
        cell = np.floor(centre).astype(int)
        heatmap = maps[HEATMAP][kind]
        np.maximum(heatmap, _gaussian(heatmap.shape, cell, side / STRIDE), out=heatmap)
        maps[SIZE, cell[1], cell[0]] = np.log(side / UNIT)
        maps[OFFSET, cell[1], cell[0]] = centre - cell
    return maps


def _gaussian(shape: tuple[int, ...], cell: np.ndarray, side: np.ndarray) -> Floats:
    """A Gaussian of peak 1 at ``cell`` (x, y), as wide as an object of ``side`` cells asks for."""
    deviation = (2 * _radius(side[0], side[1]) + 1) / 6
    y, x = np.ogrid[: shape[0], : shape[1]]
    squares = (x - cell[0]) ** 2 + (y - cell[1]) ** 2
    result: Floats = np.exp(-squares / (2 * deviation**2)).astype(np.float32)
    return result


def _radius(width: float, height: float) -> float:
    """How far a box may be moved along both axes and overlap its old place by :data:`OVERLAP`.

    Moved by r, intersection over union is i / (2 w h - i) with i = (w - r)(h - r).
    """
    free = 4 * width * height * (1 - OVERLAP) / (1 + OVERLAP)
    return (width + height - math.sqrt((width + height) ** 2 - free)) / 2


def _labels(labels: ArrayLike, count: int, classes: int) -> np.ndarray:
    kinds = np.asarray(labels, dtype=np.int64)
    if kinds.shape != (count,):
        raise NhotError(f"Labels must be one a box ({count}), not of shape {kinds.shape}")
    if count and not 0 <= kinds.min() <= kinds.max() < classes:
        raise NhotError(f"Labels must be 0 to {classes - 1}, not {kinds.min()} to {kinds.max()}")
    return kinds

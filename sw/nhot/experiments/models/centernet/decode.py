"""From the maps of a detector to boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nhot.errors import NhotError
from nhot.experiments.data.coco_metrics import Detections
from nhot.experiments.models.centernet.maps import HEATMAP, OFFSET, REGRESSED, SIZE, STRIDE, UNIT

__all__ = ["BATCH", "THRESHOLD", "decode"]

LARGEST = 10.0
"""Logarithm of the largest size, beyond any image: what an untrained network says has no limit."""

BATCH = 8
"""Images measured at a time: all activations of a batch are in memory together."""

THRESHOLD = 0.01
"""Least score that counts where precision is measured: that is over all scores, so it is low."""


def decode(maps: ArrayLike, *, limit: int = 100, threshold: float = 0.1) -> Detections:
    """The objects whose centres are peaks of a heatmap: no less than the cells around them.

    The most certain come first, with scores from 0 to 1; boxes are in pixels, cut off at the edges
    of the image, and may overlap. Of equal cells side by side, which integer maps often have, the
    first is the peak.

    Parameters
    ----------
    maps : (classes + 4, height / 4, width / 4) float
        Of one image, as the network gives them; heatmaps are logits.
    limit : int
        Objects at most.
    threshold : float
        Least score, 0 to 1.
    """
    values = np.asarray(maps, dtype=np.float64)
    if values.ndim != 3 or values.shape[0] <= REGRESSED:
        raise NhotError(f"Maps must have shape (classes + 4, height, width), not {values.shape}")
    if limit < 1:
        raise NhotError(f"Limit of objects must be at least 1, not {limit}")
    heatmap = values[HEATMAP]
    scores = 1 / (1 + np.exp(-heatmap.clip(-50, 50)))
    labels, y, x = np.nonzero(_peaks(heatmap) & (scores >= threshold))
    found = scores[labels, y, x]
    best = np.argsort(-found, kind="stable")[:limit]
    labels, y, x = labels[best], y[best], x[best]
    centres = (np.stack([x, y]) + values[OFFSET, y, x]) * STRIDE
    halves = UNIT * np.exp(values[SIZE, y, x].clip(max=LARGEST)) / 2
    ends = np.array(heatmap.shape[:0:-1])[:, None] * STRIDE
    starts, stops = ((centres + half).clip(0, ends) for half in (-halves, halves))
    boxes = np.concatenate([starts, stops - starts]).T
    return Detections(boxes.astype(np.float32), found[best].astype(np.float32), labels)


def _peaks(heatmap: np.ndarray) -> np.ndarray:
    """Where a value is above the neighbours before it and no less than those after it."""
    _, height, width = heatmap.shape
    padded = np.pad(heatmap, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    peaks = np.ones(heatmap.shape, bool)
    for y, x in np.ndindex(3, 3):
        neighbour = padded[:, y : y + height, x : x + width]
        peaks &= heatmap > neighbour if (y, x) < (1, 1) else heatmap >= neighbour
    return peaks

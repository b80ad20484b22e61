"""The receiver operating characteristic of scores: how well they tell what is from what is not."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nhot.errors import NhotError

__all__ = ["area", "curve", "partial_area"]

Reals = NDArray[np.float64]


def area(labels: ArrayLike, scores: ArrayLike) -> float:
    """The area under the curve (AUC): how often a 1 scores above a 0, equal ones counting half.

    Parameters
    ----------
    labels : (samples,) integers
        1 of what is to score high (an anomaly), 0 of all else; both must occur.
    scores : (samples,) numbers
    """
    false, true = curve(labels, scores)
    return float(np.trapezoid(true, false))


def partial_area(labels: ArrayLike, scores: ArrayLike, most: float = 0.1) -> float:
    """The area where at most the part ``most`` of the 0 are taken for 1, as 0.5 to 1.

    0.5 is chance. Standardised as in McClish, Medical Decision Making 9 (1989), 190-195.
    """
    false, true = curve(labels, scores)
    end = np.searchsorted(false, most, side="right")
    height = np.interp(most, false, true)
    part = np.trapezoid([*true[:end], height], [*false[:end], most])
    chance = most * most / 2
    return float((1 + (part - chance) / (most - chance)) / 2)


def curve(labels: ArrayLike, scores: ArrayLike) -> tuple[Reals, Reals]:
    """Rates of 0 and of 1 at or above each score, from none to all. (thresholds + 1,) each"""
    wanted, given = np.asarray(labels), np.asarray(scores, np.float64)
    if wanted.shape != given.shape or wanted.ndim != 1:
        raise NhotError(f"Scores must be one for each of {wanted.size} labels, "
                        f"not of shape {given.shape}")
    if not np.isfinite(given).all():
        raise NhotError("Scores must be finite numbers, not NaN or infinite")
    if set(np.unique(wanted).tolist()) != {0, 1}:
        raise NhotError("Labels must be 0 (normal) and 1 (anomaly), both of which must occur, "
                        f"not {', '.join(map(str, np.unique(wanted)[:8].tolist()))}")
    order = np.argsort(-given, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(given[order]) != 0, True))
    true = np.cumsum(wanted[order])[ends]
    false = ends + 1 - true
    start = np.zeros(1)
    return (np.concatenate([start, false / false[-1]]), np.concatenate([start, true / true[-1]]))

"""Choices that no test sample has a part in: the samples for them, and the best candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.formats.format import Ints

__all__ = ["Trial", "best", "held_back"]

SPLIT_SEED = 20231201
"""The samples that are held back are the same for all rows and seeds of all studies."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a candidate is worth.

    Parameters
    ----------
    name : str
        Of the candidate.
    validation : float
        The metric on the samples that were held back.
    density : float
        Part of its weights that is not zero.
    """

    name: str
    validation: float
    density: float


def held_back(labels: Ints, count: int) -> NDArray[np.bool_]:
    """Which samples of a training split are not trained on: ``count``, of every class its share.

    Classes whose shares are no whole numbers have one more or less, in their order.

    Parameters
    ----------
    labels : (samples,) int64
    count : int
        Fewer than there are samples.
    """
    if not 0 < count < len(labels):
        raise NhotError(f"Validation must be 1 to {len(labels) - 1} of {len(labels)} samples, "
                        f"not {count}")
    shuffled = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    # Every so many samples one, so that each class has its share.
    places = np.arange(count) * len(labels) // count
    mask = np.zeros(len(labels), np.bool_)
    mask[by_class[places]] = True
    return mask


def best(trials: Sequence[Trial], densest: float) -> Trial:
    """The best one on validation samples, the first of equals, among those not denser than that.

    If all are denser, it is the best of all.
    """
    return max(trials, key=lambda one: (one.density <= densest, one.validation))

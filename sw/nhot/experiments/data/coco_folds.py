"""Folds of all photographs of a data set, so that each of them is measured with once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nhot.errors import NhotError
from nhot.experiments.data.coco import Coco, Objects, Scene
from nhot.experiments.data.samples import Splits

__all__ = ["Scenes", "coco_fold"]


class Scenes:
    """Some of the photographs of several splits, with what :class:`Coco` says of its own.

    Parameters
    ----------
    chosen : sequence of (Coco, int)
        A split and a place in it for each photograph, one or more; all of one size.
    """

    def __init__(self, chosen: Sequence[tuple[Coco, int]]) -> None:
        self._chosen = tuple(chosen)
        self.size = chosen[0][0].size
        self.classes = chosen[0][0].classes
        self.objects: list[Objects] = [coco.objects[place] for coco, place in chosen]
        self.names = [coco.names[place] for coco, place in chosen]

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> Scene:
        coco, place = self._chosen[index]
        return coco[place]


def coco_fold(splits: Splits, number: int, count: int) -> Splits:
    """Splits of which ``test`` is fold ``number`` of ``count``, and ``train`` all the rest.

    Photographs of all splits of ``splits`` are dealt out in an order drawn at random, the same
    each time, whichever split they came from.
    """
    photographs = [
        (coco, place)
        for coco in (splits.train, splits.validation, splits.test) if isinstance(coco, Coco)
        for place in range(len(coco))
    ]
    photographs.sort(key=lambda one: one[0].names[one[1]])
    if not 0 <= number < count <= len(photographs):
        raise NhotError(f"Fold must be 0 to {count - 1} of {len(photographs)} photographs, "
                        f"not {number}")
    order = np.random.default_rng(0).permutation(len(photographs))
    folds = [[photographs[index] for index in sorted(order[first::count])]
             for first in range(count)]
    rest = [one for other, fold in enumerate(folds) if other != number for one in fold]
    return Splits(
        train=Scenes(rest), test=Scenes(folds[number]), classes=splits.classes,
        input_range=splits.input_range,
    )

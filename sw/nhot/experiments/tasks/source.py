"""Data sets by name: for ranges, to train on and to measure with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nhot.errors import NhotError
from nhot.progress import Progress

if TYPE_CHECKING:
    from nhot.experiments.data import Samples, Splits
    from nhot.experiments.data.dataset import Floats
    from nhot.experiments.training.batches import Data
    from nhot.formats.format import Ints

__all__ = ["DIGITS", "Source"]

DIGITS = "digits"
"""The data set that needs no folder."""

IN_MEMORY = 1 << 30
"""Bytes up to which a split is kept in memory; a larger one is read anew in every epoch."""

VALUES = 1 << 23
"""Of all samples that ranges are taken from: activations are in memory together."""


class Source:
    """A data set that a user names.

    Parameters
    ----------
    name : str
        A path, or ``digits``.
    size : (height, width), optional
        For images that have no size in common.
    layout : str, optional
        Of :data:`nhot.experiments.data.LAYOUTS`, where it must be a certain one.
    outputs : bool
        Whether the array y of an npz file is what a network is to give, not classes.

    Attributes
    ----------
    targets : (samples, ...) float, optional
        The outputs wanted, where the source has them.
    """

    def __init__(
        self, name: str, size: tuple[int, int] | None = None, *, layout: str | None = None,
        outputs: bool = False,
    ):
        self.name = name
        self.targets: Floats | None = None
        self.size: tuple[int, int] | None = None
        self.labelled = True
        self.splits = self._open(size, layout, outputs)

    def samples(self, most: int | None) -> tuple[Floats, Ints | None]:
        """At most so many samples to train on, evenly spread, and their labels if there are any.

        Without a number it is 512, of large samples fewer.
        """
        from nhot.experiments.data import Arrays, load_arrays, stack

        if most is None:
            values = self.splits.train[0][0].size
            most = min(max(VALUES // values, 32), 512)
        if most < 1:
            raise NhotError(f"Number of samples must be at least 1, not {most}")
        if isinstance(self.splits.train, Arrays):
            some = stack(self.splits.train, most)
            return some.x, some.y if self.labelled else None
        x, y = load_arrays(self.name, size=self.size, most=most)
        step = -(-len(x) // most)  # a recording has many vectors
        return x[::step], None if y is None else y[::step]

    def held_out(self, *, alone: bool = False) -> str | None:
        """The split to measure with, None if there is none.

        Parameters
        ----------
        alone : bool
            Whether the source is there to measure with, so that its only split will do.
        """
        for name in ("test", "validation"):
            if getattr(self.splits, name) is not None:
                return name
        return "train" if alone else None

    def data(self, split: str) -> Data:
        """The (samples, labels) of a split, whole if they fit into memory."""
        from nhot.experiments.data import Arrays, ToyAdmos, load_arrays, stack

        samples = self.splits.split(split)
        if isinstance(samples, Arrays):
            return samples.x, samples.y
        if isinstance(samples, ToyAdmos):
            x, y = load_arrays(self.name, split=split)
            assert y is not None
            return x, y
        if samples[0][0].nbytes * len(samples) > IN_MEMORY:
            return samples
        with Progress(f"reading {self.name}", len(samples), unit="samples") as progress:
            arrays = stack(_Watched(samples, progress))
        return arrays.x, arrays.y

    def _open(self, size: tuple[int, int] | None, layout: str | None, outputs: bool) -> Splits:
        from nhot.experiments.data import LAYOUTS, Coco, open_data
        from nhot.experiments.data.arrays import load_targets

        path = Path(self.name)
        if self.name == DIGITS and not path.exists():
            return _digits()
        if path.is_file() and outputs:
            x, self.targets = load_targets(path)
            self.labelled = False
            return _unlabelled(x)
        if path.is_file():
            splits, self.labelled = _npz(path)
            return splits
        if any(one.sized for one in LAYOUTS.values() if one.fits(path)):
            self.size = size
        splits = open_data(path, layout=layout, size=self.size)
        self.labelled = not isinstance(splits.train, Coco)
        return splits


class _Watched:
    """Samples that tell how many of them have been read."""

    def __init__(self, samples: Samples[Any], progress: Progress):
        self.samples, self.progress = samples, progress

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        self.progress.step()
        return self.samples[index]


def _digits() -> Splits:
    from nhot.experiments.data import Arrays, Splits, load_digits

    data = load_digits()
    return Splits(
        train=Arrays(data.train_x, data.train_y), test=Arrays(data.test_x, data.test_y),
        input_range=data.input_range,
    )


def _npz(path: Path) -> tuple[Splits, bool]:
    """Samples to train on, and whether they have labels."""
    from nhot.experiments.data import Arrays, Splits
    from nhot.experiments.data.arrays import load_npz

    x, y = load_npz(path)
    if y is None:
        return _unlabelled(x), False
    return Splits(train=Arrays(x, y)), True


def _unlabelled(x: Floats) -> Splits:
    import numpy as np

    from nhot.experiments.data import Arrays, Splits

    return Splits(train=Arrays(x, np.zeros(len(x), np.int64)))

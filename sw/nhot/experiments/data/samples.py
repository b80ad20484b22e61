"""Samples that are read one by one, in the splits of their data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from nhot.errors import NhotError
from nhot.experiments.data.dataset import Floats
from nhot.formats.format import Ints

__all__ = ["Arrays", "Samples", "Splits", "stack"]

Sample = TypeVar("Sample", covariant=True)


class Samples(Protocol[Sample]):
    """What can be counted and indexed from 0; a loader of torch takes it as it is."""

    def __len__(self) -> int:
        """Number of samples."""

    def __getitem__(self, index: int) -> Sample:
        """One sample; IndexError beyond the last."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """Samples in memory, as pairs of (features, label).

    Parameters
    ----------
    x : (samples, ...) float32
    y : (samples,) int64
    """

    x: Floats
    y: Ints

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Floats, int]:
        return self.x[index], int(self.y[index])


@dataclass(frozen=True, kw_only=True, eq=False)
class Splits:
    """A data set whose samples are read when they are asked for.

    Parameters
    ----------
    train, validation, test : Samples
        None where the data set has no such split.
    classes : tuple of str
        Their names, in the order of labels.
    input_range : (low, high), optional
        Ends of the values of a sample, if they are known beforehand.
    """

    train: Samples[Any]
    validation: Samples[Any] | None = None
    test: Samples[Any] | None = None
    classes: tuple[str, ...] = ()
    input_range: tuple[float, float] | None = None

    def split(self, name: str) -> Samples[Any]:
        """The split of that name: ``train``, ``validation`` or ``test``."""
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        there = {key: value for key, value in splits.items() if value is not None}
        if name not in there:
            raise NhotError(f"Split must be one of {', '.join(there)}, not {name!r}")
        return there[name]


def stack(samples: Samples[tuple[Floats, int]], most: int | None = None) -> Arrays:
    """Samples of (features, label) as arrays in memory; ``most`` of them, evenly spread."""
    count = len(samples)
    if isinstance(samples, Arrays) and (most is None or most >= count):
        return samples
    if most is not None and most < 1:
        raise NhotError(f"Number of samples must be at least 1, not {most}")
    chosen = range(count) if most is None or most >= count else (
        [number * count // most for number in range(most)]
    )
    x: Floats | None = None
    y = np.empty(len(chosen), np.int64)
    for place, index in enumerate(chosen):
        features, y[place] = samples[index]
        x = np.empty((len(chosen), *features.shape), np.float32) if x is None else x
        if features.shape != x.shape[1:]:
            raise NhotError(f"Sample {index} must have the shape of the first, {x.shape[1:]}, "
                            f"not {features.shape}")
        x[place] = features
    if x is None:
        raise NhotError("Samples must be at least one, not none")
    return Arrays(x, y)

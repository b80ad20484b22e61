"""What every stage can be asked: its outputs, and all tensors on the way to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nhot.experiments.data.dataset import Floats
from nhot.formats.format import Ints
from nhot.network import Network, Tensor

__all__ = ["Reals", "Stage", "Traced", "as_maps", "real"]

Reals = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Traced:
    """One tensor.

    Parameters
    ----------
    names : tuple of str
        What it may be called in another stage; its own name first.
    values : (samples, height, width, channels) float64
        Real numbers, whatever the stage computes with.
    grid : Tensor, optional
        The grid that its integers are on, if it has some.
    """

    names: tuple[str, ...]
    values: Reals
    grid: Tensor | None = None


class Stage(ABC):
    """A model that takes real samples (samples, channels, height, width), as data sets have them.

    Attributes
    ----------
    kind : str
        What it is, for people: ``float``, ``network``, ``image``, ``board``, or of which tool.
    network : Network, optional
        The integers that it is to compute.
    size : (height, width), optional
        Of its input, where it is known.
    """

    kind: str
    network: Network | None = None
    size: tuple[int, int] | None = None

    @property
    def gives_class(self) -> bool:
        """Whether its output is the class itself, not a score for each."""
        return self.network is not None and self.network.output.bits > 8

    @abstractmethod
    def outputs(self, x: Floats) -> Reals:
        """What it makes of samples. (samples, height, width, channels)"""

    @abstractmethod
    def trace(self, x: Floats) -> list[Traced]:
        """Every tensor in the order they are made, the input first and the output last."""


def real(tensor: Tensor, integers: Ints) -> Reals:
    """What ``integers`` of ``tensor`` stand for."""
    return np.asarray((integers - tensor.zero_point) * tensor.scale, np.float64)


def as_maps(values: NDArray[np.generic]) -> Reals:
    """Torch's (samples, channels, ...) as (samples, height, width, channels)."""
    shape = (*values.shape[:2], *[1] * (4 - values.ndim), *values.shape[2:])
    return np.asarray(values.reshape(shape).transpose(0, 2, 3, 1), np.float64)

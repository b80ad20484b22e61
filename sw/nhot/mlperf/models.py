"""The four models: what the bytes of a sample stand for, and what is said of an output.

Source: mlcommons/tiny, ``benchmark/evaluation/datasets/README.md`` and the ``th_load_tensor`` and
``th_results`` of ``benchmark/reference_submissions``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.network.tensor import Shape, Tensor

__all__ = ["MODELS", "Features", "Model", "Pixels", "Reals", "Vector", "model_of"]

Reals = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Model(ABC):
    """One of the benchmark's models, as the protocol sees it.

    Parameters
    ----------
    name : str
        As the host knows it, which chooses a test by it.
    task : str
        For people.
    shape : (height, width, channels)
        Of a sample.
    outputs : int
        Of the network.
    """

    name: str
    task: str
    shape: Shape
    outputs: int

    @property
    def size(self) -> int:
        """Bytes of a sample on the line."""
        return math.prod(self.shape)

    @abstractmethod
    def limits(self, source: Tensor) -> tuple[float, float] | None:
        """What the least and the greatest byte stand for, in a network with the input ``source``;
        None where a sample is no bytes. Raises :class:`NhotError` if that cannot be told."""

    @abstractmethod
    def sample(self, data: bytes, limits: tuple[float, float] | None) -> Reals:
        """Real numbers (height, width, channels) of a sample of :attr:`size` bytes."""

    def scores(self, sample: Reals, output: Reals) -> list[float]:
        """Probabilities of classes, from the logits (outputs,) of ``sample``: the softmax that
        the benchmark's models end with, and networks here do not."""
        powers = np.exp(output - output.max())
        return cast(list[float], (powers / powers.sum()).tolist())


@dataclass(frozen=True, kw_only=True)
class Pixels(Model):
    """An image: bytes of red, green and blue, pixel by pixel."""

    def limits(self, source: Tensor) -> tuple[float, float]:
        """0 and 1, or 0 and 255, whatever the network's input is made for."""
        low, high = _range(source)
        for most in (1.0, 255.0):
            if most / 2 < high < 2 * most and -most / 4 < low < most / 4:
                return 0.0, most
        raise NhotError(
            "--input-range must be given, what bytes 0 and 255 of a pixel are in the network: its "
            f"input takes {low:.4g} to {high:.4g}, which is neither 0 to 1 nor 0 to 255"
        )

    def sample(self, data: bytes, limits: tuple[float, float] | None) -> Reals:
        assert limits is not None
        return _spread(np.frombuffer(data, np.uint8).reshape(self.shape), limits)


@dataclass(frozen=True, kw_only=True)
class Features(Model):
    """Features of a sound: signed bytes, frame by frame.

    Parameters
    ----------
    scale, zero_point : float, int
        The benchmark's files hold the integers of its reference model's input.
    """

    scale: float
    zero_point: int

    def limits(self, source: Tensor) -> tuple[float, float]:
        """Those of the reference model's input."""
        return (-128 - self.zero_point) * self.scale, (127 - self.zero_point) * self.scale

    def sample(self, data: bytes, limits: tuple[float, float] | None) -> Reals:
        assert limits is not None
        signed = np.frombuffer(data, np.int8).astype(np.int64) + 128
        return _spread(signed.reshape(self.shape), limits)


@dataclass(frozen=True, kw_only=True)
class Vector(Model):
    """Numbers of single precision, little endian, and an autoencoder that gives them back.

    A recording is many such vectors, each one frame further on: the host sends them one by one and
    takes the mean of what it is answered.
    """

    @property
    def size(self) -> int:
        return 4 * math.prod(self.shape)

    def limits(self, source: Tensor) -> None:
        """None: a sample is no bytes."""

    def sample(self, data: bytes, limits: tuple[float, float] | None) -> Reals:
        values = np.frombuffer(data, "<f4").astype(np.float64)
        if not np.isfinite(values).all():
            raise NhotError("Sample must be finite numbers, not NaN or infinite")
        return values.reshape(self.shape)

    def scores(self, sample: Reals, output: Reals) -> list[float]:
        """The mean square of what the network did not give back."""
        return [float(np.mean((output - sample.ravel()) ** 2))]


MODELS: tuple[Model, ...] = (
    Pixels(name="ic01", task="image classification", shape=(32, 32, 3), outputs=10),
    Features(name="kws01", task="keyword spotting", shape=(49, 10, 1), outputs=12,
             scale=0.5847029089927673, zero_point=83),
    Pixels(name="vww01", task="visual wake words", shape=(96, 96, 3), outputs=2),
    Vector(name="ad01", task="anomaly detection", shape=(1, 1, 640), outputs=640),
)


def model_of(source: Tensor, output: Tensor) -> Model:
    """The model that a network with this input and output is for."""
    for model in MODELS:
        if model.shape == source.shape:
            if output.size != model.outputs:
                raise NhotError(f"Network must have {model.outputs} outputs for {model.task}, "
                                f"not {output.size}")
            return model
    known = ", ".join(f"{model.shape} for {model.task}" for model in MODELS)
    raise NhotError(f"Network must have an input of {known}, not {source.shape}")


def _range(tensor: Tensor) -> tuple[float, float]:
    """Real values of the least and the greatest integer."""
    return ((tensor.low - tensor.zero_point) * tensor.scale,
            (tensor.high - tensor.zero_point) * tensor.scale)


def _spread(values: NDArray[np.integer], limits: tuple[float, float]) -> Reals:
    """0 to 255 as numbers between ``limits``."""
    low, high = limits
    return np.asarray(low + values * ((high - low) / 255), np.float64)

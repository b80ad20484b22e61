"""Pictures and sounds as a network takes them, by the same steps as the samples of data sets."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.experiments.data.audio import Mfcc, read_wav
from nhot.experiments.data.dataset import to_integers
from nhot.experiments.data.images import decode
from nhot.formats.format import Ints
from nhot.network import Tensor

__all__ = ["Samples", "takes"]

_LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue: ITU-R BT.601
_LEAST_SIDE = 4
_WHOLE_BYTES = 128  # an input that reaches beyond it is made for pixels of 0 to 255


def takes(source: Tensor) -> str:
    """``sound``, ``picture``, or nothing that a page could give: what the input ``source`` is."""
    height, width, channels = source.shape
    if source.shape == _features(Mfcc()):
        return "sound"
    if channels in {1, 3} and min(height, width) >= _LEAST_SIDE:
        return "picture"
    return ""


class Samples:
    """The way to integers.

    Parameters
    ----------
    limits : (low, high), optional
        What black and white are in the network; 0 and 255 where its input reaches so far, else 0
        and 1.
    """

    def __init__(self, limits: tuple[float, float] | None = None) -> None:
        if limits is not None and not (all(map(math.isfinite, limits)) and limits[0] < limits[1]):
            raise NhotError("Input range must be two numbers, the lower one first, "
                            f"not {limits[0]:g} and {limits[1]:g}")
        self._limits = limits

    def picture(self, source: Tensor, content: bytes, name: str) -> Ints:
        """An image file, scaled until it covers the input, of which the middle is kept."""
        _check(source, "picture")
        height, width, channels = source.shape
        pixels, _ = decode(content, name, (height, width), "crop")
        if channels == 1:
            pixels = np.floor(np.tensordot(_LUMA, pixels, 1) + 0.5).astype(np.uint8)[None]
        low, high = self.limits(source)
        (values,) = to_integers(source, (low + pixels * ((high - low) / 255))[None])
        return np.asarray(values)

    def sound(self, source: Tensor, content: bytes, name: str) -> Ints:
        """A wav file of 16 bits and 16,000 samples a second: the features of its first second."""
        _check(source, "sound")
        features = Mfcc()
        made = features(read_wav(content, name, features.rate))
        (values,) = to_integers(source, made[None])
        return np.asarray(values)

    def limits(self, source: Tensor) -> tuple[float, float]:
        """What black and white are in a network with the input ``source``."""
        if self._limits is not None:
            return self._limits
        highest = (source.high - source.zero_point) * source.scale
        return (0.0, 255.0) if highest > _WHOLE_BYTES else (0.0, 1.0)

    def shown(self, source: Tensor, values: Ints) -> NDArray[np.uint8]:
        """Integers of the input as bytes of pixels: what the network sees.

        Of features, from the least to the greatest integer.
        """
        low, high = float(source.low), float(source.high)
        real = values.astype(np.float64)
        if takes(source) == "picture":
            low, high = self.limits(source)
            real = (real - source.zero_point) * source.scale
        return np.clip((real - low) / (high - low) * 255 + 0.5, 0, 255).astype(np.uint8)


def _features(features: Mfcc) -> tuple[int, int, int]:
    channels, height, width = features.shape
    return height, width, channels


def _check(source: Tensor, kind: str) -> None:
    if takes(source) != kind:
        raise NhotError(f"Network must take a {kind}, but its input has shape {source.shape}")

"""Samples with labels, split in two, and their way to integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network.tensor import Shape, Tensor

__all__ = ["Dataset", "Floats", "to_integers"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Samples to train on, and others that are held out to test with.

    Parameters
    ----------
    train_x, test_x : (samples, channels, height, width) float32
    train_y, test_y : (samples,) int64
        Class of each sample.
    input_range : (low, high), optional
        What the least and the greatest integer of an 8-bit input stand for, if known.
    classes : tuple of str
        Their names, in the order of labels; empty if they have none.
    """

    train_x: Floats
    train_y: Ints
    test_x: Floats
    test_y: Ints
    input_range: tuple[float, float] | None = None
    classes: tuple[str, ...] = ()


def check_samples(
    found: tuple[int, ...], shape: Shape, what: str = "Samples must have shape (samples"
) -> None:
    """Refuse an array of shape ``found`` that holds no samples of ``shape`` as torch has them.

    ``shape`` is (height, width, channels), samples are (channels, height, width), without a height
    or a width of 1 if that is left out. ``what`` begins the error.
    """
    height, width, channels = shape
    flat = [(channels, width)] * (height == 1) + [(channels,)] * (height == width == 1)
    if found[1:] in [(channels, height, width), *flat]:
        return
    remedy = "; move the last axis in front of the other two" if found[1:] == shape else ""
    raise NhotError(f"{what}, {channels}, {height}, {width}), not {found}{remedy}")


def to_integers(tensor: Tensor, x: ArrayLike) -> Ints:
    """Round real samples half up to the integers of an input tensor; beyond its range: saturate.

    ``x`` is (samples, channels, height, width), (samples, channels, length) or (samples, features),
    as torch has it; the result is (samples, height, width, channels), as networks and boards have
    it, with a height of 1 where there is none.
    """
    values = np.asarray(x, dtype=np.float64)
    height, width, channels = tensor.shape
    check_samples(values.shape, tensor.shape)
    values = values.reshape(-1, channels, height, width)
    if not np.isfinite(values).all():
        raise NhotError("Samples must be finite numbers, not NaN or infinite")
    limited = np.clip(values / tensor.scale, -(2.0**20), 2.0**20)
    integers = np.floor(limited + 0.5).astype(np.int64) + tensor.zero_point
    return np.ascontiguousarray(np.clip(integers, tensor.low, tensor.high).transpose(0, 2, 3, 1))

"""Integers of a network as those of TensorFlow Lite: signed bytes, and what limits them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nhot.network import Tensor

__all__ = ["FUSED", "Limits", "limits", "shift", "zero_point"]

FUSED = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
"""Activation functions by the names of the schema."""

_RANGES = {"RELU_N1_TO_1": (-1.0, 1.0), "RELU6": (0.0, 6.0)}


def shift(tensor: Tensor) -> int:
    """What is added to an integer of ``tensor``: all types are signed there."""
    return 0 if tensor.signed else -128


def zero_point(tensor: Tensor) -> int:
    """The integer that stands for zero there."""
    return tensor.zero_point + shift(tensor)


@dataclass(frozen=True)
class Limits:
    """How integers are limited: by an activation function, and by what it leaves to be done.

    ``low`` and ``high`` are integers there, None where nothing is to be limited any more.
    """

    activation: str
    low: int | None
    high: int | None


def limits(tensor: Tensor, low: int, high: int) -> Limits:
    """How to limit ``tensor``, a full byte, to the integers ``low`` to ``high`` of the network."""
    first, last = low + shift(tensor), high + shift(tensor)
    zero, scale = zero_point(tensor), np.float32(tensor.scale)
    if (first, last) == (-128, 127):
        return Limits("NONE", None, None)
    for name, ends in _RANGES.items():
        if [first, last] == [_quantised(end, scale, zero) for end in ends]:
            return Limits(name, None, None)
    above = None if last == 127 else last
    if first == zero:
        return Limits("RELU", None, above)
    return Limits("NONE", None if first == -128 else first, above)


def _quantised(value: float, scale: np.float32, zero: int) -> int:
    """As the kernels quantise the ends of an activation: away from zero at half a unit."""
    units = float(np.float32(value) / scale)
    away = int(np.floor(abs(units) + 0.5)) if abs(units) < 1e6 else 1 << 20
    return int(np.clip(zero + (away if units > 0 else -away), -128, 127))

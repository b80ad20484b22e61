"""Numbers of a TensorFlow Lite file: weights, biases, and the grids that activations are on."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.frontends.graph_steps import Floats
from nhot.frontends.tflite.flatbuffer import TensorInfo
from nhot.network import Tensor
from nhot.printable import shortened

__all__ = ["array_of", "grid_of", "reals_of", "scale_of", "shape_of"]

_TYPES = {"FLOAT32": "<f4", "FLOAT16": "<f2", "INT8": "i1", "UINT8": "u1", "INT32": "<i4",
          "INT64": "<i8"}
_INTEGERS = {"INT8": 0, "UINT8": 128}
"""Types of 8 bits, and the zero point with which weights in them are symmetric."""


def shape_of(tensor: TensorInfo) -> tuple[int, ...]:
    """The shape of one sample; a batch must be of one, or of any size, and the rest be fixed."""
    batch, *sizes = tensor.shape or (0,)
    if batch not in {1, -1} or min(sizes, default=0) < 1:
        raise NhotError(
            f"tensor {shortened(tensor.name)} must have a fixed shape and a batch of 1, "
            f"not {shortened(tensor.shape)}"
        )
    return tuple(sizes)


def array_of(tensor: TensorInfo) -> NDArray[Any]:
    """The elements of a constant as the file has them."""
    kind = _TYPES.get(tensor.type)
    if kind is None:
        raise NhotError(f"constant {shortened(tensor.name)} must have a type of "
                        f"{', '.join(_TYPES)}, not {tensor.type}")
    if tensor.data is None or min(tensor.shape, default=0) < 0 or len(tensor.shape) > 8 or (
        tensor.data.size != prod(tensor.shape) * np.dtype(kind).itemsize
    ):
        held = 0 if tensor.data is None else tensor.data.size
        raise NhotError(f"constant {shortened(tensor.name)} must have as many bytes as its shape "
                        f"{shortened(tensor.shape)} of {tensor.type} needs, not {held}")
    return np.frombuffer(tensor.data.tobytes(), kind).reshape(tensor.shape)


def reals_of(tensor: TensorInfo) -> Floats:
    """What the elements of a constant stand for."""
    array = array_of(tensor)
    if tensor.type in _INTEGERS or len(tensor.scales):
        scales = _along(tensor, tensor.scales)
        zeros = _along(tensor, tensor.zero_points) if len(tensor.zero_points) else 0
        array = (array - zeros) * scales
    return np.asarray(array, np.float32)


def scale_of(tensor: TensorInfo, axis: int) -> Floats | None:
    """The scale of each filter of weights, which lie along ``axis``; None of those in float.

    Zero points other than zero, or the middle of unsigned types, are refused.
    """
    if tensor.type not in _INTEGERS:
        return None
    what, middle = f"weights {shortened(tensor.name)}", _INTEGERS[tensor.type]
    zeros = tensor.zero_points
    if (zeros != middle).any() or (middle and not len(zeros)):
        wrong = int(zeros[zeros != middle][0]) if len(zeros) else 0
        raise NhotError(f"{what} must have the zero point {middle}, not {wrong}")
    filters = tensor.shape[axis]
    if len(tensor.scales) not in {1, filters} or (len(tensor.scales) > 1 and tensor.axis != axis):
        raise NhotError(f"{what} must have one scale, or one for each of {filters} filters along "
                        f"axis {axis}, not {len(tensor.scales)} along axis {tensor.axis}")
    scales = np.broadcast_to(tensor.scales, (filters,)).astype(np.float32)
    if not (np.isfinite(scales) & (scales > 0)).all():
        raise NhotError(f"{what} must have scales above 0")
    return scales


def grid_of(tensor: TensorInfo) -> Tensor | None:
    """The grid of an activation; None of one in float."""
    what = f"activation {shortened(tensor.name)}"
    if tensor.type == "FLOAT32":
        return None
    if tensor.type not in _INTEGERS:
        raise NhotError(f"{what} must be of FLOAT32, INT8 or UINT8, not of {tensor.type}")
    if len(tensor.scales) != 1 or len(tensor.zero_points) > 1:
        raise NhotError(f"{what} must have one scale and one zero point, "
                        f"not {len(tensor.scales)} and {len(tensor.zero_points)}")
    return Tensor(
        name="activation", shape=(1, 1, 1), bits=8, signed=tensor.type == "INT8",
        scale=float(tensor.scales[0]),
        zero_point=int(tensor.zero_points[0]) if len(tensor.zero_points) else 0,
    )


def _along(tensor: TensorInfo, values: NDArray[Any]) -> NDArray[Any]:
    """One number, or one for each index along the axis of ``tensor``, to be multiplied with it."""
    axes, axis = [1] * len(tensor.shape), tensor.axis
    if len(values) != 1:
        if not 0 <= axis < len(axes) or len(values) != tensor.shape[axis]:
            raise NhotError(f"constant {shortened(tensor.name)} must have one scale, or one for "
                            f"each index along an axis, not {len(values)}")
        axes[axis] = len(values)
    return values.reshape(axes)

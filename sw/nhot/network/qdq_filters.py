"""Weights and biases in the order and with the signs that ONNX wants, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network.operators import Filters, Linear
from nhot.network.requant import Requant
from nhot.network.tensor import Tensor

__all__ = ["NO_SCALE", "filters_from_onnx", "filters_to_onnx", "positive_filters"]

NO_SCALE = 2.0**-40
"""Of a filter whose multiplier is 0: no sum of 32 bits reaches half a unit."""


def positive_filters(node: Filters, x: Tensor) -> tuple[Ints, Ints]:
    """Weights, and biases without the zero point's share, signs moved from multipliers to them."""
    sign = _signs(node.requant)
    weights = node.weights * _column(sign, node.weights.ndim)
    bias = sign * (node.bias + x.zero_point * node.weights.reshape(node.filters, -1).sum(axis=1))
    if np.abs(bias).max() >= 2**31:
        raise node.error("bias less the zero point's share must have at most 32 bits")
    return weights, bias


def filters_to_onnx(node: Filters, x: Tensor) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Weights in the order of ONNX and biases without the zero point; multipliers made positive."""
    weights, bias = positive_filters(node, x)
    if isinstance(node, Linear):
        weights = weights.reshape(-1, *x.shape).transpose(0, 3, 1, 2).reshape(node.filters, -1)
    else:
        weights = weights.transpose(0, 3, 1, 2)
    kind = np.int8 if node.format.max_level < 128 else np.int16
    return np.ascontiguousarray(weights.astype(kind)), bias.astype(np.int32)


def filters_from_onnx(
    operator: str, weights: NDArray[Any], bias: NDArray[Any], requant: Requant, x: Tensor
) -> tuple[Ints, Ints]:
    """Weights and biases of a layer from what :func:`filters_to_onnx` gave."""
    sign = _signs(requant)
    if weights.dtype not in {np.dtype(np.int8), np.dtype(np.int16)} or bias.dtype != np.int32:
        raise NhotError("weights must have 8 or 16 bits and its bias 32, "
                        f"not {weights.dtype} and {bias.dtype}")
    if weights.shape[:1] != sign.shape or bias.shape != sign.shape:
        raise NhotError("weights and bias must have one row a multiplier")
    dense = operator == "Linear"
    if weights.ndim != (2 if dense else 4) or (dense and weights.shape[1] != x.size):
        needed = f"({len(sign)}, {x.size})" if dense else "4 axes"
        raise NhotError(f"weights must have {needed}, not {weights.shape}")
    levels = weights.astype(np.int64) * _column(sign, weights.ndim)
    if dense:
        height, width, channels = x.shape
        levels = levels.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        levels = levels.reshape(len(sign), -1)
    else:
        levels = levels.transpose(0, 2, 3, 1)
    share = x.zero_point * levels.reshape(len(sign), -1).sum(axis=1)
    return np.ascontiguousarray(levels), sign * bias.astype(np.int64) - share


def _signs(requant: Requant) -> Ints:
    return np.where(requant.multiplier < 0, -1, 1).astype(np.int64)


def _column(values: Ints, axes: int) -> Ints:
    return values.reshape(-1, *[1] * (axes - 1))

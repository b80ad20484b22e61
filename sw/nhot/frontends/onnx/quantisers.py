"""What quantisers and clips make of constants.

A constant that was dequantised remembers its scale. So weights in integers, weights in float behind
a quantiser, and both once more transposed all come out with their filters' scales.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from nhot.errors import NhotError
from nhot.frontends.onnx.constants import Array, Constant, check_scales, fits, given
from nhot.frontends.onnx.protobuf import NodeInfo
from nhot.printable import shortened

__all__ = ["bipolar_quant", "clip", "dequantize", "limits", "quant", "quant_limits", "quantize",
           "rounded_type"]


def quantize(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    """``QuantizeLinear``: integers of the zero point's type."""
    values, (scale, zero) = given(inputs, 0).values, _grid(node, inputs)
    kind = np.iinfo(zero.dtype)
    with np.errstate(all="ignore"):
        rounded = np.rint(values / scale) + zero
        if not np.isfinite(rounded).all():
            raise NhotError("constants must be finite numbers, not NaN or infinite")
    return Constant(values=np.clip(rounded, kind.min, kind.max).astype(zero.dtype))


def dequantize(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    """``DequantizeLinear``: reals that know their scale."""
    values, (scale, zero) = given(inputs, 0).values, _grid(node, inputs)
    if not np.issubdtype(values.dtype, np.integer):
        raise NhotError(f"it must read integers, not {values.dtype}")
    middle = 128 if values.dtype == np.uint8 else 0
    wrong = np.unique(zero[zero != middle])
    return Constant(
        values=((values.astype(np.int64) - zero) * scale).astype(np.float32),
        scale=np.broadcast_to(scale, values.shape),
        offset=float(wrong[0]) if wrong.size else None,
    )


def _grid(node: NodeInfo, inputs: list[Constant | None]) -> tuple[Array, Array]:
    """Scale and zero point of Quantize- and DequantizeLinear, along their axis."""
    values, scale = given(inputs, 0).values, given(inputs, 1).values
    zero = inputs[2].values if len(inputs) > 2 and inputs[2] is not None else np.zeros(
        scale.shape, rounded_type(node) if node.kind == "QuantizeLinear" else values.dtype)
    if node.attributes.get("block_size"):
        raise NhotError("it must have one scale, or one for each filter, not blocks of them")
    if scale.size != zero.size or not np.issubdtype(zero.dtype, np.integer):
        raise NhotError(f"it must have a whole zero point for each scale, not {zero.size} for "
                        f"{scale.size}")
    check_scales(scale)
    shape = [1] * values.ndim
    if scale.size != 1:
        shape[node.attributes.get("axis", 1)] = scale.size
    scale, zero = scale.reshape(shape), zero.reshape(shape)
    fits(np.broadcast_shapes(values.shape, scale.shape), values)
    return scale, zero


def rounded_type(node: NodeInfo) -> type[np.integer[Any]]:
    """What a QuantizeLinear without a zero point rounds to."""
    number = node.attributes.get("output_dtype", 0)
    types: dict[int, type[np.integer[Any]]] = {0: np.uint8, 2: np.uint8, 3: np.int8}
    if number not in types:
        raise NhotError(f"it must round to INT8 or UINT8, not to type {shortened(number)}")
    return types[number]


def quant(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    """``Quant`` of QONNX, on weights and biases."""
    values, scale, zero, bits = (given(inputs, place).values for place in range(4))
    check_scales(scale)
    if bits.size != 1:
        raise NhotError(f"its width must be one number, not {bits.size}")
    low, high = quant_limits(node, float(bits.reshape(())))
    fits(np.broadcast_shapes(values.shape, scale.shape, zero.shape), values)
    rounded = np.clip(_rounding(node)(values / scale + zero), low, high)
    offset = zero[zero != 0]
    return Constant(
        values=((rounded - zero) * scale).astype(np.float32),
        scale=np.broadcast_to(scale, values.shape),
        offset=float(offset[0]) if offset.size else None,
    )


def bipolar_quant(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    """``BipolarQuant`` of QONNX: plus or minus the scale."""
    values, scale = given(inputs, 0).values, given(inputs, 1).values
    check_scales(scale)
    fits(np.broadcast_shapes(values.shape, scale.shape), values)
    return Constant(values=(np.where(values >= 0, 1, -1) * scale).astype(np.float32),
                    scale=np.broadcast_to(scale, values.shape))


def quant_limits(node: NodeInfo, bits: float) -> tuple[float, float]:
    """The least and the greatest integer of ``Quant``."""
    if not 1 <= bits <= 64 or bits != int(bits):
        raise NhotError(f"its width must be 1 to 64 whole bits, not {bits:g}")
    signed, narrow = node.attributes.get("signed", 1), node.attributes.get("narrow", 0)
    if signed:
        return -(2.0 ** (bits - 1)) + bool(narrow), 2.0 ** (bits - 1) - 1
    return 0.0, 2.0**bits - 1 - bool(narrow)


def _rounding(node: NodeInfo) -> Callable[[Array], Array]:
    ways: dict[str, Callable[[Array], Array]] = {
        "ROUND": np.rint, "HALF_EVEN": np.rint, "CEIL": np.ceil, "FLOOR": np.floor,
        "ROUND_TO_ZERO": np.trunc, "DOWN": np.trunc,
    }
    mode = str(node.attributes.get("rounding_mode", "ROUND")).upper()
    if mode not in ways:
        raise NhotError(f"its rounding must be one of {', '.join(ways)}, not {shortened(mode)}")
    return ways[mode]


def clip(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    """``Clip``, which leaves the scale as it is."""
    constant = given(inputs, 0)
    low, high = limits(node, inputs)
    values = constant.values
    if np.issubdtype(values.dtype, np.integer):
        kind = np.iinfo(values.dtype)
        low, high = max(low, kind.min), min(high, kind.max)
    return replace(constant, values=np.clip(values, low, high).astype(values.dtype))


def limits(node: NodeInfo, inputs: list[Constant | None]) -> tuple[float, float]:
    """What ``Clip`` limits to."""
    ends = [node.attributes.get("min", -np.inf), node.attributes.get("max", np.inf)]
    for place, constant in enumerate(inputs[1:3]):
        if constant is not None:
            if constant.values.size != 1:
                raise NhotError("its limits must be one number each")
            ends[place] = constant.values.reshape(()).item()
    return float(ends[0]), float(ends[1])

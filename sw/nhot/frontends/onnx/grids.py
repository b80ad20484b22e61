"""Activations on integers: where a file rounds them, and what grid that makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.frontends.graph_steps import Clamp
from nhot.frontends.onnx.constants import Constant, check_scales
from nhot.frontends.onnx.protobuf import NodeInfo
from nhot.frontends.onnx.quantisers import limits, quant_limits, rounded_type
from nhot.frontends.onnx.read import Reader
from nhot.network.tensor import Tensor
from nhot.printable import shortened

__all__ = ["GRIDS", "Rounded", "on_grid"]


@dataclass(frozen=True, kw_only=True)
class Rounded:
    """A tensor of integers.

    Parameters
    ----------
    signed : bool
        Of the type that it is in.
    low, high : int
        What it is limited to.
    scale : float, optional
        None of an input that is in integers: what reads it says which.
    zero_point : int
    """

    signed: bool
    low: int
    high: int
    scale: float | None
    zero_point: int = 0


def on_grid(reader: Reader, name: str, rounded: Rounded) -> str:
    """The tensor ``name`` of the graph on the integers of ``rounded``."""
    scale, zero = rounded.scale or 0.0, rounded.zero_point
    signed = rounded.signed or rounded.low < 0
    bits = max(-rounded.low - 1 if signed else 0, rounded.high).bit_length() + signed
    grid = Tensor(name="grid", shape=(1, 1, 1), bits=_width(bits), signed=signed, scale=scale,
                  zero_point=zero)
    if (rounded.low, rounded.high) != (grid.low, grid.high):
        name = reader.builder.add(
            Clamp, f"{name}/limits", name, low=float((rounded.low - zero) * scale),
            high=float((rounded.high - zero) * scale),
        )
    return reader.builder.quantize(name, grid)


def _width(bits: int) -> int:
    if not 2 <= bits <= 8:
        raise NhotError(f"activation must be of 2 to 8 bits, not of {bits}")
    return bits


def _quantize(reader: Reader, node: NodeInfo) -> None:
    scale, zero = _scale(reader, node)
    low, high, signed = _type(zero.dtype)
    reader.finish(
        node, reader.operand(node), reader.dims[node.inputs[0]], rounded=Rounded(
            signed=signed, low=low, high=high, scale=scale, zero_point=int(zero)))


def _limited(reader: Reader, node: NodeInfo) -> None:
    """A Clip of integers: fewer bits than those of their type."""
    before = reader.rounded[node.inputs[0]]
    low, high = limits(node, [None, *reader.constants_of(node)[1:]])
    low, high = max(low, before.low), min(high, before.high)
    if low >= high:
        raise NhotError(f"limits must leave a range, not {low:g} to {high:g}")
    reader.finish(node, reader.names[node.inputs[0]], reader.dims[node.inputs[0]],
                  rounded=replace(before, low=int(low), high=int(high)))


def _dequantize(reader: Reader, node: NodeInfo) -> None:
    rounded = reader.rounded.get(node.inputs[0]) if node.inputs else None
    if rounded is None:
        raise NhotError("it must read what QuantizeLinear made, or a constant")
    scale, zero = _scale(reader, node)
    if rounded.scale is None:
        rounded = replace(rounded, scale=scale, zero_point=int(zero))
    if (rounded.scale, rounded.zero_point) != (scale, int(zero)):
        raise NhotError(f"its scale and zero point must be those that the activation was rounded "
                        f"with, {rounded.scale:g} and {rounded.zero_point}, not {scale:g} and "
                        f"{int(zero)}")
    name = on_grid(reader, reader.names[node.inputs[0]], rounded)
    reader.finish(node, name, reader.dims[node.inputs[0]], tensor=node.inputs[0])


def _scale(reader: Reader, node: NodeInfo) -> tuple[float, NDArray[Any]]:
    """Scale and zero point of a whole activation."""
    _, scale, *zeros = reader.constants_of(node)
    zero = zeros[0] if zeros and zeros[0] is not None else None
    if scale is None or scale.values.size != 1 or (zero is not None and zero.values.size != 1):
        found = 0 if scale is None else scale.values.size
        raise NhotError(f"activation must have one scale and one zero point, constants, "
                        f"not {found} of them")
    check_scales(scale.values)
    value = float(scale.values.reshape(()))
    if zero is None and node.kind == "QuantizeLinear":
        return value, np.zeros((), rounded_type(node))
    if zero is None:
        rounded = reader.rounded.get(node.inputs[0])
        return value, np.zeros((), np.int8 if rounded and rounded.signed else np.uint8)
    return value, zero.values.reshape(())


def _type(kind: np.dtype[Any]) -> tuple[int, int, bool]:
    if kind not in {np.dtype(np.int8), np.dtype(np.uint8)}:
        raise NhotError(f"activation must be of INT8 or UINT8, not of {kind}")
    return int(np.iinfo(kind).min), int(np.iinfo(kind).max), kind == np.int8


def _quant(reader: Reader, node: NodeInfo) -> None:
    """``Quant`` of QONNX."""
    _, scale, zero, bits = (*reader.constants_of(node), None, None, None)[:4]
    mode = str(node.attributes.get("rounding_mode", "ROUND")).upper()
    if mode not in {"ROUND", "HALF_EVEN"}:
        raise NhotError(f"activation must be rounded to the nearest (ROUND), "
                        f"not by {shortened(mode)}")
    _qonnx(reader, node, scale, zero, bits)


def _trunc(reader: Reader, node: NodeInfo) -> None:
    """``Trunc`` of QONNX: cuts low bits off, of integers that have a scale."""
    _, scale, zero, before, after, output = [*reader.constants_of(node), *[None] * 6][:6]
    mode = str(node.attributes.get("rounding_mode", "FLOOR")).upper()
    widths = [_number(one, "width") for one in (before, after)]
    if mode not in {"ROUND", "HALF_EVEN"} and widths[0] != widths[1]:
        raise NhotError(f"it must round to the nearest (ROUND), or cut nothing off, "
                        f"not {widths[0]:g} bits to {widths[1]:g} by {shortened(mode)}")
    if output is not None:
        scale = output
    elif widths[0] != widths[1]:
        factor = 2.0 ** (widths[0] - widths[1])
        scale = Constant(values=np.array(_number(scale, "scale") * factor))
    _qonnx(reader, node, scale, zero, after)


def _qonnx(
    reader: Reader, node: NodeInfo, scale: Constant | None, zero: Constant | None,
    bits: Constant | None,
) -> None:
    name = reader.operand(node)
    low, high = quant_limits(node, _number(bits, "width"))
    value, offset = _number(scale, "scale"), _number(zero, "zero point")
    check_scales(np.array(value))
    if offset != int(offset):
        raise NhotError(f"its zero point must be whole, not {offset:g}")
    made = on_grid(reader, name, Rounded(
        signed=low < 0, low=int(low), high=int(high), scale=value,
        zero_point=int(offset)))
    reader.finish(node, made, reader.dims[node.inputs[0]])


def _number(constant: Constant | None, what: str) -> float:
    if constant is None or constant.values.size != 1:
        found = 0 if constant is None else constant.values.size
        raise NhotError(f"activation must have one {what}, a constant, not {found} of them")
    value = float(constant.values.reshape(()))
    if not np.isfinite(value):
        raise NhotError(f"{what} must be a finite number, not {value:g}")
    return value


def _bipolar(reader: Reader, node: NodeInfo) -> None:
    raise NhotError("it must be of weights: activations of one bit, without zero, have no equal "
                    "here")


GRIDS: dict[str, Callable[[Reader, NodeInfo], None]] = {
    "QuantizeLinear": _quantize, "DequantizeLinear": _dequantize, "Clip": _limited,
    "Quant": _quant, "IntQuant": _quant, "Trunc": _trunc, "BipolarQuant": _bipolar,
}
"""Operators that say which integers an activation is; Clip where it reads integers."""

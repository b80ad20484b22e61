"""What operators make of constants alone: weights that a file rounds, shapes that it computes.

A constant that was dequantised remembers its scale. So weights in integers, weights in float behind
a quantiser, and both once more transposed all come out with their filters' scales.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.frontends.onnx.file import NodeInfo
from nhot.frontends.operators import Floats
from nhot.printable import shortened

__all__ = ["FOLDED", "Constant", "check_scales", "fold", "integers", "limits", "quant_limits",
           "reshaped", "rounded_type", "scales_of"]

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Constant:
    """A constant, computed or in the file.

    Parameters
    ----------
    values : array
    scale : array of the same shape, optional
        What the values are whole multiples of, where they were rounded.
    offset : float, optional
        A zero point that is not the middle of its type.
    """

    values: Array
    scale: Array | None = None
    offset: float | None = None

    def reals(self) -> Floats:
        """The values in single precision."""
        return np.asarray(self.values, np.float32)

    def map(self, change: Callable[[Array], Array]) -> Constant:
        """The same with its elements elsewhere."""
        scale = None if self.scale is None else change(self.scale)
        return replace(self, values=change(self.values), scale=scale)


def check_scales(scales: Array) -> None:
    """Refuse scales that no number is a multiple of, by the first of them."""
    wrong = scales[~(np.isfinite(scales) & (scales > 0))]
    if wrong.size:
        raise NhotError(f"scales must be above 0 and finite, not {wrong.flat[0]:g}")


def scales_of(weights: Constant, what: str = "weights") -> Floats | None:
    """The scale of each filter, which come first; None of what was not rounded."""
    if weights.offset is not None:
        raise NhotError(f"{what} must have the zero point 0 (128 of unsigned ones), "
                        f"not {weights.offset:g}")
    if weights.scale is None:
        return None
    rows = weights.scale.reshape(len(weights.scale), -1)
    if (rows != rows[:, :1]).any():
        raise NhotError(f"{what} must have one scale, or one for each filter, not others")
    return np.ascontiguousarray(rows[:, 0], np.float32)


def fold(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    """What ``node``, of :data:`FOLDED`, makes of ``inputs``; None is one that is left out."""
    try:
        return FOLDED[node.kind](node, inputs)
    except NhotError:
        raise
    except (ValueError, IndexError, TypeError, OverflowError, AttributeError, MemoryError,
            ZeroDivisionError) as error:
        raise NhotError(f"its constants must suit it, but: {error}") from None


def _constant(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        value = node.attributes.get(name)
        if value is not None:
            kind = np.float32 if "float" in name else np.int64 if "int" in name else None
            return Constant(values=np.asarray(value, kind))
    raise NhotError("it must have a value that is a tensor or numbers")


def _filled(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    sizes, value = integers(_given(inputs, 0)), node.attributes.get("value")
    _small(int(np.prod(sizes, dtype=object)))
    one = np.zeros(1, np.float32) if value is None else np.asarray(value).reshape(1)
    return Constant(values=np.broadcast_to(one, sizes))


def _same(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    return _given(inputs, 0)


def _cast(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    kinds = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 10: np.float16,
             11: np.float64}
    kind = kinds.get(node.attributes.get("to", 0))
    if kind is None:
        raise NhotError("it must be to a float, or to an integer of 8, 32 or 64 bits, not to type "
                        f"{shortened(node.attributes.get('to'))}")
    constant = _given(inputs, 0)
    return replace(constant, values=constant.values.astype(kind))


def _reshape(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    constant = _given(inputs, 0)
    sizes = reshaped(constant.values.shape, integers(_given(inputs, 1)))
    return constant.map(lambda values: values.reshape(sizes))


def _flatten(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    constant = _given(inputs, 0)
    axis = node.attributes.get("axis", 1)
    rows = int(np.prod(constant.values.shape[:axis]))
    return constant.map(lambda values: values.reshape(rows, -1))


def _axes(node: NodeInfo, inputs: list[Constant | None]) -> tuple[int, ...] | None:
    axes = node.attributes.get("axes")
    if len(inputs) > 1 and inputs[1] is not None:
        axes = integers(inputs[1])
    return None if axes is None else tuple(axes)


def _squeeze(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    axes = _axes(node, inputs)
    return _given(inputs, 0).map(lambda values: np.squeeze(values, axes))


def _unsqueeze(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    axes = _axes(node, inputs) or ()
    return _given(inputs, 0).map(lambda values: np.expand_dims(values, axes))


def _transpose(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    return _given(inputs, 0).map(lambda values: values.transpose(node.attributes.get("perm")))


def _gather(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    indices, axis = _given(inputs, 1).values, node.attributes.get("axis", 0)
    _small(_given(inputs, 0).values.size * max(indices.size, 1))
    return _given(inputs, 0).map(lambda values: np.take(values, indices, axis))


def _slice(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    values = _given(inputs, 0).values
    if len(inputs) > 2:
        starts, ends = integers(_given(inputs, 1)), integers(_given(inputs, 2))
        axes = integers(inputs[3]) if len(inputs) > 3 and inputs[3] else list(range(len(starts)))
        steps = integers(inputs[4]) if len(inputs) > 4 and inputs[4] else [1] * len(starts)
    else:
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        axes = node.attributes.get("axes", list(range(len(starts))))
        steps = [1] * len(starts)
    cut = [slice(None)] * values.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cut[axis] = slice(start, end, step)
    return _given(inputs, 0).map(lambda array: array[tuple(cut)])


def _concat(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    parts = [_given(inputs, place).values for place in range(len(inputs))]
    _small(sum(part.size for part in parts))
    return Constant(values=np.concatenate(parts, node.attributes.get("axis", 0)))


def _arithmetic(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    one, other = _given(inputs, 0).values, _given(inputs, 1).values
    _fits(np.broadcast_shapes(one.shape, other.shape), one, other)
    acts: dict[str, Callable[[Array, Array], Array]] = {
        "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}
    act = acts[node.kind]
    if node.kind == "Div" and not np.issubdtype(one.dtype, np.floating):
        act = _whole_quotient
    with np.errstate(all="ignore"):
        return Constant(values=act(one, other))


def _whole_quotient(one: Array, other: Array) -> Array:
    """A quotient of integers, which the standard rounds towards zero."""
    if not other.all():
        raise NhotError("it must not divide by zero")
    quotient: Array = (one - np.fmod(one, other)) // other
    return quotient


def _clip(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    constant = _given(inputs, 0)
    low, high = limits(node, inputs)
    values = constant.values
    if np.issubdtype(values.dtype, np.integer):
        kind = np.iinfo(values.dtype)
        low, high = max(low, kind.min), min(high, kind.max)
    return replace(constant, values=np.clip(values, low, high).astype(values.dtype))


def _quantize(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    values, (scale, zero) = _given(inputs, 0).values, _grid(node, inputs)
    kind = np.iinfo(zero.dtype)
    with np.errstate(all="ignore"):
        rounded = np.rint(values / scale) + zero
        if not np.isfinite(rounded).all():
            raise NhotError("constants must be finite numbers, not NaN or infinite")
    return Constant(values=np.clip(rounded, kind.min, kind.max).astype(zero.dtype))


def _dequantize(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    values, (scale, zero) = _given(inputs, 0).values, _grid(node, inputs)
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
    values, scale = _given(inputs, 0).values, _given(inputs, 1).values
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
    _fits(np.broadcast_shapes(values.shape, scale.shape), values)
    return scale, zero


def rounded_type(node: NodeInfo) -> type[np.integer[Any]]:
    """What a QuantizeLinear without a zero point rounds to."""
    number = node.attributes.get("output_dtype", 0)
    types: dict[int, type[np.integer[Any]]] = {0: np.uint8, 2: np.uint8, 3: np.int8}
    if number not in types:
        raise NhotError(f"it must round to INT8 or UINT8, not to type {shortened(number)}")
    return types[number]


def _quant(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    """``Quant`` of QONNX, on weights and biases."""
    values, scale, zero, bits = (_given(inputs, place).values for place in range(4))
    check_scales(scale)
    if bits.size != 1:
        raise NhotError(f"its width must be one number, not {bits.size}")
    low, high = quant_limits(node, float(bits.reshape(())))
    _fits(np.broadcast_shapes(values.shape, scale.shape, zero.shape), values)
    rounded = np.clip(_rounding(node)(values / scale + zero), low, high)
    offset = zero[zero != 0]
    return Constant(
        values=((rounded - zero) * scale).astype(np.float32),
        scale=np.broadcast_to(scale, values.shape),
        offset=float(offset[0]) if offset.size else None,
    )


def _bipolar(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    """``BipolarQuant`` of QONNX: plus or minus the scale."""
    values, scale = _given(inputs, 0).values, _given(inputs, 1).values
    check_scales(scale)
    _fits(np.broadcast_shapes(values.shape, scale.shape), values)
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


def limits(node: NodeInfo, inputs: list[Constant | None]) -> tuple[float, float]:
    """What ``Clip`` limits to."""
    ends = [node.attributes.get("min", -np.inf), node.attributes.get("max", np.inf)]
    for place, constant in enumerate(inputs[1:3]):
        if constant is not None:
            if constant.values.size != 1:
                raise NhotError("its limits must be one number each")
            ends[place] = constant.values.reshape(()).item()
    return float(ends[0]), float(ends[1])


def integers(constant: Constant) -> list[int]:
    """The elements of a short list of integers, as sizes and axes are."""
    if not np.issubdtype(constant.values.dtype, np.integer) or constant.values.size > 64:
        raise NhotError("sizes and axes must be a few integers")
    found: list[int] = constant.values.reshape(-1).tolist()
    return found


def reshaped(shape: tuple[int, ...], sizes: list[int]) -> tuple[int, ...]:
    """The sizes that a reshape of ``shape`` makes: 0 keeps one, -1 is what is left."""
    kept = [shape[place] if size == 0 and place < len(shape) else size
            for place, size in enumerate(sizes)]
    known, total = 1, int(np.prod(shape, dtype=object))
    for size in kept:
        known *= size if size != -1 else 1
    made = tuple(total // known if size == -1 and known else size for size in kept)
    if kept.count(-1) > 1 or min(made, default=1) < 0 or np.prod(made, dtype=object) != total:
        raise NhotError(f"it must keep {total} elements, not make {sizes} of {shape}")
    return made


def _given(inputs: list[Constant | None], place: int) -> Constant:
    constant = inputs[place] if place < len(inputs) else None
    if constant is None:
        raise NhotError(f"it must have an input {place}")
    return constant


def _fits(shape: tuple[int, ...], *arrays: Array) -> None:
    """Refuse what would be larger than its operands: no bytes stand behind it."""
    if int(np.prod(shape, dtype=object)) > max(array.size for array in arrays):
        raise NhotError(f"its constants must suit each other, not make {shape}")


def _small(count: int) -> None:
    """Refuse constants put together, or taken apart, that are no shapes."""
    if count > 4096:
        raise NhotError("it must be of a few numbers, as shapes are, where all are constants")


FOLDED: dict[str, Callable[[NodeInfo, list[Constant | None]], Constant]] = {
    "Constant": _constant, "ConstantOfShape": _filled,
    "Identity": _same, "Dropout": _same, "Cast": _cast,
    "Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Transpose": _transpose, "Gather": _gather, "Slice": _slice, "Concat": _concat,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _arithmetic), "Clip": _clip,
    "QuantizeLinear": _quantize, "DequantizeLinear": _dequantize,
    "Quant": _quant, "IntQuant": _quant, "BipolarQuant": _bipolar,
}
"""Operators that are computed where all they read is constant."""

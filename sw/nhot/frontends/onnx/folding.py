"""What operators make of constants alone: weights that a file rounds, shapes that it computes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from nhot.errors import NhotError
from nhot.frontends.onnx.constants import Array, Constant, fits, given, integers, reshaped, small
from nhot.frontends.onnx.protobuf import NodeInfo
from nhot.frontends.onnx.quantisers import bipolar_quant, clip, dequantize, quant, quantize
from nhot.printable import shortened

__all__ = ["FOLDED", "fold"]


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
    sizes, value = integers(given(inputs, 0)), node.attributes.get("value")
    small(int(np.prod(sizes, dtype=object)))
    one = np.zeros(1, np.float32) if value is None else np.asarray(value).reshape(1)
    return Constant(values=np.broadcast_to(one, sizes))


def _same(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    return given(inputs, 0)


def _cast(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    kinds = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64, 10: np.float16,
             11: np.float64}
    kind = kinds.get(node.attributes.get("to", 0))
    if kind is None:
        raise NhotError("it must be to a float, or to an integer of 8, 32 or 64 bits, not to type "
                        f"{shortened(node.attributes.get('to'))}")
    constant = given(inputs, 0)
    return replace(constant, values=constant.values.astype(kind))


def _reshape(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    constant = given(inputs, 0)
    sizes = reshaped(constant.values.shape, integers(given(inputs, 1)))
    return constant.map(lambda values: values.reshape(sizes))


def _flatten(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    constant = given(inputs, 0)
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
    return given(inputs, 0).map(lambda values: np.squeeze(values, axes))


def _unsqueeze(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    axes = _axes(node, inputs) or ()
    return given(inputs, 0).map(lambda values: np.expand_dims(values, axes))


def _transpose(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    return given(inputs, 0).map(lambda values: values.transpose(node.attributes.get("perm")))


def _gather(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    indices, axis = given(inputs, 1).values, node.attributes.get("axis", 0)
    small(given(inputs, 0).values.size * max(indices.size, 1))
    return given(inputs, 0).map(lambda values: np.take(values, indices, axis))


def _slice(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    values = given(inputs, 0).values
    if len(inputs) > 2:
        starts, ends = integers(given(inputs, 1)), integers(given(inputs, 2))
        axes = integers(inputs[3]) if len(inputs) > 3 and inputs[3] else list(range(len(starts)))
        steps = integers(inputs[4]) if len(inputs) > 4 and inputs[4] else [1] * len(starts)
    else:
        starts, ends = node.attributes["starts"], node.attributes["ends"]
        axes = node.attributes.get("axes", list(range(len(starts))))
        steps = [1] * len(starts)
    cut = [slice(None)] * values.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cut[axis] = slice(start, end, step)
    return given(inputs, 0).map(lambda array: array[tuple(cut)])


def _concat(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    parts = [given(inputs, place).values for place in range(len(inputs))]
    small(sum(part.size for part in parts))
    return Constant(values=np.concatenate(parts, node.attributes.get("axis", 0)))


def _arithmetic(node: NodeInfo, inputs: list[Constant | None]) -> Constant:
    one, other = given(inputs, 0).values, given(inputs, 1).values
    fits(np.broadcast_shapes(one.shape, other.shape), one, other)
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


FOLDED: dict[str, Callable[[NodeInfo, list[Constant | None]], Constant]] = {
    "Constant": _constant, "ConstantOfShape": _filled,
    "Identity": _same, "Dropout": _same, "Cast": _cast,
    "Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Transpose": _transpose, "Gather": _gather, "Slice": _slice, "Concat": _concat,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _arithmetic), "Clip": clip,
    "QuantizeLinear": quantize, "DequantizeLinear": dequantize,
    "Quant": quant, "IntQuant": quant, "BipolarQuant": bipolar_quant,
}
"""Operators that are computed where all they read is constant."""

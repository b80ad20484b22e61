"""What the operators of TensorFlow Lite are as steps of a graph, one function a kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import inf, prod

import numpy as np

from nhot.errors import NhotError
from nhot.frontends.conventions import as_map, factors, one_sided, same_window
from nhot.frontends.graph_steps import (
    Add,
    Affine,
    AvgPool,
    Clamp,
    Concat,
    Conv,
    ConvTranspose,
    Dense,
    Floats,
    MaxPool,
    Pad,
    Upsample,
)
from nhot.frontends.tflite.constants import scale_of, shape_of
from nhot.frontends.tflite.flatbuffer import OperatorInfo, TensorInfo
from nhot.frontends.tflite.read import Reader
from nhot.network.tensor import Tensor
from nhot.network.window import Window

__all__ = ["CONVERSIONS"]

_SAME, _VALID = 0, 1
_LOWEST = -1e30  # of what pads a max pool in float


def _convolution(reader: Reader, operator: OperatorInfo) -> None:
    depthwise = operator.kind == "DEPTHWISE_CONV_2D"
    source, axis = reader.map(operator), 3 if depthwise else 0
    weights, scale = _weights(reader, operator, 1, axis, 4)
    # To (filters, channels a group, y, x); depthwise ones are (1, y, x, filters).
    weights = weights.transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
    channels = reader.shape(source)[2]
    if depthwise and weights.shape[1] != 1:
        raise NhotError(f"weights must be (1, y, x, filters), not {weights.shape[1]} of these")
    groups = channels if depthwise else _groups(channels, weights.shape[1])
    options = operator.options
    name = reader.add(
        operator, Conv, source, weights=np.ascontiguousarray(weights), scale=scale, groups=groups,
        bias=_bias(reader, operator, 2, len(weights), scale),
        window=_window(operator, reader.shape(source)[:2], weights.shape[2:],
                       (options["DilationHFactor"], options["DilationWFactor"])),
    )
    reader.finish(operator, name)


def _transposed(reader: Reader, operator: OperatorInfo) -> None:
    source = reader.map(operator, 2)
    weights, scale = _weights(reader, operator, 1, 0, 4)  # (filters, y, x, channels)
    weights = weights.transpose(0, 3, 1, 2)
    made = reader.output_shape(operator)
    # Padded as the convolution that goes from the output back to the input.
    window = _window(operator, made[:2], weights.shape[2:])
    rows, columns = window.transposed_size(*reader.shape(source)[:2])
    name = reader.add(
        operator, ConvTranspose, source, weights=np.ascontiguousarray(weights), scale=scale,
        bias=_bias(reader, operator, 3, len(weights), scale, place_of_input=2), window=window,
        extra=(made[0] - rows, made[1] - columns),
    )
    reader.finish(operator, name)


def _dense(reader: Reader, operator: OperatorInfo) -> None:
    if operator.options["WeightsFormat"]:
        raise NhotError("weights must be in the default order")
    source = reader.operand(operator)
    height, width, channels = shape = reader.shape(source)
    weights, scale = _weights(reader, operator, 1, 0, 2)
    if weights.shape[1] != prod(shape):
        raise NhotError(f"weights must be over {prod(shape)} elements, not {weights.shape[1]}")
    if reader.lies_first(operator):
        weights = weights.reshape(-1, channels, height, width)
    else:
        weights = weights.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
    name = reader.add(
        operator, Dense, source, weights=np.ascontiguousarray(weights), scale=scale,
        bias=_bias(reader, operator, 2, len(weights), scale),
    )
    reader.finish(operator, name)


def _pool(reader: Reader, operator: OperatorInfo) -> None:
    largest = operator.kind == "MAX_POOL_2D"
    kernel = operator.options["FilterHeight"], operator.options["FilterWidth"]
    if largest and operator.inputs[:1] and operator.inputs[0] in reader.padded:
        source, padding = reader.padded[operator.inputs[0]]
        if operator.options["Padding"] != _VALID:
            raise NhotError("it must not pad what is padded already")
        window = replace(_window(operator, (1, 1), kernel), padding=padding)
    else:
        source = reader.map(operator)
        window = _window(operator, reader.shape(source)[:2], kernel)
    if not largest and any(window.padding):
        raise NhotError("its windows must lie within the map: what is padded is not counted, "
                        "which has no equal here")
    reader.finish(operator, reader.add(
        operator, MaxPool if largest else AvgPool, source, window=window
    ))


def _mean(reader: Reader, operator: OperatorInfo) -> None:
    source = reader.map(operator)
    axes = len(reader.tensor(operator, 0).shape)
    over = sorted(int(axis) % axes for axis in reader.integers(operator, 1).reshape(-1))
    if over != list(range(1, axes - 1)) or axes < 3:
        raise NhotError(f"it must be over height and width, not over the axes {over}")
    window = Window(kernel=reader.shape(source)[:2])
    reader.finish(operator, reader.add(operator, AvgPool, source, window=window))


def _arithmetic(reader: Reader, operator: OperatorInfo) -> None:
    constants = [place for place in (0, 1) if reader.is_constant(operator, place)]
    if not constants and operator.kind == "ADD":
        sources = reader.operand(operator, 0), reader.operand(operator, 1)
        first = reader.lies_first(operator, 0)
        if first != reader.lies_first(operator, 1):
            raise NhotError("both inputs must lie channels first, or both last")
        reader.finish(operator, reader.add(operator, Add, *sources), first=first)
        return
    if len(constants) != 1:
        raise NhotError("it must be the sum of two tensors, or of a tensor and a constant")
    (place,) = constants
    source = reader.map(operator, 1 - place)
    values = _by_channel(reader.reals(operator, place))
    gain, offset = factors(operator.kind, values, first=place == 0)
    reader.finish(operator, reader.add(operator, Affine, source, gain=gain, offset=offset))


def _clamp(reader: Reader, operator: OperatorInfo) -> None:
    low, high = {"RELU": (0, inf), "RELU6": (0, 6), "RELU_0_TO_1": (0, 1),
                 "RELU_N1_TO_1": (-1, 1)}[operator.kind]
    name = reader.add(operator, Clamp, reader.operand(operator), low=low, high=high)
    reader.finish(operator, name, first=reader.lies_first(operator))


def _limit(reader: Reader, operator: OperatorInfo) -> None:
    constants = [place for place in (0, 1) if reader.is_constant(operator, place)]
    if len(constants) != 1:
        raise NhotError("it must be of a tensor and one number, a constant")
    (place,) = constants
    low, high = one_sided(operator.kind, reader.reals(operator, place))
    name = reader.add(operator, Clamp, reader.operand(operator, 1 - place), low=low, high=high)
    reader.finish(operator, name, first=reader.lies_first(operator, 1 - place))


def _pad(reader: Reader, operator: OperatorInfo) -> None:
    source = reader.map(operator)
    sides = reader.integers(operator, 1)
    axes = len(reader.tensor(operator, 0).shape)
    if sides.shape != (axes, 2) or axes < 3 or sides[[0, -1]].any():
        raise NhotError(f"it must pad height and width alone, not {sides.tolist()}")
    (top, bottom), (left, right) = [(0, 0), (0, 0), *sides[1:-1].tolist()][-2:]
    around = top, left, bottom, right
    value = float(reader.reals(operator, 2).min(initial=inf)) if operator.kind == "PADV2" else 0.0
    # In single precision, as the constant is.
    below = np.float32(value) <= np.float32(_least(reader.grid(operator)))
    if below:
        reader.padded[operator.outputs[0]] = source, around
    if value == 0:
        reader.finish(operator, reader.add(operator, Pad, source, sides=around))
    elif not below:
        raise NhotError(f"it must pad with zeros, or a max pool with less than all, not {value:g}")


def _concat(reader: Reader, operator: OperatorInfo) -> None:
    sources = [reader.map(operator, place) for place in range(len(operator.inputs))]
    axes = len(reader.tensor(operator, 0).shape)
    if operator.options["Axis"] not in {-1, axes - 1}:
        raise NhotError(f"it must join channels (axis {axes - 1}), "
                        f"not along axis {operator.options['Axis']}")
    reader.finish(operator, reader.add(operator, Concat, *sources))


def _upsample(reader: Reader, operator: OperatorInfo) -> None:
    source, options = reader.map(operator), operator.options
    height, width, _ = reader.shape(source)
    rows, columns, _ = reader.output_shape(operator)
    if rows % height or columns % width or options["AlignCorners"]:
        raise NhotError(f"it must be by whole factors without aligned corners, "
                        f"not from {(height, width)} to {(rows, columns)}")
    factors = rows // height, columns // width
    reader.finish(operator, reader.add(operator, Upsample, source, factors=factors))


def _reshape(reader: Reader, operator: OperatorInfo) -> None:
    """Flattens, or adds and takes off axes of one: the order of the elements stays."""
    source, first = reader.operand(operator), reader.lies_first(operator)
    shape, made = reader.shape(source), shape_of(reader.file.tensors[operator.outputs[0]])
    lies = (shape[2], *shape[:2]) if first else shape
    flat = len(made) == 1
    vector = shape[:2] == (1, 1) and max(made, default=0) == shape[2]
    if prod(made) != prod(shape) or not (flat or vector or (len(made) == 2 and as_map(made) == lies)
                                         or made == lies):
        raise NhotError(f"it must flatten a map {lies}, or leave it as it is, not make {made}")
    reader.finish(operator, source, first=first)


def _transpose(reader: Reader, operator: OperatorInfo) -> None:
    """From channels last to channels first, or back: the same map lies otherwise."""
    first, order = reader.lies_first(operator), reader.integers(operator, 1).tolist()
    if order != ([0, 2, 3, 1] if first else [0, 3, 1, 2]):
        raise NhotError("it must lead from (batch, height, width, channels) to (batch, channels, "
                        f"height, width) or back, not order axes as {order}")
    reader.finish(operator, reader.operand(operator), first=not first)


def _quantize(reader: Reader, operator: OperatorInfo) -> None:
    if reader.is_constant(operator, 0):  # weights kept in half precision
        reader.constants[operator.outputs[0]] = reader.reals(operator, 0)
        return
    reader.finish(operator, reader.operand(operator), first=reader.lies_first(operator))


def _weights(
    reader: Reader, operator: OperatorInfo, place: int, axis: int, axes: int
) -> tuple[Floats, Floats | None]:
    """Weights as they lie in the file, and the scale of each filter; filters are along ``axis``."""
    constant = reader.constant(operator, place)
    values = reader.reals(operator, place)
    if values.ndim != axes:
        raise NhotError(f"weights must have {axes} axes, not the shape {values.shape}")
    scale = scale_of(constant, axis) if isinstance(constant, TensorInfo) else None
    return values, scale


def _bias(
    reader: Reader, operator: OperatorInfo, place: int, filters: int, scale: Floats | None,
    place_of_input: int = 0,
) -> Floats:
    """Biases, of which integers count products of an input unit and a weight unit."""
    if place >= len(operator.inputs) or operator.inputs[place] < 0:
        return np.zeros(filters, np.float32)
    constant = reader.constant(operator, place)
    grid = reader.grid(operator, place_of_input)
    if isinstance(constant, TensorInfo) and constant.type == "INT32":
        if grid is None or scale is None:
            raise NhotError("bias must be float where weights or inputs are")
        counts = reader.integers(operator, place).reshape(-1)
        if counts.shape != (filters,):
            raise NhotError(f"bias must be one a filter ({filters}), not {counts.size}")
        return np.asarray(counts * (scale.astype(np.float64) * grid.scale), np.float32)
    return reader.reals(operator, place).reshape(-1)


def _window(
    operator: OperatorInfo, size: tuple[int, int], kernel: tuple[int, ...],
    dilation: tuple[int, int] = (1, 1),
) -> Window:
    rows, columns = kernel
    stride = operator.options["StrideH"], operator.options["StrideW"]
    plain = Window(kernel=(rows, columns), stride=stride, dilation=dilation)  # refuses what is none
    match operator.options["Padding"]:
        case padding if padding == _SAME:
            return same_window(size, (rows, columns), stride, dilation)
        case padding if padding == _VALID:
            return plain
        case other:
            raise NhotError(f"padding must be SAME or VALID, not number {other}")


def _least(grid: Tensor | None) -> float:
    """What no number of an activation is below."""
    return _LOWEST if grid is None else (grid.low - grid.zero_point) * grid.scale


def _groups(channels: int, inputs: int) -> int:
    if channels % inputs:
        raise NhotError(f"input must have a multiple of {inputs} channels, not {channels}")
    return channels // inputs


def _by_channel(values: Floats) -> Floats:
    """A constant over (height, width, channels), the batch before them, channels first."""
    if values.ndim == 4 and len(values) == 1:
        values = values[0]
    if values.ndim > 3:
        raise NhotError(f"constant must be of one sample, not of shape {values.shape}")
    values = values.reshape(*[1] * (3 - values.ndim), *values.shape)
    return np.ascontiguousarray(values.transpose(2, 0, 1))


CONVERSIONS: dict[str, Callable[[Reader, OperatorInfo], None]] = {
    "CONV_2D": _convolution, "DEPTHWISE_CONV_2D": _convolution, "TRANSPOSE_CONV": _transposed,
    "FULLY_CONNECTED": _dense, "AVERAGE_POOL_2D": _pool, "MAX_POOL_2D": _pool, "MEAN": _mean,
    "ADD": _arithmetic, "SUB": _arithmetic, "MUL": _arithmetic, "DIV": _arithmetic,
    **dict.fromkeys(("RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1"), _clamp),
    "MINIMUM": _limit, "MAXIMUM": _limit, "PAD": _pad, "PADV2": _pad,
    "CONCATENATION": _concat, "RESIZE_NEAREST_NEIGHBOR": _upsample,
    **dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), _reshape), "TRANSPOSE": _transpose,
    "QUANTIZE": _quantize, "DEQUANTIZE": _quantize,
}
"""By the name of the schema."""

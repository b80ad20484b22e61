"""What the operators of ONNX are as steps of a graph, one function a kind."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.frontends.conventions import as_map, factors
from nhot.frontends.onnx.file import NodeInfo
from nhot.frontends.onnx.folding import Constant, integers, limits, reshaped, scales_of
from nhot.frontends.onnx.read import Reader, lies_as
from nhot.frontends.onnx.windows import pool_window, whole, window_of
from nhot.frontends.operators import (
    Add,
    Affine,
    AvgPool,
    BatchNorm,
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
from nhot.network.window import LARGEST, Window
from nhot.printable import shortened

__all__ = ["CONVERSIONS"]


def _convolution(reader: Reader, node: NodeInfo) -> None:
    source, weights = reader.map(node), _weights(reader, node)
    name = reader.add(
        node, Conv, source, weights=_plain(weights), scale=scales_of(weights),
        bias=_bias(reader, node, len(weights.values)), groups=node.attributes.get("group", 1),
        window=window_of(node, reader.shape(source)[:2], weights.values.shape[2:]),
    )
    reader.finish(node, name)


def _transposed(reader: Reader, node: NodeInfo) -> None:
    source, weights = reader.map(node), _weights(reader, node)
    groups = node.attributes.get("group", 1)
    inputs, each, *kernel = weights.values.shape
    if groups < 1 or inputs % groups:
        raise NhotError(f"groups must divide {inputs} channels, not {groups}")
    # To (filters, channels a group, y, x): the file has the channels of all groups first.
    weights = weights.map(lambda one: one.reshape(groups, inputs // groups, each, *kernel).swapaxes(
        1, 2).reshape(groups * each, inputs // groups, *kernel))
    if node.attributes.get("auto_pad", "NOTSET") not in {"NOTSET", "VALID"} or (
        node.attributes.get("output_shape")
    ):
        raise NhotError("its padding must be given as numbers (pads)")
    extra = [0, *(node.attributes.get("output_padding") or [0])][-2:]
    window = window_of(node, reader.shape(source)[:2], tuple(kernel))
    _check_ends(window, extra)
    name = reader.add(
        node, ConvTranspose, source, weights=_plain(weights), scale=scales_of(weights),
        bias=_bias(reader, node, groups * each), groups=groups, extra=(extra[0], extra[1]),
        window=window,
    )
    reader.finish(node, name)


def _check_ends(window: Window, extra: list[int]) -> None:
    """Refuse what torch cannot: more cut off at the end than before, or too much added there."""
    top, left, bottom, right = window.padding
    for axis, added in enumerate((extra[0] + top - bottom, extra[1] + left - right)):
        if not 0 <= added < max(window.stride[axis], window.dilation[axis]):
            raise NhotError(f"its padding must be the same on both sides, with less than a stride "
                            f"added at the end, not {window.padding} with {extra}")


def _dense(reader: Reader, node: NodeInfo) -> None:
    source, attributes = reader.operand(node), node.attributes
    height, width, channels = shape = reader.shape(source)
    weights = reader.constant(node, 1)
    if len(reader.dims[node.inputs[0]]) != 1 or attributes.get("transA", 0):
        raise NhotError("it must read a flattened map or a vector, and a row of it for each sample")
    if weights.values.ndim != 2:
        raise NhotError(f"weights must have 2 axes, not the shape {weights.values.shape}")
    if not attributes.get("transB", 0):
        weights = weights.map(np.transpose)
    if weights.values.shape[1] != prod(shape):
        raise NhotError(f"weights must be over {prod(shape)} elements, "
                        f"not {weights.values.shape[1]}")
    alpha, beta = (np.float32(attributes.get(name, 1.0)) for name in ("alpha", "beta"))
    if not 0 < alpha < inf or not np.isfinite(beta):
        raise NhotError(f"its factors must be finite, and alpha above 0, not {alpha:g}, {beta:g}")
    scale, filters = scales_of(weights), len(weights.values)
    values = np.ascontiguousarray(weights.reals() * alpha).reshape(-1, channels, height, width)
    name = reader.add(
        node, Dense, source, weights=values, scale=None if scale is None else scale * alpha,
        bias=_bias(reader, node, filters) * beta,
    )
    reader.finish(node, name, (filters,))


def _pool(reader: Reader, node: NodeInfo) -> None:
    largest, source = node.kind == "MaxPool", reader.map(node)
    window = pool_window(node, reader.shape(source)[:2], largest=largest)
    reader.finish(node, reader.add(node, MaxPool if largest else AvgPool, source, window=window))


def _global_pool(reader: Reader, node: NodeInfo) -> None:
    source = reader.map(node)
    make = MaxPool if node.kind == "GlobalMaxPool" else AvgPool
    reader.finish(node, reader.add(node, make, source, window=whole(reader.shape(source))))


def _mean(reader: Reader, node: NodeInfo) -> None:
    source, dims = reader.map(node), reader.dims[node.inputs[0]]
    given = node.attributes.get("axes")
    if len(node.inputs) > 1 and node.inputs[1]:
        given = integers(reader.constant(node, 1))
    over = sorted(axis % (len(dims) + 1) for axis in given or [])
    if over != list(range(2, len(dims) + 1)) or len(dims) < 2:
        raise NhotError(f"it must be over height and width, not over the axes {over}")
    made = (dims[0], *[1] * (len(dims) - 1)) if node.attributes.get("keepdims", 1) else dims[:1]
    window = whole(reader.shape(source))
    reader.finish(node, reader.add(node, AvgPool, source, window=window), made)


def _normalisation(reader: Reader, node: NodeInfo) -> None:
    gain, offset, mean, variance = (
        reader.constant(node, place).reals().reshape(-1) for place in range(1, 5)
    )
    if node.attributes.get("training_mode", 0):
        raise NhotError("it must be of a model that is evaluated, not trained")
    reader.finish(node, reader.add(
        node, BatchNorm, reader.map(node), gain=gain, offset=offset, mean=mean, variance=variance,
        epsilon=node.attributes.get("epsilon", 1e-5),
    ))


def _arithmetic(reader: Reader, node: NodeInfo) -> None:
    constants = [place for place in (0, 1) if node.inputs[place : place + 1] and (
        node.inputs[place] in reader.constants)]
    if not constants and node.kind == "Add":
        sources = reader.operand(node, 0), reader.operand(node, 1)
        if reader.dims[node.inputs[0]] != reader.dims[node.inputs[1]]:
            raise NhotError("both inputs must have one shape, not "
                            f"{reader.dims[node.inputs[0]]} and {reader.dims[node.inputs[1]]}")
        reader.finish(node, reader.add(node, Add, *sources), reader.dims[node.inputs[0]])
        return
    if len(constants) != 1:
        raise NhotError("it must be the sum of two tensors, or of a tensor and a constant")
    (place,) = constants
    source, dims = reader.operand(node, 1 - place), reader.dims[node.inputs[1 - place]]
    values = _over(reader.constant(node, place).reals(), dims, reader.shape(source))
    gain, offset = factors(node.kind.upper(), values, first=place == 0)
    reader.finish(node, reader.add(node, Affine, source, gain=gain, offset=offset), dims)


def _clamp(reader: Reader, node: NodeInfo) -> None:
    source = reader.operand(node)
    low, high = (0.0, inf) if node.kind == "Relu" else limits(node, reader.constants_of(node))
    if any(name and name not in reader.constants for name in node.inputs[1:]):
        raise NhotError("its limits must be constants")
    dims = reader.dims[node.inputs[0]]
    reader.finish(node, reader.add(node, Clamp, source, low=low, high=high), dims)


def _pad(reader: Reader, node: NodeInfo) -> None:
    source, dims = reader.map(node), reader.dims[node.inputs[0]]
    attributes = node.attributes
    sides = attributes.get("pads") or integers(reader.constant(node, 1))
    value = attributes.get("value", 0.0)
    if len(node.inputs) > 2 and node.inputs[2]:
        value = float(reader.constant(node, 2).reals().max(initial=0))
    axes = list(range(len(dims) + 1))
    if len(node.inputs) > 3 and node.inputs[3]:
        axes = [axis % len(axes) for axis in integers(reader.constant(node, 3))]
    if len(sides) != 2 * len(axes):
        raise NhotError(f"it must have two numbers for each of {len(axes)} axes, not {sides}")
    ends = {axis: (sides[place], sides[place + len(axes)]) for place, axis in enumerate(axes)}
    mode = attributes.get("mode", "constant")
    if any(any(ends.get(axis, ())) for axis in (0, 1)) or value or mode != "constant":
        raise NhotError(f"it must pad height and width alone, with zeros, not {sides} with "
                        f"{value:g} ({shortened(mode)})")
    (top, bottom), (left, right) = [(0, 0), *(ends.get(axis, (0, 0)) for axis in (2, 3))][-2:] if (
        len(dims) == 3) else [(0, 0), ends.get(2, (0, 0))]
    reader.finish(node, reader.add(node, Pad, source, sides=(top, left, bottom, right)))


def _concat(reader: Reader, node: NodeInfo) -> None:
    sources = [reader.map(node, place) for place in range(len(node.inputs))]
    axis, axes = node.attributes.get("axis", 1), len(reader.dims[node.inputs[0]]) + 1
    if axis % axes != 1:
        raise NhotError(f"it must join channels (axis 1), not along axis {axis}")
    reader.finish(node, reader.add(node, Concat, *sources))


def _upsample(reader: Reader, node: NodeInfo) -> None:
    source, dims = reader.map(node), reader.dims[node.inputs[0]]
    before = (1, *dims)
    given = [reader.constants[name].values.reshape(-1).tolist() for name in node.inputs[1:]
             if name in reader.constants and reader.constants[name].values.size == len(before)]
    scales = node.attributes.get("scales") or (given[-1] if given else None)
    if scales is None or len(scales) != len(before) or not np.isfinite(scales).all():
        raise NhotError("it must have a constant size or factor for each axis")
    sizes = node.kind == "Resize" and len(node.inputs) > 3 and bool(node.inputs[3])
    steps = [one / size if sizes else one for one, size in zip(scales, before, strict=True)]
    up = [1, *(int(step) for step in steps[2:])][-2:]
    known = all(step == int(step) and 1 <= step <= LARGEST for step in steps)
    nearest = node.attributes.get("mode", "nearest") == "nearest" and known and all(
        _nearest(node, size, factor) for size, factor in zip(dims[1:], up[-len(dims[1:]):],
                                                             strict=True))
    if steps[:2] != [1, 1] or not nearest:
        raise NhotError(f"it must be nearest by whole factors of height and width, not "
                        f"{node.attributes.get('mode', 'nearest')!r} by "
                        f"{[round(step, 3) for step in steps]}")
    reader.finish(node, reader.add(node, Upsample, source, factors=(up[0], up[1])))


def _nearest(node: NodeInfo, size: int, factor: int) -> bool:
    """Whether each element comes ``factor`` times; the standard defines which one is taken."""
    way = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    if node.kind == "Upsample" or len(node.inputs) < 3:  # before version 11
        way = "asymmetric"
    plain = "floor" if node.kind == "Upsample" else "round_prefer_floor"
    outputs = np.arange(min(size * factor, 4 * factor), dtype=np.float64)
    if way == "asymmetric":
        places = outputs / factor
    elif way in {"half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"}:
        places = (outputs + 0.5) / factor - 0.5
    else:
        return factor == 1
    match node.attributes.get("nearest_mode", plain):
        case "floor":
            taken = np.floor(places)
        case "ceil":
            taken = np.ceil(places)
        case "round_prefer_ceil":
            taken = np.floor(places + 0.5)
        case _:
            taken = np.ceil(places - 0.5)
    return bool((np.clip(taken, 0, size - 1) == outputs // factor).all())


def _reshape(reader: Reader, node: NodeInfo) -> None:
    """Flattens, or adds and takes off axes of one: the order of the elements stays."""
    source, dims = reader.operand(node), reader.dims[node.inputs[0]]
    shape, made = reader.shape(source), _made(reader, node, (1, *dims))
    flat = len(made) == 2
    if made[:1] != (1,) or not (flat or lies_as(made[1:], shape) or made[1:] == dims):
        raise NhotError(f"it must flatten a sample {dims}, or leave it as it is, not make {made} "
                        "of it and its batch")
    reader.finish(node, source, made[1:])


def _made(reader: Reader, node: NodeInfo, before: tuple[int, ...]) -> tuple[int, ...]:
    """The sizes, the batch's included, that a reshape, flattening, ... makes."""
    given = node.attributes.get("axes")
    if node.kind != "Flatten" and len(node.inputs) > 1 and node.inputs[1]:
        given = integers(reader.constant(node, 1))
    match node.kind:
        case "Flatten":
            axis = node.attributes.get("axis", 1)
            axis += len(before) if axis < 0 else 0
            return prod(before[:axis]), prod(before[axis:])
        case "Reshape":
            return reshaped(before, given or node.attributes.get("shape") or [])
        case "Squeeze":
            drop = {axis % len(before) for axis in given} if given else {
                axis for axis, size in enumerate(before) if size == 1 and axis}
            if any(before[axis] != 1 for axis in drop):
                raise NhotError(f"it must take off axes of one, not {sorted(drop)} of {before}")
            return tuple(size for axis, size in enumerate(before) if axis not in drop)
    more = list(before)
    axes = len(before) + len(given or [])
    for axis in sorted(axis % axes for axis in given or []):
        more.insert(axis, 1)
    return tuple(more)


def _same(reader: Reader, node: NodeInfo) -> None:
    if node.kind == "Cast" and node.attributes.get("to") not in {1, 10, 11}:
        raise NhotError("it must be to floats")
    if node.kind == "Dropout" and len(node.inputs) > 2 and any(
        one is not None and one.values.any() for one in reader.constants_of(node)[2:]
    ):
        raise NhotError("it must be of a model that is evaluated, not trained")
    reader.finish(node, reader.operand(node), reader.dims[node.inputs[0]])


def _transpose(reader: Reader, node: NodeInfo) -> None:
    axes = len(reader.dims[node.inputs[0]]) + 1 if reader.operand(node) else 0
    order = node.attributes.get("perm") or list(range(axes))[::-1]
    if order != list(range(axes)):
        raise NhotError(f"it must leave the axes as they are, not order them as {order}: maps lie "
                        "channels first")
    reader.finish(node, reader.operand(node), reader.dims[node.inputs[0]])


def _weights(reader: Reader, node: NodeInfo) -> Constant:
    """Weights with two axes of a kernel."""
    weights = reader.constant(node, 1)
    if weights.values.ndim == 3:
        weights = weights.map(lambda values: values[:, :, None])
    if weights.values.ndim != 4 or len(reader.dims[node.inputs[0]]) not in {2, 3}:
        raise NhotError(f"it must be over one or two axes, not with weights of shape "
                        f"{weights.values.shape}")
    return weights


def _plain(weights: Constant) -> Floats:
    return np.ascontiguousarray(weights.reals())


def _bias(reader: Reader, node: NodeInfo, filters: int) -> Floats:
    if len(node.inputs) < 3 or not node.inputs[2]:
        return np.zeros(filters, np.float32)
    values = reader.constant(node, 2).reals().reshape(-1)
    if values.size not in {1, filters}:
        raise NhotError(f"bias must be one a filter ({filters}), not {values.size}")
    return np.broadcast_to(values, (filters,)).astype(np.float32)


def _over(values: Floats, dims: tuple[int, ...], shape: tuple[int, int, int]) -> Floats:
    """A constant (channels, height, width) of one that suits a sample of sizes ``dims``."""
    sizes: NDArray[Any] = values.reshape(*[1] * (len(dims) + 1 - values.ndim), *values.shape)
    if sizes.ndim != len(dims) + 1 or len(sizes) != 1:
        raise NhotError(f"constant must be of one sample, not of shape {values.shape}")
    height, width, channels = shape
    if lies_as(dims, shape):
        rows = as_map(sizes.shape[1:], channels_first=True)
        return np.ascontiguousarray(sizes.reshape(rows[2], rows[0], rows[1]))
    if sizes.size not in {1, prod(shape)}:
        raise NhotError(f"constant must be one number or {prod(shape)}, not {sizes.size}")
    return sizes.reshape((1, 1, 1) if sizes.size == 1 else (channels, height, width))


CONVERSIONS: dict[str, Callable[[Reader, NodeInfo], None]] = {
    "Conv": _convolution, "ConvTranspose": _transposed, "Gemm": _dense, "MatMul": _dense,
    "MaxPool": _pool, "AveragePool": _pool, "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool, "ReduceMean": _mean, "BatchNormalization": _normalisation,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _arithmetic), "Relu": _clamp, "Clip": _clamp,
    "Pad": _pad, "Concat": _concat, "Resize": _upsample, "Upsample": _upsample,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
    **dict.fromkeys(("Identity", "Dropout", "Cast"), _same), "Transpose": _transpose,
}
"""By their names in ONNX."""

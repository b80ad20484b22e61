"""What the operators of ONNX are as steps of a graph, one function a kind."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.frontends.conventions import as_map, factors, one_sided
from nhot.frontends.graph_steps import (
    Add,
    Affine,
    AvgPool,
    BatchNorm,
    Clamp,
    Conv,
    ConvTranspose,
    Dense,
    Floats,
    MaxPool,
)
from nhot.frontends.onnx.constants import Constant, integers, scales_of
from nhot.frontends.onnx.layout import lies_as, rows_of
from nhot.frontends.onnx.moves import MOVES
from nhot.frontends.onnx.protobuf import NodeInfo
from nhot.frontends.onnx.quantisers import limits
from nhot.frontends.onnx.read import Reader
from nhot.frontends.onnx.windows import pool_window, whole, window_of
from nhot.network.window import Window

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
    values = np.asarray(weights.reals() * alpha)
    if node.inputs[0] in reader.channels_last:
        values = values.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
    values = np.ascontiguousarray(values).reshape(-1, channels, height, width)
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
    (source, last), dims = reader.any_map(node), reader.dims[node.inputs[0]]
    given = node.attributes.get("axes")
    if len(node.inputs) > 1 and node.inputs[1]:
        given = integers(reader.constant(node, 1))
    over = sorted(axis % (len(dims) + 1) for axis in given or [])
    if over != rows_of(len(dims), last=last) or not over:
        raise NhotError(f"it must be over height and width, not over the axes {over}")
    made = tuple(1 if axis in over else size for axis, size in enumerate(dims, 1))
    if not node.attributes.get("keepdims", 1):
        made = tuple(size for axis, size in enumerate(dims, 1) if axis not in over)
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
        _check_alike(reader, node)
        reader.finish(node, reader.add(node, Add, *sources), reader.dims[node.inputs[0]])
        return
    if len(constants) != 1:
        raise NhotError("it must be the sum of two tensors, or of a tensor and a constant")
    (place,) = constants
    source, dims = reader.operand(node, 1 - place), reader.dims[node.inputs[1 - place]]
    values = _over(reader.constant(node, place).reals(), dims, reader.shape(source),
                   last=node.inputs[1 - place] in reader.channels_last)
    gain, offset = factors(node.kind.upper(), values, first=place == 0)
    reader.finish(node, reader.add(node, Affine, source, gain=gain, offset=offset), dims)


def _check_alike(reader: Reader, node: NodeInfo) -> None:
    """Refuse two tensors whose elements do not lie alike."""
    one, other = (reader.dims[name] for name in node.inputs)
    if one != other:
        raise NhotError(f"both inputs must have one shape, not {one} and {other}")
    if len(reader.channels_last.intersection(node.inputs)) == 1 < len(set(node.inputs)):
        raise NhotError("both inputs must lie channels first, or both last")


def _limit(reader: Reader, node: NodeInfo) -> None:
    constants = [place for place, name in enumerate(node.inputs) if name in reader.constants]
    if len(node.inputs) != 2 or len(constants) != 1:
        raise NhotError("it must be of a tensor and one number, a constant")
    (place,) = constants
    source, dims = reader.operand(node, 1 - place), reader.dims[node.inputs[1 - place]]
    low, high = one_sided(node.kind, reader.constant(node, place).reals())
    reader.finish(node, reader.add(node, Clamp, source, low=low, high=high), dims)


def _clamp(reader: Reader, node: NodeInfo) -> None:
    source = reader.operand(node)
    low, high = (0.0, inf) if node.kind == "Relu" else limits(node, reader.constants_of(node))
    if any(name and name not in reader.constants for name in node.inputs[1:]):
        raise NhotError("its limits must be constants")
    dims = reader.dims[node.inputs[0]]
    reader.finish(node, reader.add(node, Clamp, source, low=low, high=high), dims)


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


def _over(
    values: Floats, dims: tuple[int, ...], shape: tuple[int, int, int], *, last: bool
) -> Floats:
    """A constant (channels, height, width) of one that suits a sample of sizes ``dims``."""
    sizes: NDArray[Any] = values.reshape(*[1] * (len(dims) + 1 - values.ndim), *values.shape)
    if sizes.ndim != len(dims) + 1 or len(sizes) != 1:
        raise NhotError(f"constant must be of one sample, not of shape {values.shape}")
    if lies_as(dims, shape, last=last):
        shape = as_map(sizes.shape[1:], channels_first=not last)
    elif sizes.size == 1:
        shape = (1, 1, 1)
    elif sizes.size != prod(shape):
        raise NhotError(f"constant must be one number or {prod(shape)}, not {sizes.size}")
    height, width, channels = shape
    if last:
        sizes = sizes.reshape(shape).transpose(2, 0, 1)
    return np.ascontiguousarray(sizes).reshape(channels, height, width)


CONVERSIONS: dict[str, Callable[[Reader, NodeInfo], None]] = {
    "Conv": _convolution, "ConvTranspose": _transposed, "Gemm": _dense, "MatMul": _dense,
    "MaxPool": _pool, "AveragePool": _pool, "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool, "ReduceMean": _mean, "BatchNormalization": _normalisation,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _arithmetic), "Relu": _clamp, "Clip": _clamp,
    "Min": _limit, "Max": _limit,
    **MOVES,
}
"""By their names in ONNX."""

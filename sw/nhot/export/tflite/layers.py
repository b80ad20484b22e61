"""The operators of a network as those of TensorFlow Lite, one function a kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from nhot.export.tflite.convert import Converter, stored
from nhot.export.tflite.grid import shift, zero_point
from nhot.export.tflite.parameters import constants, depthwise, ones, single, spread
from nhot.frontends.conventions import same_window
from nhot.network import (
    Add,
    ArgMax,
    AvgPool,
    Clamp,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Linear,
    MaxPool,
    RoundTerms,
    Tensor,
    Upsample,
    Window,
)
from nhot.network.node import Node
from nhot.network.qdq_filters import NO_SCALE
from nhot.network.requant import SHIFT

__all__ = ["convert"]

NEAR = 0.75
"""Units that scales may be off from multipliers, which are short sums, in all of a layer's inputs:
with the roundings it stays below two, and so at most one."""

LARGEST = 127
"""Of a constant that a tensor is multiplied with: no more rounding than its scale has."""


def convert(made: Converter, node: Node, inputs: tuple[Tensor, ...]) -> None:
    """Add ``node``, which reads ``inputs``."""
    x, *_ = inputs
    match node:
        case Conv2d():
            _convolution(made, node, x)
        case ConvTranspose2d():
            _transposed(made, node, x)
        case Linear():
            _dense(made, node, x)
        case MaxPool():
            _largest(made, node, x)
        case AvgPool():
            _average(made, node, x)
        case Add():
            _sum(made, node, inputs)
        case Concat():
            _joined(made, node, inputs)
        case Upsample():
            _upsampled(made, node, x)
        case Clamp():
            _clamped(made, node, x)
        case RoundTerms():
            _looked_up(made, node, x)
        case ArgMax():
            _argmax(made, node, x)
        case _:
            raise node.error(f"operator must be one that TensorFlow Lite has, not "
                             f"{type(node).__name__}")


def _convolution(made: Converter, node: Conv2d, x: Tensor) -> None:
    held, window = constants(node, x), node.window
    source, padding = made.framed(x, window)
    bias = made.bias(held.bias, held.bias_scale)
    options: dict[str, Any] = {
        "Padding": padding, "StrideH": window.stride[0], "StrideW": window.stride[1],
        "DilationHFactor": window.dilation[0], "DilationWFactor": window.dilation[1],
    }
    if node.groups == x.shape[2] > 1:
        weights = made.bytes(depthwise(node, held.weights), held.scale, axis=3)
        made.limited(
            node, "DEPTHWISE_CONV_2D", [source, weights, bias], node.requant.low,
            node.requant.high, "DepthwiseConv2DOptions",
            DepthMultiplier=node.filters // node.groups, **options,
        )
        return
    weights = made.bytes(held.weights, held.scale)
    made.limited(node, "CONV_2D", [source, weights, bias], node.requant.low, node.requant.high,
                 "Conv2DOptions", **options)


def _transposed(made: Converter, node: ConvTranspose2d, x: Tensor) -> None:
    held, window, channels = constants(node, x), node.window, x.shape[2]
    weights = made.bytes(spread(node, held.weights, channels), held.scale)
    bias = made.bias(held.bias, held.bias_scale)
    kernel = Window(kernel=window.span, stride=window.stride)
    whole = kernel.transposed_size(*x.shape[:2], node.output_padding)
    same = same_window(node.output.shape[:2], window.span, window.stride)
    options: dict[str, Any] = {"StrideH": window.stride[0], "StrideW": window.stride[1]}
    low, high = node.requant.low, node.requant.high
    if same.padding == window.padding or not any(window.padding):
        size = made.numbers([1, *node.output.shape])
        made.limited(
            node, "TRANSPOSE_CONV", [size, weights, made.square(x), bias], low, high,
            "TransposeConvOptions", fused=False, Padding=int(not any(window.padding)), **options,
        )
        return
    # Any other padding is cut off what is there without.
    shape = (*whole, node.filters)
    full = made.writer.operator(
        "TRANSPOSE_CONV", [made.numbers([1, *shape]), weights, made.square(x), bias],
        made.activation(node.output, f"{node.name}/whole", shape=shape), "TransposeConvOptions",
        Padding=1, **options,
    )
    top, left, _, _ = window.padding
    begin, size = made.numbers([0, top, left, 0]), made.numbers([1, *node.output.shape])
    made.limited(node, "SLICE", [full, begin, size], low, high, "SliceOptions", fused=False)


def _dense(made: Converter, node: Linear, x: Tensor) -> None:
    held = constants(node, x)
    operands = [made.vector(x), made.bytes(held.weights, held.scale),
                made.bias(held.bias, held.bias_scale)]
    made.limited(node, "FULLY_CONNECTED", operands, node.requant.low, node.requant.high,
                 "FullyConnectedOptions", flat=True)


def _largest(made: Converter, node: MaxPool, x: Tensor) -> None:
    window = node.window
    if window.dilation != (1, 1):
        raise node.error("a max pool must have no dilation in TensorFlow Lite, "
                         f"not {window.dilation}")
    source, padding = made.framed(x, window, lowest=True)
    made.limited(
        node, "MAX_POOL_2D", [source], *_ends(x), "Pool2DOptions", Padding=padding,
        FilterHeight=window.kernel[0], FilterWidth=window.kernel[1], StrideH=window.stride[0],
        StrideW=window.stride[1],
    )


def _average(made: Converter, node: AvgPool, x: Tensor) -> None:
    """A mean where its scales are those of the network; else a convolution that adds up, for an
    average pool neither changes the scale nor counts what is padded."""
    window, multiplier = node.window, int(node.requant.multiplier[0])
    ratio = multiplier / 2.0**SHIFT * node.output.scale / x.scale
    low, high = node.requant.low, node.requant.high
    off = abs(ratio * window.taps - 1) * _reach(x) * x.scale / node.output.scale
    if window.kernel == x.shape[:2] and not any(window.padding) and off < NEAR:
        axes = made.numbers([1, 2])
        made.limited(node, "MEAN", [made.square(x), axes], low, high, "ReducerOptions",
                     fused=False, KeepDims=True)
        return
    channels, sign = x.shape[2], -1 if ratio < 0 else 1
    scale = single(node, abs(ratio) or NO_SCALE * node.output.scale / x.scale).repeat(channels)
    source, padding = made.framed(x, window)
    weights = made.bytes(ones(window.kernel, channels, sign), scale, axis=3)
    bias = made.bias(np.zeros(channels, np.int32), single(node, scale.astype(float) * x.scale))
    made.limited(
        node, "DEPTHWISE_CONV_2D", [source, weights, bias], low, high, "DepthwiseConv2DOptions",
        DepthMultiplier=1, Padding=padding, StrideH=window.stride[0], StrideW=window.stride[1],
        DilationHFactor=window.dilation[0], DilationWFactor=window.dilation[1],
    )


def _sum(made: Converter, node: Add, inputs: tuple[Tensor, ...]) -> None:
    flat = all(tensor.name in made.flat for tensor in inputs)
    operands = []
    for place, (tensor, ratio) in enumerate(zip(inputs, _ratios(node, inputs), strict=True)):
        index = made.tensors[tensor.name] if flat else made.square(tensor)
        off = abs(ratio - 1) * _reach(tensor) * tensor.scale / node.output.scale
        if 2 * off >= NEAR:
            zero = zero_point(tensor)
            grid = ((abs(ratio) or 1.0) * tensor.scale, zero if ratio >= 0 else -1 - zero)
            index = _multiplied(made, node, tensor, index, ratio, place, grid, flat=flat)
        operands.append(index)
    made.limited(node, "ADD", operands, node.requant.low, node.requant.high, "AddOptions",
                 flat=flat)


def _joined(made: Converter, node: Concat, inputs: tuple[Tensor, ...]) -> None:
    output, operands = node.output, []
    flat = all(tensor.name in made.flat for tensor in inputs)
    for place, (tensor, ratio) in enumerate(zip(inputs, _ratios(node, inputs), strict=True)):
        index = made.tensors[tensor.name] if flat else made.square(tensor)
        grid = (output.scale, zero_point(output))
        off = abs(ratio - 1) * _reach(tensor) * tensor.scale / output.scale
        if (tensor.scale, zero_point(tensor)) == grid and ratio == 1:
            pass
        elif off < NEAR:
            made_here = made.activation(tensor, f"{node.name}/operand{place}", flat=flat,
                                        scale=grid[0], zero=grid[1])
            index = made.writer.operator("QUANTIZE", [index], made_here, "QuantizeOptions")
        else:
            index = _multiplied(made, node, tensor, index, ratio, place, grid, flat=flat)
        operands.append(index)
    made.limited(node, "CONCATENATION", operands, node.requant.low, node.requant.high,
                 "ConcatenationOptions", fused=False, flat=flat, Axis=1 if flat else 3)


def _multiplied(
    made: Converter, node: Node, tensor: Tensor, index: int, ratio: float, place: int,
    grid: tuple[float, int], *, flat: bool,
) -> int:
    """``tensor`` times the real number ``ratio``, on ``grid``."""
    whole = 0 if ratio == 0 else LARGEST if ratio > 0 else -LARGEST
    factor = made.bytes([whole], single(node, abs(ratio) / LARGEST or 1.0))
    single(node, grid[0])
    operand = made.activation(tensor, f"{node.name}/operand{place}", flat=flat, scale=grid[0],
                              zero=grid[1])
    return made.writer.operator("MUL", [index, factor], operand, "MulOptions")


def _upsampled(made: Converter, node: Upsample, x: Tensor) -> None:
    size = made.numbers(node.output.shape[:2])
    made.limited(node, "RESIZE_NEAREST_NEIGHBOR", [made.square(x), size], *_ends(x),
                 "ResizeNearestNeighborOptions", fused=False)


def _clamped(made: Converter, node: Clamp, x: Tensor) -> None:
    if (node.low, node.high) == (x.low, x.high):
        made.same_as(node, x)
        return
    flat = x.name in made.flat
    index = made.tensors[x.name]
    for kind, end, free in (("MAXIMUM", node.low, x.low), ("MINIMUM", node.high, x.high)):
        if end != free:
            last = kind == "MINIMUM" or node.high == x.high
            name = node.name if last else f"{node.name}/maximum"
            constant = made.bytes([stored(x, end)], x.scale, zero_point(x))
            index = made.writer.operator(
                kind, [index, constant], made.activation(node.output, name, flat=flat),
                "MaximumMinimumOptions",
            )
    made.tensors[node.name] = index
    if flat:
        made.flat.add(node.name)


def _looked_up(made: Converter, node: RoundTerms, x: Tensor) -> None:
    """A table of all bytes, read at the integers from 0 on."""
    flat, writer = x.name in made.flat, made.writer
    sizes = (1, x.shape[2]) if flat else (1, *x.shape)
    integers = np.arange(-128, 128) - shift(x)
    table = node.table[np.clip(integers, x.low, x.high) - x.low] + shift(x)
    wide = writer.operator("CAST", [made.tensors[x.name]],
                           writer.tensor(sizes, type="INT32", name=f"{node.name}/wide"))
    index = writer.operator("ADD", [wide, made.numbers([128])],
                            writer.tensor(sizes, type="INT32", name=f"{node.name}/index"),
                            "AddOptions")
    constant = made.bytes(table, x.scale, zero_point(x))
    made.limited(node, "GATHER", [constant, index], *_ends(x), "GatherOptions", fused=False,
                 flat=flat, Axis=0)


def _argmax(made: Converter, node: ArgMax, x: Tensor) -> None:
    flat = x.name in made.flat
    shape = (1,) if flat else (1, *x.shape[:2])
    output = made.writer.tensor(shape, type="INT32", name=node.name)
    axis = made.numbers(1 if flat else 3)
    made.tensors[node.name] = made.writer.operator(
        "ARG_MAX", [made.tensors[x.name], axis], output, "ArgMaxOptions",
        OutputType=made.writer.schema.TensorType.INT32,
    )


def _ratios(node: Add | Concat, inputs: tuple[Tensor, ...]) -> list[float]:
    """The number that each input is multiplied with, beside what its scale says."""
    return [int(multiplier) / 2.0**SHIFT * node.output.scale / tensor.scale
            for multiplier, tensor in zip(node.requant.multiplier, inputs, strict=True)]


def _reach(tensor: Tensor) -> int:
    """The largest distance of an integer from that of zero."""
    return max(tensor.high - tensor.zero_point, tensor.zero_point - tensor.low)


def _ends(tensor: Tensor) -> tuple[int, int]:
    """The whole byte, in integers of ``tensor``: what only moves integers limits nothing."""
    return -128 - shift(tensor), 127 - shift(tensor)

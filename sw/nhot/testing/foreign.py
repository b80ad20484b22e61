"""Small models of other tools, to be read and to be damaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nhot.export.tflite.writer import Writer
from nhot.testing import onnx_writer

__all__ = ["damaged", "onnx_models", "tflite_models"]

_CONV = {"DilationHFactor": 1, "DilationWFactor": 1, "StrideH": 1, "StrideW": 1}


def damaged(models: Sequence[bytes], count: int) -> Iterator[bytes]:
    """``models`` in turns, each with up to four bytes changed, every other one cut somewhere."""
    random = np.random.default_rng(0)
    for case in range(count):
        whole = models[case % len(models)]
        changed = bytearray(whole)
        for place in random.integers(0, len(whole), case % 5):
            changed[place] = random.integers(0, 256)
        yield bytes(changed[: random.integers(0, len(whole)) if case % 2 else None])


def tflite_models() -> list[bytes]:
    """A residual network of TensorFlow Lite over pictures of 4 x 4, in float and in int8."""
    return [_residual(quantised=quantised) for quantised in (False, True)]


def onnx_models() -> list[bytes]:
    """The same network of ONNX, in float and quantised, a chain of QONNX, and what TensorFlow's
    converters make of maps that lie channels last."""
    return [_onnx(quantised=quantised) for quantised in (False, True)] + [_qonnx(), _turned()]


def _onnx(*, quantised: bool) -> bytes:
    writer, random = onnx_writer.Writer(), np.random.default_rng(0)

    def rounded(source: str, scale: float = 0.03125, zero: int = -128) -> str:
        return writer.quantize(source, scale, zero) if quantised else source

    def filters(*shape: int) -> list[str]:
        bias = writer.constant(random.normal(size=shape[0]).astype(np.float32))
        if not quantised:
            return [writer.constant(random.normal(size=shape).astype(np.float32)), bias]
        codes = random.integers(-127, 128, shape).astype(np.int8)
        return [writer.weights(codes, [0.0078125] * shape[0]), bias]

    x = rounded("x", zero=3)
    y = writer.node("Relu", [writer.node("Conv", [x, *filters(2, 1, 3, 3)], pads=[1] * 4)])
    y = rounded(y)
    z = writer.node("Conv", [y, *filters(2, 1, 3, 3)], auto_pad="SAME_UPPER", group=2)
    limits = [writer.constant(np.float32(end)) for end in (0, 6)]
    z = rounded(writer.node("Clip", [z, *limits]))
    total = rounded(writer.node("Add", [y, z]))
    pooled = rounded(writer.node("MaxPool", [total], kernel_shape=[2, 2], strides=[2, 2]))
    flat = writer.node("Reshape", [pooled, writer.constant(np.array([0, -1]))])
    scores = rounded(writer.node("Gemm", [flat, *filters(3, 8)], transB=1), zero=5)
    return writer.finish((1, 1, 4, 4), writer.node("Softmax", [scores]))


def _turned() -> bytes:
    writer, random = onnx_writer.Writer(), np.random.default_rng(0)
    shape = writer.constant(np.array([1, 1, 4, 4]))  # turned, as there is one channel
    x = writer.node("Conv", [writer.node("Reshape", [writer.quantize("x", 0.03125, 3), shape]),
                             writer.constant(random.normal(size=(2, 1, 3, 3)).astype(np.float32))])
    y = writer.node("Transpose", [x], perm=[0, 2, 3, 1])
    y = writer.node("Add", [y, writer.constant(random.normal(size=2).astype(np.float32))])
    y = writer.node("Flatten", [writer.node("Concat", [y, y], axis=3)])
    weights = writer.constant(random.normal(size=(16, 3)).astype(np.float32))
    return writer.finish((1, 4, 4, 1), writer.node("MatMul", [y, weights]))


def _qonnx() -> bytes:
    writer, domain = onnx_writer.Writer(), "qonnx.custom_op.general"
    weights = np.random.default_rng(0).normal(size=(2, 1, 3, 3)).astype(np.float32)

    def quant(source: str, scale: float, bits: int, signed: int) -> str:
        numbers = [writer.constant(np.float32(one)) for one in (scale, 0, bits)]
        return writer.node("Quant", [source, *numbers], domain=domain, signed=signed, narrow=0,
                           rounding_mode="ROUND")

    y = writer.node("Conv", [quant("x", 0.03125, 8, 1), quant(
        writer.constant(weights), 0.25, 4, 1)])
    y = quant(writer.node("Relu", [y]), 0.25, 4, 0)
    signs = writer.node("BipolarQuant", [
        writer.constant(weights.reshape(2, 9)[:, :8]), writer.constant(np.float32(0.5))],
        domain=domain)
    y = writer.node("Gemm", [writer.node("Flatten", [y]), signs], transB=1)
    return writer.finish((1, 1, 4, 4), quant(y, 0.25, 8, 1), domains=[domain])


def _residual(*, quantised: bool) -> bytes:
    writer, random = Writer(), np.random.default_rng(0)

    def activation(*shape: int, scale: float = 0.03125, zero: int = -128) -> int:
        if quantised:
            return writer.activation(shape, scale, zero)
        return writer.tensor(shape)

    def weights(*shape: int, axis: int = 0) -> int:
        if not quantised:
            return writer.constant(random.normal(size=shape).astype(np.float32))
        codes = random.integers(-127, 128, shape).astype(np.int8)
        filters = shape[axis]
        return writer.constant(codes, scale=[0.0078125] * filters, zero=[0] * filters, axis=axis)

    def bias(filters: int) -> int:
        kind = np.int32 if quantised else np.float32
        return writer.constant(random.integers(-9, 9, filters).astype(kind))

    x = activation(1, 4, 4, 1, zero=3)
    y = writer.operator("CONV_2D", [x, weights(2, 3, 3, 1), bias(2)], activation(1, 4, 4, 2),
                        "Conv2DOptions", FusedActivationFunction=1, **_CONV)
    z = writer.operator(
        "DEPTHWISE_CONV_2D", [y, weights(1, 3, 3, 2, axis=3), bias(2)], activation(1, 4, 4, 2),
        "DepthwiseConv2DOptions", DepthMultiplier=1, FusedActivationFunction=3, **_CONV)
    total = writer.operator("ADD", [y, z], activation(1, 4, 4, 2), "AddOptions")
    pooled = writer.operator(
        "MAX_POOL_2D", [total], activation(1, 2, 2, 2), "Pool2DOptions", Padding=1, FilterHeight=2,
        FilterWidth=2, StrideH=2, StrideW=2)
    sizes = writer.constant(np.array([1, 8], np.int32))
    flat = writer.operator("RESHAPE", [pooled, sizes], activation(1, 8))
    scores = writer.operator("FULLY_CONNECTED", [flat, weights(3, 8), bias(3)],
                             activation(1, 3, zero=5), "FullyConnectedOptions")
    classes = activation(1, 3, scale=2**-8)
    writer.operator("SOFTMAX", [scores], classes, "SoftmaxOptions", Beta=1.0)
    return writer.finish(x, classes)

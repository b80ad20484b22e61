"""Small models of other tools, to be read and to be damaged."""

from __future__ import annotations

import numpy as np

from nhot.export.tflite.writer import Writer

__all__ = ["tflite_models"]

_CONV = {"DilationHFactor": 1, "DilationWFactor": 1, "StrideH": 1, "StrideW": 1}


def tflite_models() -> list[bytes]:
    """A residual network of TensorFlow Lite over pictures of 4 x 4, in float and in int8."""
    return [_residual(quantised=quantised) for quantised in (False, True)]


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

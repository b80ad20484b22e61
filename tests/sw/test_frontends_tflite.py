"""What the operators of TensorFlow Lite compute: its interpreter defines it.

Files of single operators are written with the schema.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nhot.errors import NhotError
from nhot.export.tflite.writer import Writer
from nhot.frontends.module import GraphModule
from nhot.frontends.tflite.interpreter import run_tflite
from nhot.frontends.tflite.read import read_tflite

CONV = {"DilationHFactor": 1, "DilationWFactor": 1, "StrideH": 1, "StrideW": 1}
SAME, VALID = 0, 1


def floats(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def interpreted(data, x):
    """What the interpreter makes of the output. (samples, elements)"""
    from nhot.frontends.tflite.flatbuffer import parse

    return run_tflite(data, x)[parse(data).outputs[0]]


def same(data, *, size=None, atol=1e-5, channels_first=False):
    """Compare the module with the interpreter, on random samples; returns the module."""
    graph = read_tflite(data)
    model, (height, width, channels) = GraphModule(graph), graph.input
    x = floats(4, height, width, channels, seed=5) * 3
    maps = torch.tensor(x).permute(0, 3, 1, 2)
    wanted = interpreted(data, maps.numpy() if channels_first else x)
    with torch.no_grad():
        made = model(maps)
    made = made.permute(0, 2, 3, 1) if made.dim() == 4 else made
    np.testing.assert_allclose(made.reshape(4, -1).numpy(), wanted, atol=atol, rtol=1e-4)
    return model


@st.composite
def convolutions(draw):
    """Sizes, kernels, strides and dilations for which the padding is even, uneven or none."""
    pair = st.tuples(st.integers(1, 3), st.integers(1, 3))
    stride = draw(pair)
    dilation = draw(pair) if stride == (1, 1) else (1, 1)
    return (draw(st.integers(7, 10)), draw(st.integers(7, 10))), draw(pair), stride, dilation


@given(convolutions(), st.sampled_from(["CONV_2D", "DEPTHWISE_CONV_2D"]),
       st.sampled_from([SAME, VALID]), st.integers(0, 3))
def test_convolutions(sizes, kind, padding, fused):
    size, kernel, stride, dilation = sizes
    writer, depthwise = Writer(), kind == "DEPTHWISE_CONV_2D"
    weights = floats(1, *kernel, 4) if depthwise else floats(3, *kernel, 2)
    source = writer.tensor((1, *size, 2))
    result = writer.tensor(made_shape(size, kernel, stride, dilation, padding, weights, depthwise))
    inputs = [source, writer.constant(weights), writer.constant(floats(4 if depthwise else 3))]
    options = {"DepthMultiplier": 2} if depthwise else {}
    writer.operator(
        kind, inputs, result, "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions",
        Padding=padding, StrideH=stride[0], StrideW=stride[1], DilationHFactor=dilation[0],
        DilationWFactor=dilation[1], FusedActivationFunction=fused, **options,
    )
    same(writer.finish(source, result))


def made_shape(size, kernel, stride, dilation, padding, weights, depthwise):
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    sizes = [
        -(-s // t) if padding == SAME else (s - span) // t + 1
        for s, t, span in zip(size, stride, spans, strict=True)
    ]
    return (1, *sizes, weights.shape[3 if depthwise else 0])


def one_operator(kind, shape, made, *, constants=(), options="", source=(1, 6, 4, 4), **members):
    """A pointwise convolution, then the operator: every model must have weights."""
    writer = Writer()
    x, y = writer.tensor(source), writer.tensor(shape)
    weights, bias = floats(shape[-1], 1, 1, source[-1]), floats(shape[-1])
    writer.operator("CONV_2D", [x, writer.constant(weights), writer.constant(bias)], y,
                    "Conv2DOptions", **CONV)
    inputs = [y, *(writer.constant(values) for values in constants)]
    z = writer.operator(kind, inputs, writer.tensor(made), options, **members)
    return writer.finish(x, z)


MAP = (1, 6, 4, 4)
AROUND = np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32)
POOL = {"options": "Pool2DOptions", "FilterHeight": 2, "FilterWidth": 2, "StrideH": 2, "StrideW": 2}
OPERATORS = {
    "max pool": ("MAX_POOL_2D", (1, 3, 2, 4), {**POOL, "Padding": VALID}),
    "max pool, padded": ("MAX_POOL_2D", MAP, {
        **POOL, "FilterHeight": 3, "StrideH": 1, "StrideW": 1, "Padding": SAME}),
    "average pool": ("AVERAGE_POOL_2D", (1, 3, 2, 4), {**POOL, "Padding": SAME}),
    "mean": ("MEAN", (1, 4), {"constants": [np.array([1, 2], np.int32)]}),
    "mean, axes kept": ("MEAN", (1, 1, 1, 4), {
        "constants": [np.array([-2, -3], np.int32)], "options": "ReducerOptions",
        "KeepDims": True}),
    "pad": ("PAD", (1, 9, 5, 4), {"constants": [AROUND]}),
    "pad with a number": ("PADV2", (1, 9, 5, 4), {"constants": [AROUND, np.zeros(1, np.float32)]}),
    "add a constant": ("ADD", MAP, {"constants": [floats(4)], "options": "AddOptions"}),
    "add, with relu": ("ADD", MAP, {"constants": [floats(1)], "options": "AddOptions",
                                    "FusedActivationFunction": 1}),
    "subtract": ("SUB", MAP, {"constants": [floats(1, 1, 1, 4)], "options": "SubOptions"}),
    "multiply": ("MUL", MAP, {"constants": [floats(1, 1, 1, 1)], "options": "MulOptions"}),
    "divide": ("DIV", MAP, {"constants": [floats(4) + 9], "options": "DivOptions"}),
    **{kind: (kind, MAP, {"constants": [np.full(shape, limit, np.float32)],
                          "options": "MaximumMinimumOptions"})
       for kind, shape, limit in (("MINIMUM", (1,), 0.7), ("MAXIMUM", (1, 1, 1, 4), -0.3))},
    **{name: (name, MAP, {}) for name in ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1")},
    "upsample": ("RESIZE_NEAREST_NEIGHBOR", (1, 12, 12, 4), {
        "constants": [np.array([12, 12], np.int32)], "options": "ResizeNearestNeighborOptions",
        "HalfPixelCenters": True}),
    "flatten": ("RESHAPE", (1, 96), {"constants": [np.array([-1, 96], np.int32)]}),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name):
    kind, made, options = OPERATORS[name]
    same(one_operator(kind, MAP, made, **options))


def test_constants_may_come_first():
    writer = Writer()
    x, y, z = (writer.tensor(MAP) for _ in range(3))
    writer.operator("SUB", [writer.constant(floats(4)), x], y, "SubOptions")
    writer.operator("CONV_2D", [y, writer.constant(floats(4, 1, 1, 4)), writer.constant(floats(4))],
                    z, "Conv2DOptions", **CONV)
    same(writer.finish(x, z))


def test_joins_and_dense_layers():
    writer = Writer()
    x, y, joined = writer.tensor((1, 3, 2, 2)), writer.tensor((1, 3, 2, 2)), writer.tensor(
        (1, 3, 2, 4))
    writer.operator("ADD", [x, x], y, "AddOptions", FusedActivationFunction=1)
    writer.operator("CONCATENATION", [x, y], joined, "ConcatenationOptions", Axis=3)
    flat, dense, result = writer.tensor((1, 24)), writer.tensor((1, 5)), writer.tensor((1, 5))
    writer.operator("RESHAPE", [joined, writer.constant(np.array([1, 24], np.int32))], flat)
    weights = writer.constant(floats(5, 24))
    writer.operator("FULLY_CONNECTED", [flat, weights, writer.constant(floats(5))], dense,
                    "FullyConnectedOptions", FusedActivationFunction=1)
    writer.operator("SOFTMAX", [dense], result, "SoftmaxOptions", Beta=1.0)
    data = writer.finish(x, result)
    graph = read_tflite(data)
    assert graph.left_out == ("SOFTMAX",)
    assert graph.shapes[graph.output] == (1, 1, 5)
    made = GraphModule(graph)(torch.tensor(floats(1, 2, 3, 2))).softmax(1)
    wanted = interpreted(data, floats(1, 2, 3, 2).transpose(0, 2, 3, 1))
    np.testing.assert_allclose(made.detach().numpy(), wanted, atol=1e-5)


def test_models_from_torch_lie_channels_first():
    """They transpose at the input, and before they flatten."""
    writer = Writer()
    axes = [writer.constant(np.array(order, np.int32)) for order in ([0, 2, 3, 1], [0, 3, 1, 2])]
    x, turned = writer.tensor((1, 3, 4, 2)), writer.tensor((1, 4, 2, 3))
    y, back, flat, z = (writer.tensor(shape) for shape in (
        (1, 4, 2, 5), (1, 5, 4, 2), (1, 40), (1, 7)))
    writer.operator("TRANSPOSE", [x, axes[0]], turned)
    writer.operator("CONV_2D", [turned, writer.constant(floats(5, 1, 1, 3)),
                                writer.constant(floats(5))], y, "Conv2DOptions", **CONV)
    writer.operator("TRANSPOSE", [y, axes[1]], back)
    writer.operator("RESHAPE", [back, writer.constant(np.array([1, 40], np.int32))], flat)
    writer.operator("FULLY_CONNECTED", [flat, writer.constant(floats(7, 40)), -1], z,
                    "FullyConnectedOptions")
    same(writer.finish(x, z), channels_first=True)


def test_max_pools_of_torch_pad_with_less_than_all():
    writer = Writer()
    x, y, padded, z = (writer.tensor(shape) for shape in (MAP, MAP, (1, 9, 5, 4), (1, 7, 3, 4)))
    writer.operator("CONV_2D", [x, writer.constant(floats(4, 1, 1, 4)), writer.constant(floats(4))],
                    y, "Conv2DOptions", **CONV)
    least = writer.constant(np.full(1, np.finfo(np.float32).min, np.float32))
    writer.operator("PADV2", [y, writer.constant(AROUND), least], padded)
    writer.operator("MAX_POOL_2D", [padded], z, "Pool2DOptions", FilterHeight=3, FilterWidth=3,
                    StrideH=1, StrideW=1, Padding=VALID)
    same(writer.finish(x, z))


@pytest.mark.parametrize(("size", "kernel", "stride", "padding", "made"), [
    ((3, 4), (2, 2), (2, 2), VALID, (6, 8)), ((3, 4), (4, 2), (2, 2), SAME, (6, 8)),
    ((3, 4), (3, 3), (1, 1), VALID, (5, 6)), ((3, 4), (3, 3), (2, 2), VALID, (7, 9)),
])
def test_transposed_convolutions(size, kernel, stride, padding, made):
    writer = Writer()
    x, y = writer.tensor((1, *size, 3)), writer.tensor((1, *made, 2))
    shape = writer.constant(np.array([1, *made, 2], np.int32))
    inputs = [shape, writer.constant(floats(2, *kernel, 3)), x, writer.constant(floats(2))]
    writer.operator("TRANSPOSE_CONV", inputs, y, "TransposeConvOptions", Padding=padding,
                    StrideH=stride[0], StrideW=stride[1])
    same(writer.finish(x, y))


def test_weights_kept_in_half_precision_or_as_bytes():
    writer = Writer()
    x, y, z = writer.tensor(MAP), writer.tensor((1, 6, 4, 2)), writer.tensor((1, 48))
    half = writer.constant(floats(2, 1, 1, 4).astype(np.float16))
    unpacked = writer.operator("DEQUANTIZE", [half], writer.tensor((2, 1, 1, 4)))
    writer.operator("CONV_2D", [x, unpacked, writer.constant(floats(2))], y, "Conv2DOptions",
                    **CONV)
    writer.operator("RESHAPE", [y, writer.constant(np.array([1, 48], np.int32))], z)
    same(writer.finish(x, z))
    writer, codes = Writer(), np.array([[3, -4], [5, 6]], np.int8)
    x, y = writer.tensor((1, 2)), writer.tensor((1, 2))
    weights = writer.constant(codes, scale=[0.5, 2.0], zero=[0, 0])
    writer.operator("FULLY_CONNECTED", [x, weights, writer.constant(np.ones(2, np.float32))], y,
                    "FullyConnectedOptions")
    model = GraphModule(read_tflite(writer.finish(x, y)))
    # the interpreter rounds what it reads here to eight bits, a model in float does not
    assert model(torch.tensor([[1.0, 0.0]])).tolist() == [[2.5, 11.0]]


def test_constants_behind_the_flatbuffer():
    """So are they written where models are large, and by the quantiser."""
    writer = Writer()
    x, y = writer.tensor((1, 2)), writer.tensor((1, 3))
    inputs = [x, writer.constant(floats(3, 2), behind=True),
              writer.constant(floats(3), behind=True)]
    writer.operator("FULLY_CONNECTED", inputs, y, "FullyConnectedOptions")
    data = writer.finish(x, y)
    same(data)
    with pytest.raises(NhotError, match=r"must have its data in the file of \d+ bytes, not at \d+"):
        read_tflite(data[:-1])


def test_shapes_that_are_computed():
    """Keras flattens by a shape that it computes, whatever the batch is."""
    writer = Writer()
    x, y, z = writer.tensor(MAP, signature=(-1, 6, 4, 4)), writer.tensor((1, 96)), writer.tensor(
        (1, 2))
    numbers = [writer.constant(np.array([n], np.int32)) for n in (0, 1, 1, 96)]
    shape, batch, packed = (writer.tensor(size, type="INT32") for size in ((4,), (), (2,)))
    writer.operator("SHAPE", [x], shape, "ShapeOptions", OutType=2)
    writer.operator("STRIDED_SLICE", [shape, *numbers[:3]], batch, "StridedSliceOptions",
                    ShrinkAxisMask=1)
    writer.operator("PACK", [batch, numbers[3]], packed, "PackOptions", ValuesCount=2)
    writer.operator("RESHAPE", [x, packed], y)
    writer.operator("FULLY_CONNECTED", [y, writer.constant(floats(2, 96))], z,
                    "FullyConnectedOptions")
    graph = read_tflite(writer.finish(x, z))
    assert [type(one).__name__ for one in graph.operators] == ["Dense"]

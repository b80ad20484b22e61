"""What the operators of ONNX compute: onnxruntime defines it."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nhot.errors import NhotError
from nhot.frontends import read_graph
from nhot.frontends.module import GraphModule, import_model
from nhot.frontends.onnx.read import read_onnx
from nhot.testing.onnx_writer import Writer

MAP = (1, 4, 6, 5)


def floats(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def interpreted(data, x):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: one[None]})[0] for one in x])


def same(data, shape=MAP, atol=1e-4):
    """Compare the module with onnxruntime, on random samples; returns the graph."""
    graph = read_onnx(data)
    x = floats(4, *shape[1:], seed=5) * 2
    with torch.no_grad():
        made = GraphModule(graph)(torch.tensor(x).reshape(4, *shape[1:]))
    wanted = interpreted(data, x)
    np.testing.assert_allclose(made.reshape(4, -1).numpy(), wanted.reshape(4, -1), atol=atol)
    return graph


def start(writer, source="x", channels=4):
    """A pointwise convolution: every model must have weights."""
    return writer.node("Conv", [source, writer.constant(floats(4, channels, 1, 1)),
                                writer.constant(floats(4))])


PADS = [(0, 0, 0, 0), (1, 1, 1, 1), (1, 0, 2, 1)]
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(pairs, pairs, pairs, st.sampled_from(["SAME_UPPER", "SAME_LOWER", "VALID", *PADS]),
       st.sampled_from([1, 2, 4]))
def test_convolutions(kernel, stride, dilation, padding, groups):
    writer = Writer()
    named = isinstance(padding, str)
    dilation = (1, 1) if named else dilation  # onnxruntime refuses both
    way = {"auto_pad": padding} if named else {"pads": padding}
    y = writer.node("Conv", ["x", writer.constant(floats(8, 4 // groups, *kernel)),
                             writer.constant(floats(8))], strides=stride, dilations=dilation,
                    group=groups, **way)
    same(writer.finish((1, 4, 9, 8), y), (1, 4, 9, 8))


@pytest.mark.parametrize("options", [
    {}, {"strides": [2, 2]}, {"strides": [2, 1], "pads": [1, 0, 0, 0]},
    {"strides": [2, 2], "output_padding": [1, 0], "pads": [1, 1, 1, 1]},
    {"group": 2}, {"dilations": [2, 1]},
])
def test_transposed_convolutions(options):
    writer = Writer()
    y = writer.node("ConvTranspose", ["x", writer.constant(floats(4, 3, 3, 2)),
                                      writer.constant(floats(3 * options.get("group", 1)))],
                    **options)
    same(writer.finish(MAP, y))


def constants(*values):
    return lambda writer: [writer.constant(np.asarray(one)) for one in values]


OPERATORS = {
    "max pool": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "max pool, padded": ("MaxPool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    "max pool, over the end": ("MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2],
                                           "ceil_mode": 1}),
    "average pool": ("AveragePool", {"kernel_shape": [2, 3]}),
    "average pool, padded": ("AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1],
                                             "count_include_pad": 1}),
    "average of all": ("GlobalAveragePool", {}), "largest of all": ("GlobalMaxPool", {}),
    "mean": ("ReduceMean", {"axes": [2, 3]}), "mean, flat": ("ReduceMean", {
        "axes": [-1, -2], "keepdims": 0}),
    "relu": ("Relu", {}), "clip": ("Clip", {}, np.float32(-0.5), np.float32(0.5)),
    "minimum": ("Min", {}, np.float32(0.7)), "maximum": ("Max", {}, floats(1)),
    "add": ("Add", {}, floats(4, 1, 1)), "subtract": ("Sub", {}, floats(1)),
    "multiply": ("Mul", {}, floats(1, 4, 1, 1)), "divide": ("Div", {}, floats(4, 6, 5) + 9),
    "pad": ("Pad", {}, np.array([0, 0, 1, 2, 0, 0, 0, 1])),
    "pad, with a number": ("Pad", {}, np.array([0, 0, 1, 2, 0, 0, 0, 1]), np.float32(0)),
    "flatten": ("Flatten", {}), "reshape": ("Reshape", {}, np.array([0, -1])),
    "identity": ("Identity", {}),
    "normalisation": ("BatchNormalization", {"epsilon": 1e-3}, floats(4), floats(4),
                      floats(4), floats(4) ** 2),
    "upsample": ("Resize", {"mode": "nearest", "nearest_mode": "floor",
                            "coordinate_transformation_mode": "asymmetric"},
                 np.zeros(0, np.float32), np.array([1, 1, 3, 2], np.float32)),
    "upsample to": ("Resize", {}, np.zeros(0, np.float32), np.zeros(0, np.float32),
                    np.array([1, 4, 12, 15])),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators(name):
    kind, attributes, *values = OPERATORS[name]
    writer = Writer()
    y = writer.node(kind, [start(writer), *constants(*values)(writer)], **attributes)
    same(writer.finish(MAP, y))


@pytest.mark.parametrize("opset", [7, 9, 10])
def test_the_older_spelling(opset):
    """What are inputs today were attributes."""
    writer = Writer(opset)
    y = start(writer)
    y = writer.node("Clip", [y], min=0.0, max=1.0)
    y = writer.node("Pad", [y], pads=[0, 0, 1, 1, 0, 0, 0, 0])
    if opset == 7:
        y = writer.node("Upsample", [y], mode="nearest", scales=[1.0, 1.0, 2.0, 2.0])
    y = writer.node("ReduceMean", [y], axes=[2, 3], keepdims=1)
    y = writer.node("Squeeze", [y], axes=[2, 3])
    y = writer.node("Gemm", [y, writer.constant(floats(4, 3)), writer.constant(floats(3))],
                    alpha=0.5, beta=2.0)
    same(writer.finish(MAP, y))


@pytest.mark.parametrize("axes", [[2, 3], [-1, 2], [3]])
def test_padding_of_some_axes(axes):
    writer = Writer(18)
    sides = writer.constant(np.arange(1, 2 * len(axes) + 1))
    y = writer.node("Pad", [start(writer), sides, "", writer.constant(np.array(axes))])
    same(writer.finish(MAP, y))


PLACES = ["half_pixel", "pytorch_half_pixel", "asymmetric"]
ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


@pytest.mark.parametrize("factors", [(2, 2), (3, 3), (1, 4), (1, 1)])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_nearest_neighbours(place, rounding, factors):
    """All that repeats each element as often is read, and nothing else."""
    writer = Writer()
    y = writer.node("Resize", [start(writer), "", writer.constant(np.float32([1, 1, *factors]))],
                    mode="nearest", nearest_mode=rounding, coordinate_transformation_mode=place)
    data = writer.finish(MAP, y)
    x = floats(1, 4, 6, 5)
    alone = Writer()
    repeats = interpreted(alone.finish(MAP, start(alone)), x)
    for axis, factor in zip((2, 3), factors, strict=True):
        repeats = repeats.repeat(factor, axis)
    if np.allclose(interpreted(data, x), repeats, atol=1e-5):
        same(data)
    else:
        with pytest.raises(NhotError, match="it must be nearest by whole factors"):
            read_onnx(data)


@pytest.mark.parametrize("factor", [2, 3])
def test_resize_as_it_was(factor):
    """In version 10 it has no roi, and takes the neighbour before."""
    writer = Writer(10)
    y = writer.node("Resize", [start(writer), writer.constant(np.float32([1, 1, factor, factor]))])
    same(writer.finish(MAP, y))


def test_numbers_for_all_of_a_flat_map():
    writer = Writer()
    y = writer.node("Flatten", [start(writer)])
    y = writer.node("Mul", [y, writer.constant(np.float32(0.3))])
    same(writer.finish(MAP, writer.node("Add", [y, writer.constant(floats(120))])))


def test_vectors_may_have_axes_of_one():
    writer = Writer()
    y = writer.node("ReduceMean", [start(writer)], axes=[2, 3], keepdims=0)
    y = writer.node("Unsqueeze", [y, writer.constant(np.array([-1]))])
    y = writer.node("Conv", [y, writer.constant(floats(3, 4, 1))])
    y = writer.node("Unsqueeze", [writer.node("Squeeze", [y]), writer.constant(np.array([0]))])
    same(writer.finish(MAP, y))


def test_constants_may_come_first():
    writer = Writer()
    y = writer.node("Sub", [writer.constant(floats(4, 1, 1)), "x"])
    same(writer.finish(MAP, start(writer, y)))


def test_dense_layers_and_joins():
    writer = Writer()
    y = start(writer)
    joined = writer.node("Concat", [y, writer.node("Add", [y, start(writer, y)])], axis=1)
    flat = writer.node("Reshape", [joined, writer.constant(np.array([1, 240]))])
    one = writer.node("MatMul", [flat, writer.constant(floats(240, 7))])
    one = writer.node("Add", [one, writer.constant(floats(7))])
    two = writer.node("Gemm", [flat, writer.constant(floats(3, 240))], transB=1)
    data = writer.finish(MAP, writer.node("Concat", [one, two], axis=-1))
    graph = same(data, atol=1e-3)
    assert graph.shapes[graph.output] == (1, 1, 10)


def test_sequences():
    writer = Writer()
    y = writer.node("Conv", ["x", writer.constant(floats(5, 3, 4)), writer.constant(floats(5))],
                    strides=[2], pads=[1, 2])
    y = writer.node("MaxPool", [y], kernel_shape=[2], strides=[2])
    y = writer.node("ReduceMean", [y], axes=[2], keepdims=0)
    same(writer.finish((1, 3, 20), y), (1, 3, 20))


def test_shapes_that_are_computed():
    """As flattening is written where the batch is of any size."""
    writer = Writer()
    y = start(writer)
    batch = writer.node("Gather", [writer.node("Shape", [y]), writer.constant(np.array(0))])
    shape = writer.node("Concat", [writer.node("Unsqueeze", [batch, writer.constant([0])]),
                                   writer.constant([-1])], axis=0)
    same(writer.finish(("n", *MAP[1:]), writer.node("Reshape", [y, shape])))


def test_a_softmax_at_the_end_is_left_out():
    writer = Writer()
    y = writer.node("Flatten", [start(writer)])
    graph = read_onnx(writer.finish(MAP, writer.node("Identity", [writer.node("Softmax", [y])])))
    assert graph.left_out == ("Softmax",)
    assert graph.output == "conv_0"


class Small(nn.Module):
    """Of most operators that the quantiser knows."""

    def __init__(self):
        super().__init__()
        self.first, self.normal = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8)
        self.depthwise, self.point = nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.Conv2d(8, 8, 1)
        self.pool, self.up = nn.MaxPool2d(3, 2, 1), nn.ConvTranspose2d(8, 4, 2, 2)
        self.dense, self.last = nn.Linear(128, 10), nn.Linear(14, 4)

    def forward(self, x):
        a = torch.relu(self.normal(self.first(x)))
        b = a + self.point(nn.functional.relu6(self.depthwise(a)))
        c = self.pool(b)
        d = nn.functional.interpolate(torch.relu(self.up(c)), scale_factor=2)
        means = nn.functional.adaptive_avg_pool2d(d, 1).flatten(1)
        return self.last(torch.cat([torch.relu(self.dense(c.flatten(1))), means], 1)).softmax(1)


@pytest.mark.parametrize("dynamo", [True, False])
def test_models_that_torch_exports(dynamo, tmp_path):
    torch.manual_seed(0)
    model = Small().eval()
    model.normal.running_mean.uniform_(-1, 1)
    model.normal.running_var.uniform_(0.5, 2)
    path, x = tmp_path / "small.onnx", torch.randn(4, 3, 16, 16)
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(model, (x[:1],), path, dynamo=dynamo, verbose=False,
                          **({"external_data": True} if dynamo else {"opset_version": 13}))
    graph = read_graph(path)
    assert graph.left_out == ("Softmax",)
    with torch.no_grad():
        made, wanted = import_model(path)(x).softmax(1), model(x)
    assert (made - wanted).abs().max() < 1e-4
    assert len(graph.filters) == 6

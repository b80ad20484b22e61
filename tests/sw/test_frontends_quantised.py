"""Quantised models of TensorFlow Lite: their integers stay, and are those of its interpreter."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from nhot.errors import NhotError
from nhot.export.tflite.writer import Writer
from nhot.formats import parse
from nhot.frontends import read_graph
from nhot.frontends.agreement import agreement
from nhot.frontends.module import GraphModule, import_model
from nhot.frontends.tflite.interpreter import run_tflite
from nhot.frontends.tflite.read import read_tflite
from nhot.network import Filters, Requant
from nhot.quant import quantize, quantize_post_training, to_network
from nhot.quant.layers.filters import REACH, _anchor

CONV = {"DilationHFactor": 1, "DilationWFactor": 1, "StrideH": 1, "StrideW": 1}
SAME, VALID = 0, 1


def floats(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def small_model():
    """A residual network in float, of most operators that the quantiser knows."""
    writer = Writer()
    x = writer.tensor((1, 9, 8, 3), name="image")

    def conv(source, shape, kind="CONV_2D", kernel=(3, 3), fused=0, stride=1, seed=0):
        channels = shape[-1] if kind != "CONV_2D" else writer.channels[source]
        size = (1, *kernel, channels) if kind != "CONV_2D" else (shape[-1], *kernel, channels)
        weights = writer.constant(floats(*size, seed=seed) / 3, name=f"w{seed}")
        bias = writer.constant(floats(shape[-1], seed=seed + 50), name=f"b{seed}")
        made = writer.tensor(shape, name=f"model/layer_{seed}/Relu;model/layer_{seed}/Conv2D")
        writer.channels[made] = shape[-1]
        options = "Conv2DOptions" if kind == "CONV_2D" else "DepthwiseConv2DOptions"
        return writer.operator(kind, [source, weights, bias], made, options, **{
            **CONV, "StrideH": stride, "StrideW": stride, "Padding": SAME,
            "FusedActivationFunction": fused, **({} if kind == "CONV_2D" else {
                "DepthMultiplier": 1})})

    writer.channels = {x: 3}
    a = conv(x, (1, 9, 8, 6), fused=1, seed=1)
    b = conv(a, (1, 9, 8, 6), "DEPTHWISE_CONV_2D", fused=3, seed=2)
    c = conv(b, (1, 9, 8, 6), kernel=(1, 1), seed=3)
    d = writer.operator("ADD", [a, c], writer.tensor((1, 9, 8, 6), name="sum"), "AddOptions",
                        FusedActivationFunction=1)
    writer.channels[d] = 6
    e = conv(d, (1, 5, 4, 8), stride=2, seed=4)
    f = writer.operator("MAX_POOL_2D", [e], writer.tensor((1, 4, 3, 8), name="pool"),
                        "Pool2DOptions", FilterHeight=2, FilterWidth=2, StrideH=1, StrideW=1,
                        Padding=VALID)
    g = writer.operator("MEAN", [f, writer.constant(np.array([1, 2], np.int32), name="axes")],
                        writer.tensor((1, 8), name="mean"), "ReducerOptions")
    h = writer.operator(
        "FULLY_CONNECTED", [g, writer.constant(floats(5, 8), name="w"),
                            writer.constant(floats(5), name="b")],
        writer.tensor((1, 5), name="scores"), "FullyConnectedOptions")
    return writer.finish(x, writer.operator("SOFTMAX", [h], writer.tensor((1, 5), name="classes"),
                                            "SoftmaxOptions", Beta=1.0))


@pytest.fixture(scope="module")
def quantised(tmp_path_factory):
    """The small model, quantised by TensorFlow Lite's quantiser."""
    from ai_edge_quantizer import quantizer, recipe

    path = tmp_path_factory.mktemp("tflite") / "small.tflite"
    path.write_bytes(small_model())
    worker = quantizer.Quantizer(str(path))
    worker.load_quantization_recipe(recipe.static_wi8_ai8())
    samples = [{"input_0": sample[None]} for sample in floats(64, 9, 8, 3, seed=9)]
    with warnings.catch_warnings(action="ignore"):  # it warns of the memory of its own calibration
        made = worker.quantize(worker.calibrate({"serving_default": samples}))
    path = path.with_name("small_int8.tflite")
    path.write_bytes(bytes(made.quantized_model))
    return path


def test_a_quantised_file_keeps_its_integers(quantised):
    from nhot.frontends.tflite.constants import array_of
    from nhot.frontends.tflite.flatbuffer import parse as parse_file

    file, data = parse_file(quantised.read_bytes()), quantised.read_bytes()
    model = import_model(quantised)
    network = to_network(quantize(model, "int8", None), "small")
    source = file.tensors[file.inputs[0]]
    assert (network.input.scale, network.input.zero_point) == (
        pytest.approx(float(source.scales[0]), rel=1e-6), source.zero_points[0])
    assert network.input.signed
    codes = {one.name: array_of(one) for one in file.tensors if one.type == "INT8" and (
        one.data is not None)}
    for node, name, axis in zip(
        [node for node in network.nodes if isinstance(node, Filters)],
        ["w1", "w2", "w3", "w4", "w"], [0, 3, 0, 0, 0], strict=True,
    ):
        expected = np.moveaxis(codes[name], axis, 0).reshape(len(node.weights), -1)
        assert (node.weights.reshape(len(node.weights), -1) == expected).all(), name
    x = np.random.default_rng(3).integers(-128, 128, (50, 9, 8, 3))
    found = agreement(network, model.graph, run_tflite(data, x))
    assert [one.layer for one in found.layers] == [node.name for node in network.nodes]
    assert max(one.largest for one in found.layers) <= 1
    assert found.classes >= 0.98
    assert found.largest <= 3


FILTERS = {
    "conv": lambda: nn.Conv2d(4, 6, 3),
    "dense": lambda: nn.Sequential(nn.Flatten(), nn.Linear(4 * 5 * 5, 6)),
    "depthwise": lambda: nn.Conv2d(4, 8, 3, groups=4),
    "grouped transposed": lambda: nn.ConvTranspose2d(4, 6, 2, 2, groups=2),
    "transposed": lambda: nn.ConvTranspose2d(4, 6, 3, 2),
}


@pytest.mark.parametrize("kind", sorted(FILTERS))
def test_scales_that_are_known_are_kept(kind):
    """By each layer with weights, although the largest level does not occur."""
    module = FILTERS[kind]()
    (layer,) = [one for one in module.modules() if hasattr(one, "weight")]
    filters = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
    groups = layer.groups if filters else 1
    generator = torch.Generator().manual_seed(1)
    codes = torch.randint(-100, 101, layer.weight.shape, generator=generator)
    scale = torch.rand(layer.weight.shape[filters] * groups, generator=generator) + 0.5
    grouped = codes.unflatten(0, (groups, -1)).movedim(1 + filters, 1)
    real = grouped * scale.reshape(groups, -1, *[1] * (codes.ndim - 1))
    layer.weight = nn.Parameter(real.movedim(1, 1 + filters).flatten(0, 1))
    layer.register_buffer("weight_scale", scale)
    network = to_network(quantize(module, "int8", torch.randn(8, 4, 5, 5)), "net")
    (node,) = [one for one in network.nodes if isinstance(one, Filters)]
    assert sorted(node.weights.ravel()) == sorted(codes.ravel().tolist())


def test_a_quantised_file_gets_other_weights(quantised):
    """Biases are corrected from samples; grids stay those of the file."""
    model, x = import_model(quantised), floats(64, 3, 9, 8, seed=9)
    exact = to_network(quantize(model, "int8", None), "exact")
    with torch.no_grad():
        wanted = model(torch.tensor(x))
    errors = {}
    for name, make in (("rounded", quantize), ("corrected", quantize_post_training)):
        made = make(model, "1hot", torch.tensor(x))
        errors[name] = float((made(torch.tensor(x)) - wanted).mean(0).abs().max())
        network = to_network(made, name)
        assert {node.format for node in network.nodes if isinstance(node, Filters)} == {
            parse("1hot")}
        assert [tensor.scale for tensor in network.tensors.values()] == [
            tensor.scale for tensor in exact.tensors.values()]
    assert errors["corrected"] < errors["rounded"] / 2


def test_levels_that_a_format_has_stay(quantised):
    """What is two-hot in the file is so in the network, on the file's scale."""
    graph = read_graph(quantised)
    levels = np.array(parse("2hot").levels)
    for filters in graph.filters:
        codes = np.rint(filters.weights / filters.scale.reshape(-1, *[1] * (
            filters.weights.ndim - 1)))
        nearest = levels[np.abs(codes[..., None] - levels).argmin(-1)]
        filters.weights[...] = nearest * filters.scale.reshape(-1, *[1] * (codes.ndim - 1))
    network = to_network(quantize(GraphModule(graph), "2hot", None), "two")
    exact = to_network(quantize(GraphModule(graph), "int8", None), "eight")
    for one, other in zip(network.nodes, exact.nodes, strict=True):
        if isinstance(one, Filters):
            assert (one.weights == other.weights).all()


def test_models_that_take_bytes():
    """TensorFlow's default for pixels: bytes in, and a step that makes them signed."""
    writer = Writer()
    x = writer.tensor((1, 4, 4, 1), type="UINT8", scale=[1 / 255], zero=[0])
    signed = writer.activation((1, 4, 4, 1), 1 / 255, -128)
    y = writer.activation((1, 4, 4, 2), 0.1, -128)
    writer.operator("QUANTIZE", [x], signed)
    weights = writer.constant(np.array([[3], [-5]], np.int8).reshape(2, 1, 1, 1), scale=[0.5, 0.25],
                              zero=[0, 0])
    bias = writer.constant(np.array([40, 900], np.int32))
    writer.operator("CONV_2D", [signed, weights, bias], y, "Conv2DOptions",
                    FusedActivationFunction=1, **CONV)
    data = writer.finish(x, y)
    graph = read_tflite(data)
    network = to_network(quantize(GraphModule(graph), "int8", None), "bytes")
    assert [type(node).__name__ for node in network.nodes] == ["Conv2d"]
    assert not network.input.signed
    pixels = np.arange(256).reshape(16, 4, 4, 1)
    found = agreement(network, graph, run_tflite(data, pixels))
    assert found.largest <= 1
    assert found.layers[0].operator == "Conv2d"


def test_a_rescaled_activation_is_a_layer_of_its_own():
    writer = Writer()
    x, y, z = (writer.activation((1, 4, 4, 1), scale, zero) for scale, zero in (
        (0.5, 3), (0.25, -128), (0.125, 7)))
    weights = writer.constant(np.full((1, 1, 1, 1), 2, np.int8), scale=[0.5], zero=[0])
    writer.operator("CONV_2D", [x, weights, writer.constant(np.zeros(1, np.int32))], y,
                    "Conv2DOptions", **CONV)
    writer.operator("QUANTIZE", [y], z)
    data = writer.finish(x, z)
    graph = read_tflite(data)
    network = to_network(quantize(GraphModule(graph), "int8", None), "rescaled")
    assert [type(node).__name__ for node in network.nodes] == ["Conv2d", "AvgPool"]
    found = agreement(network, graph, run_tflite(data, np.arange(-128, 128).reshape(16, 4, 4, 1)))
    assert found.largest == 0


def test_the_least_byte_is_no_level():
    """-128 is none of int8's levels here; it becomes -127, and its filter stays on its scale."""
    writer = Writer()
    x, y = (writer.activation((1, 1, 1, 3), 0.5, 0) for _ in range(2))
    codes = np.array([[-128, 3, 4], [1, 2, 127], [5, 6, 7]], np.int8).reshape(3, 1, 1, 3)
    weights = writer.constant(codes, scale=[0.5] * 3, zero=[0] * 3)
    writer.operator("CONV_2D", [x, weights], y, "Conv2DOptions", **CONV)
    network = to_network(
        quantize(GraphModule(read_tflite(writer.finish(x, y))), "int8", None), "least")
    assert network.nodes[0].weights.reshape(3, 3).tolist() == [[-127, 3, 4], [1, 2, 127], [5, 6, 7]]


def test_samples_are_needed_where_the_file_has_no_ranges(quantised):
    model = GraphModule(read_tflite(small_model()))
    with pytest.raises(NhotError, match=r"Samples \(--data\) must be given: .* of its input"):
        quantize(model, "2hot", None)
    writer = Writer()
    x = writer.activation((1, 4, 4, 1), 0.5, 3)
    y = writer.tensor((1, 4, 4, 1), name="conv")
    writer.operator("CONV_2D", [x, writer.constant(floats(1, 1, 1, 1))], y, "Conv2DOptions", **CONV)
    model = GraphModule(read_tflite(writer.finish(x, y)))
    with pytest.raises(NhotError, match="does not say the range of layer 'conv'"):
        quantize(model, "2hot", None)


@pytest.mark.parametrize("zero_point", [0, 1, 95, 96, 128, 160, 254, 255])
def test_multipliers_make_no_error_as_near_to_zero_as_both_ends_allow(zero_point):
    """The farther end is then REACH of the range away, and 0.58 % of that is below one unit."""
    requant = Requant(multiplier=np.array([1]), zero_point=zero_point, low=0, high=255)
    low, high = -zero_point, 255 - zero_point
    eighths = [number / 8 for number in range(8 * low, 8 * high + 1)]
    near = [at for at in eighths if max(high - at, at - low) <= REACH * 255]
    assert abs(_anchor(requant) - min(near, key=abs)) < 1 / 8
    assert REACH * 255 * 0.0058 < 1

"""Quantised ONNX files: their integers stay, and are those of onnxruntime within one unit."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from nhot.errors import NhotError
from nhot.formats import parse
from nhot.frontends import read_graph
from nhot.frontends.agreement import agreement
from nhot.frontends.module import GraphModule, import_model
from nhot.frontends.onnx.interpreter import run_onnx
from nhot.frontends.onnx.read import read_onnx
from nhot.network import Filters
from nhot.quant import quantize, quantize_post_training, to_network
from nhot.stages.compare import compare
from nhot.stages.foreign import OnnxStage, open_foreign
from nhot.stages.stages import FloatStage, NetworkStage
from nhot.testing.foreign import onnx_models
from nhot.testing.onnx_writer import Writer

MAP = (1, 4, 6, 5)


def floats(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def small_model():
    """A residual network in float."""
    writer = Writer()

    def conv(source, inputs, outputs, name, kernel=3, stride=1, groups=1):
        weights = writer.constant(floats(outputs, inputs // groups, kernel, kernel,
                                         seed=len(name)) / 3, f"{name}.weight")
        return writer.node("Conv", [source, weights, writer.constant(floats(outputs))], name=name,
                           pads=[kernel // 2] * 4, strides=[stride] * 2, group=groups)

    a = writer.node("Relu", [conv("x", 3, 8, "first", stride=2)])
    b = writer.node("Clip", [conv(a, 8, 8, "depthwise", groups=8), writer.constant(np.float32(0)),
                             writer.constant(np.float32(6))])
    c = writer.node("Add", [a, conv(b, 8, 8, "point", kernel=1)], name="sum")
    d = writer.node("MaxPool", [c], kernel_shape=[2, 2], strides=[2, 2], name="pool")
    e = writer.node("GlobalAveragePool", [d], name="mean")
    f = writer.node("Gemm", [writer.node("Flatten", [e]), writer.constant(floats(5, 8), "w"),
                             writer.constant(floats(5), "b")], transB=1, name="dense")
    return writer.finish((1, 3, 8, 8), writer.node("Softmax", [f], name="classes"))


class Samples:
    """What onnxruntime calibrates on."""

    def __init__(self):
        self.left = iter(floats(32, 3, 8, 8, seed=9))

    def get_next(self):
        sample = next(self.left, None)
        return None if sample is None else {"x": sample[None]}


WAYS = {
    "per channel, symmetric": {"per_channel": True, "activation": "QInt8", "symmetric": True},
    "per channel, asymmetric": {"per_channel": True, "activation": "QInt8", "symmetric": False},
    "per tensor, unsigned": {"per_channel": False, "activation": "QUInt8", "symmetric": False},
}


@pytest.fixture(scope="module", params=WAYS)
def quantised(request, tmp_path_factory):
    """The small model, quantised by onnxruntime."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    way, folder = WAYS[request.param], tmp_path_factory.mktemp("onnx")
    (folder / "small.onnx").write_bytes(small_model())
    logging.disable(logging.WARNING)  # it says that the model could be prepared
    quantize_static(
        folder / "small.onnx", folder / "small_int8.onnx", Samples(),
        quant_format=QuantFormat.QDQ, per_channel=way["per_channel"],
        activation_type=QuantType[way["activation"]], weight_type=QuantType.QInt8,
        extra_options={"ActivationSymmetric": way["symmetric"]},
    )
    logging.disable(logging.NOTSET)
    return folder / "small_int8.onnx"


def inputs(graph, count=50):
    """Integers all over the input's grid, and what they stand for as the file has them."""
    grid = graph.input_grid
    x = np.random.default_rng(3).integers(grid.low, grid.high + 1, (count, *graph.input))
    return ((x - grid.zero_point) * grid.scale).astype(np.float32).transpose(0, 3, 1, 2)


def check(path, *, reference=True, classes=0.98):
    """Each layer within one unit of what onnxruntime makes; returns the network."""
    graph = read_graph(path)
    network = to_network(quantize(GraphModule(graph), "int8", None), "small")
    tensors = run_onnx(path, inputs(graph), graph.file_tensors.values(), reference=reference)
    found = agreement(network, graph, tensors)
    assert [one.layer for one in found.layers] == [node.name for node in network.nodes]
    assert max(one.largest for one in found.layers) <= 1
    assert found.classes >= classes
    return network


def test_layer_by_layer_with_its_own_interpreter(quantised):
    """As `nhot compare` and `nhot evaluate` run it: onnxruntime, not float in its place."""
    stage, graph = open_foreign(quantised), read_graph(quantised)
    assert isinstance(stage, OnnxStage)
    network = to_network(quantize(GraphModule(graph), "int8", None), "small")
    x = inputs(graph)
    found = compare(stage, NetworkStage(network), x)
    assert [one.layer for one in found.layers][1:] == [node.name for node in network.nodes]
    assert max(one.own_units for one in found.layers[1:]) <= 1 + 1e-6
    made = run_onnx(quantised, x, [graph.file_tensors[graph.output]])
    (integers,) = made.values()
    grid = network.output
    wanted = (integers.astype(np.int64).reshape(len(x), -1) - graph_zero(graph)) * grid.scale
    np.testing.assert_allclose(stage.outputs(x).reshape(len(x), -1), wanted)


def graph_zero(graph):
    """The zero point of the output, in the file."""
    return next(one.grid.zero_point for one in graph.operators if one.name == graph.output)


def test_qonnx_is_run_as_float(tmp_path):
    """onnxruntime knows none of its operators."""
    (tmp_path / "q.onnx").write_bytes(onnx_models()[2])
    assert isinstance(open_foreign(tmp_path / "q.onnx"), FloatStage)


@pytest.mark.parametrize("reference", [True, False])
def test_a_quantised_file_keeps_its_integers(quantised, reference):
    import onnx

    network = check(quantised, reference=reference)
    model = onnx.load(quantised)
    constants = {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
    names = ["first.weight", "depthwise.weight", "point.weight", "w"]
    for node, name in zip([one for one in network.nodes if isinstance(one, Filters)], names,
                          strict=True):
        codes = constants[f"{name}_quantized"]
        codes = codes if codes.ndim == 2 else codes.transpose(0, 2, 3, 1)
        expected = codes.reshape(len(node.weights), -1)
        assert (node.weights.reshape(len(node.weights), -1) == expected).all(), name
    scale, zero = constants["x_scale"], constants["x_zero_point"]
    assert (network.input.scale, network.input.zero_point) == (scale, zero)
    assert network.input.signed == (zero.dtype == np.int8)


def test_a_quantised_file_gets_other_weights(quantised):
    """Biases are corrected from samples; grids stay those of the file."""
    model, x = import_model(quantised), torch.tensor(floats(64, 3, 8, 8, seed=9))
    exact = to_network(quantize(model, "int8", None), "exact")
    with torch.no_grad():
        wanted = model(x)
    errors = {}
    for name, make in (("rounded", quantize), ("corrected", quantize_post_training)):
        made = make(model, "1hot", x)
        errors[name] = float((made(x) - wanted).mean(0).abs().max())
        network = to_network(made, name)
        assert {node.format for node in network.nodes if isinstance(node, Filters)} == {
            parse("1hot")}
        assert [tensor.scale for tensor in network.tensors.values()] == [
            tensor.scale for tensor in exact.tensors.values()]
    assert errors["corrected"] < errors["rounded"]


@pytest.mark.parametrize(("kind", "type"), [(np.int8, "INT8"), (np.uint8, "UINT8")])
def test_models_that_take_and_give_integers(kind, type, tmp_path):
    writer, zero = Writer(), 7 if kind is np.uint8 else -128
    grid = [writer.constant(np.float32(0.5)), writer.constant(kind(zero))]
    y = writer.node("Conv", [
        writer.node("DequantizeLinear", ["x", *grid]),
        writer.weights(np.array([[3], [-5]], np.int8).reshape(2, 1, 1, 1), [0.5, 0.25])])
    out = [writer.constant(np.float32(3)), writer.constant(kind(5))]
    path = tmp_path / "m.onnx"
    path.write_bytes(writer.finish((1, 1, 4, 4), writer.node("QuantizeLinear", [y, *out]),
                                   type=type))
    graph = read_graph(path)
    network = to_network(quantize(GraphModule(graph), "int8", None), "bytes")
    assert (network.input.scale, network.input.zero_point) == (0.5, zero)
    assert network.input.signed == (kind is np.int8)
    x = np.arange(256).reshape(16, 1, 4, 4) + np.iinfo(kind).min
    tensors = run_onnx(path, x, graph.file_tensors.values())
    tensors["x"] = x.transpose(0, 2, 3, 1)
    assert agreement(network, graph, tensors).largest <= 1


def test_weights_in_float_that_the_file_rounds():
    """As Brevitas writes them, behind QuantizeLinear and Clip; so do those of unsigned bytes."""
    writer, codes = Writer(), np.array([[7, -3], [2, 5]])
    grid = [writer.constant(np.float32([0.5, 0.25])), writer.constant(np.zeros(2, np.int8))]
    real = writer.constant((codes * [[0.5], [0.25]]).astype(np.float32) + np.float32(0.01))
    limits = [writer.constant(np.int8(end)) for end in (-4, 4)]
    q = writer.node("Clip", [writer.node("QuantizeLinear", [real, *grid], axis=0), *limits])
    w = writer.node("DequantizeLinear", [q, *grid], axis=0)
    x = writer.quantize("x", 0.5, -3)
    y = writer.node("Gemm", [x, w], transB=1)
    unsigned = writer.node("DequantizeLinear", [
        writer.constant((codes + 128).astype(np.uint8)), writer.constant(np.float32(0.5)),
        writer.constant(np.uint8(128))])
    y = writer.node("MatMul", [writer.quantize(y, 0.25, 4), unsigned])
    graph = read_onnx(writer.finish((1, 2), writer.quantize(y, 1.0, 0)))
    first, second = graph.filters
    assert first.scale.tolist() == [0.5, 0.25]
    assert (first.weights.reshape(2, 2) / first.scale[:, None]).tolist() == [[4, -3], [2, 4]]
    assert (second.weights.reshape(2, 2) * 2).tolist() == codes.T.tolist()
    network = to_network(quantize(GraphModule(graph), "int8", None), "two")
    assert network.nodes[0].weights.reshape(2, 2).tolist() == [[4, -3], [2, 4]]


@pytest.mark.parametrize("signed", [False, True])
def test_zero_points_may_be_left_out(signed):
    """Then the type of the integers is what the operator says, or unsigned."""
    writer = Writer(21)
    scale = writer.constant(np.float32(0.5))
    kind = {"output_dtype": 3} if signed else {}
    q = writer.node("QuantizeLinear", [pointwise(writer), scale], **kind)
    same_on_grid(writer.finish(MAP, writer.node("DequantizeLinear", [q, scale])), signed)


def test_integers_may_be_limited():
    """To fewer bits, or to a range that no number of bits has."""
    for low, high in ((-8, 7), (-7, 3)):
        writer = Writer()
        grid = [writer.constant(np.float32(0.5)), writer.constant(np.int8(-2))]
        q = writer.node("QuantizeLinear", [pointwise(writer), *grid])
        q = writer.node("Clip", [q, *(writer.constant(np.int8(end)) for end in (low, high))])
        same_on_grid(writer.finish(MAP, writer.node("DequantizeLinear", [q, *grid])), True)


def pointwise(writer):
    return writer.node("Conv", ["x", writer.constant(floats(4, 4, 1, 1))])


def same_on_grid(data, signed):
    """Compare what is left on the last grid with onnxruntime."""
    import onnxruntime

    graph, x = read_onnx(data), 9 * floats(*MAP, seed=1)
    grid = graph.operators[-1].grid
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, {"x": x})
    made = GraphModule(graph)(torch.tensor(x)).detach().numpy()
    units = np.clip(np.rint(made / grid.scale) + grid.zero_point, grid.low, grid.high)
    assert grid.signed == signed
    np.testing.assert_allclose((units - grid.zero_point) * grid.scale, wanted)


@pytest.mark.parametrize(("more", "scale", "bits"), [([], 2.0, 6), ([0.25], 0.25, 6), ([], 0.5, 8)])
def test_low_bits_that_are_cut_off(more, scale, bits):
    """``Trunc`` of QONNX: the scale grows by the bits, or is said."""
    writer = Writer()
    numbers = [0.5, 0, 8, bits, *more]
    given = [writer.constant(np.float32(one)) for one in numbers]
    y = writer.node("Trunc", [pointwise(writer), *given], rounding_mode="ROUND",
                    domain="qonnx.custom_op.general")
    grid = read_onnx(writer.finish(MAP, y, domains=["qonnx.custom_op.general"])).operators[-1].grid
    assert (grid.scale, grid.bits, grid.signed) == (scale, bits, True)


def test_samples_are_needed_where_the_file_has_no_ranges(tmp_path):
    (tmp_path / "m.onnx").write_bytes(small_model())
    with pytest.raises(NhotError, match=r"Samples \(--data\) must be given: .* of its input"):
        quantize(import_model(tmp_path / "m.onnx"), "2hot", None)

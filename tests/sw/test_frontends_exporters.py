"""Files of the exporters that write weights and grids each in its own way."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from nhot.experiments.data.dataset import to_integers
from nhot.formats import parse
from nhot.frontends import read_graph
from nhot.frontends.agreement import agreement
from nhot.frontends.exported.program import read_exported
from nhot.frontends.module import GraphModule
from nhot.frontends.onnx.interpreter import run_onnx
from nhot.network import Filters
from nhot.network.reference import run
from nhot.quant import quantize, to_network
from nhot.testing.exported import saved


@pytest.fixture
def brevitas():
    """Parts of the package, which warns of what torch has made old."""
    with warnings.catch_warnings(action="ignore"):
        from brevitas import export, nn, quant

        yield SimpleNamespace(export=export, nn=nn, quant=quant)


def trained(brevitas, *, bias, binary=False):
    """A network of Brevitas with 4 and 8 bits, whose ranges were learned from random inputs."""
    layers, quant = brevitas.nn, brevitas.quant
    first = {"weight_quant": quant.SignedBinaryWeightPerTensorConst} if binary else {
        "weight_bit_width": 4}
    torch.manual_seed(0)
    model = nn.Sequential(
        layers.QuantIdentity(bit_width=8, return_quant_tensor=True),
        layers.QuantConv2d(3, 8, 3, padding=1, bias=not binary, bias_quant=bias, **first),
        layers.QuantReLU(bit_width=4, return_quant_tensor=True),
        layers.QuantConv2d(8, 8, 3, padding=1, groups=8, weight_bit_width=8, bias_quant=bias,
                           weight_scaling_per_output_channel=True),
        layers.QuantReLU(bit_width=8, return_quant_tensor=True),
        nn.Flatten(),
        layers.QuantLinear(8 * 8 * 8, 5, bias=True, weight_bit_width=8, bias_quant=bias),
        layers.QuantIdentity(bit_width=8),
    )
    for _ in range(10):
        model(torch.randn(16, 3, 8, 8))
    return model.eval()


def near(path, model):
    """The network of the file beside the module that it was exported from.

    One unit of an activation of 4 bits is many of the output: the mean is near.
    """
    x = torch.randn(20, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = model(x).numpy()
    network = to_network(quantize(GraphModule(read_graph(path)), "int8", None), "net")
    made = run(network, to_integers(network.input, x.numpy())).reshape(20, -1)
    real = (made - network.output.zero_point) * network.output.scale
    difference = np.abs(real - wanted) / network.output.scale
    assert difference.mean() < 2
    assert (real.argmax(1) == wanted.argmax(1)).mean() >= 0.9
    return network


def test_brevitas_qcdq(brevitas, tmp_path):
    """Weights and biases in float, in a file beside the model, behind QuantizeLinear and Clip."""
    model, path = trained(brevitas, bias=None), tmp_path / "model.onnx"
    brevitas.export.export_onnx_qcdq(model, args=torch.randn(1, 3, 8, 8), export_path=str(path),
                                     dynamo=True, external_data=True)
    assert [file.name for file in tmp_path.iterdir()] != [path.name]
    network = near(path, model)
    first, *_ = [one for one in network.nodes if isinstance(one, Filters)]
    assert np.abs(first.weights).max() <= 7
    assert [one.bits for one in network.tensors.values()] == [8, 4, 8, 8]
    graph = read_graph(path)
    grid = graph.input_grid
    x = np.random.default_rng(3).integers(grid.low, grid.high + 1, (50, *graph.input))
    reals = ((x - grid.zero_point) * grid.scale).astype(np.float32).transpose(0, 3, 1, 2)
    found = agreement(network, graph, run_onnx(path, reals, graph.file_tensors.values()))
    assert len(found.layers) == len(network.nodes) == 3
    assert max(one.largest for one in found.layers) <= 1


def test_qonnx_and_qcdq_are_the_same_network(brevitas, tmp_path):
    """With biases in integers, which the older exporter of QCDQ writes."""
    model, networks = trained(brevitas, bias=brevitas.quant.Int32Bias), []
    for export in (brevitas.export.export_onnx_qcdq, brevitas.export.export_qonnx):
        path = tmp_path / f"{export.__name__}.onnx"
        export(model, args=torch.randn(1, 3, 8, 8), export_path=str(path), dynamo=False,
               opset_version=17)
        networks.append(near(path, model))
    one, other = networks
    assert [tensor.bits for tensor in one.tensors.values()] == [8, 4, 8, 8]
    assert [(tensor.scale, tensor.zero_point) for tensor in one.tensors.values()] == [
        (tensor.scale, tensor.zero_point) for tensor in other.tensors.values()]
    for left, right in zip(one.nodes, other.nodes, strict=True):
        assert (left.weights == right.weights).all()
        assert (left.bias == right.bias).all()


def test_binary_weights_of_qonnx(brevitas, tmp_path):
    """They are levels of int8, of 1-hot and of binary, as they are."""
    model, path = trained(brevitas, bias=None, binary=True), tmp_path / "model.onnx"
    brevitas.export.export_qonnx(model, args=torch.randn(1, 3, 8, 8), export_path=str(path),
                                 dynamo=False, opset_version=17)
    near(path, model)
    graph = read_graph(path)
    weights, scale = graph.filters[0].weights, graph.filters[0].scale
    assert set(np.unique(weights / scale[:, None, None, None])) == {-1, 1}
    mixed = quantize(GraphModule(graph), "int8", None,
                     formats={graph.filters[0].name: "binary"})
    first = to_network(mixed, "net").nodes[0]
    assert first.format == parse("binary")
    assert set(np.unique(first.weights)) == {-1, 1}


def test_torchao(tmp_path):
    """Quantised after torch.export, and exported once more, in both ways."""
    with warnings.catch_warnings(action="ignore"):
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
        from torchao.testing.pt2e import _xnnpack_quantizer as xnnpack

        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
        ).eval()
        x, path = torch.randn(1, 3, 8, 8), tmp_path / "model.onnx"
        quantizer = xnnpack.XNNPACKQuantizer().set_global(
            xnnpack.get_symmetric_quantization_config(is_per_channel=True))
        prepared = prepare_pt2e(torch.export.export(model, (x,)).module(), quantizer)
        for _ in range(8):
            prepared(torch.randn(1, 3, 8, 8))
        converted = convert_pt2e(prepared)
        torch.onnx.export(converted, (x,), path, dynamo=True, verbose=False)
        program = read_exported(saved(torch.export.export(converted, (x,))))
    graph = read_graph(path)
    network = to_network(quantize(GraphModule(graph), "int8", None), "net")
    grid = graph.input_grid
    integers = np.random.default_rng(3).integers(grid.low, grid.high + 1, (50, *graph.input))
    reals = ((integers - grid.zero_point) * grid.scale).astype(np.float32).transpose(0, 3, 1, 2)
    found = agreement(network, graph, run_onnx(path, reals, graph.file_tensors.values()))
    assert len(found.layers) == len(network.nodes) == 4
    assert max(one.largest for one in found.layers) <= 1
    assert found.classes >= 0.9

    other = to_network(quantize(GraphModule(program), "int8", None), "net")
    for one, same in zip(network.nodes, other.nodes, strict=True):
        assert (one.output.scale, one.output.zero_point) == (
            same.output.scale, same.output.zero_point)
        if isinstance(one, Filters):
            assert (one.weights == same.weights).all()
            assert (one.bias == same.bias).all()

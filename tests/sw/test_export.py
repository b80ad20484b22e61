"""Networks in files of TensorFlow Lite, run by its interpreter, beside the reference."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from nhot.cli import main
from nhot.errors import NhotError
from nhot.export import to_tflite
from nhot.export.tflite.grid import limits
from nhot.formats import parse
from nhot.frontends.tflite.flatbuffer import parse as parse_tflite
from nhot.frontends.tflite.interpreter import run_tflite
from nhot.frontends.tflite.read import read_tflite
from nhot.network import (
    Add,
    AvgPool,
    Conv2d,
    ConvTranspose2d,
    Linear,
    MaxPool,
    Network,
    Requant,
    Tensor,
    Window,
)
from nhot.network.file import save
from nhot.network.reference import run, run_node
from nhot.testing.modules import random_module
from nhot.testing.networks import EVERY_OPERATOR, random_input, random_network

pytest.importorskip("onnx", reason="needs the package onnx")
pytest.importorskip("ai_edge_litert", reason="needs the package ai-edge-litert")

KERNELS = {"reference": True, "fast": False}


def stored(tensor):
    """What is added to an integer of ``tensor`` in TensorFlow Lite."""
    return 0 if tensor.signed or tensor.bits > 8 else -128


def by_interpreter(network, x, *, reference=True):
    """Every tensor of ``network`` as the interpreter makes it, as integers of the network."""
    exported = to_tflite(network)
    made = run_tflite(exported.data, x + stored(network.input), reference=reference)
    return {
        name: made[index].astype(np.int64).reshape(-1, *network.tensors[name].shape)
        - stored(network.tensors[name])
        for name, index in exported.tensors.items() if index in made
    }


def check_layers(network, made):
    """Each layer, given what the interpreter made before, is off by one unit at most."""
    for node in network.nodes:
        wanted = run_node(node, network.inputs(node), [made[name] for name in node.inputs])
        if node.output.bits > 8:  # equal ones may have become unequal, but never more than by one
            (x,) = (made[name] for name in node.inputs)
            np.testing.assert_array_equal(made[node.name], wanted)
            assert x.max() <= network.inputs(node)[0].high
            continue
        assert np.abs(made[node.name] - wanted).max() <= 1, node.name
        assert made[node.name].min() >= node.output.low
        assert made[node.name].max() <= node.output.high


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("operator", sorted({*EVERY_OPERATOR, "argmax"}))
def test_each_operator_in_tensorflow_lite(operator, kernels):
    done = same = total = 0
    for seed in range(60):
        network = random_network(
            seed, layers=1, operators=("conv" if operator == "argmax" else operator,),
            argmax=operator == "argmax", shape=(7, 6, 4), bits=(8,) if seed % 2 else (2, 4, 6, 8),
        )
        node = network.nodes[0]
        if isinstance(node, MaxPool) and node.window.dilation != (1, 1):
            with pytest.raises(NhotError, match=f"Layer {node.name!r}: a max pool must have no"):
                to_tflite(network)
            continue
        x = random_input(network.input, 4, seed)
        made = by_interpreter(network, x, reference=KERNELS[kernels])
        check_layers(network, made)
        wanted = run(network, x)
        same += (made[network.output_name] == wanted).sum()
        total += wanted.size
        done += 1
        if done == 10:
            break
    assert done == 10
    assert same / total > 0.98


@pytest.mark.parametrize("seed", range(8))
def test_whole_networks_in_tensorflow_lite(seed):
    operators = tuple(one for one in EVERY_OPERATOR if one != "max")
    network = random_network(seed, layers=8, shape=(10, 9, 3), widest=12, operators=operators,
                             argmax=seed % 2 == 0, formats=(parse("2hot"), parse("signed-binary")))
    x = random_input(network.input, 4, seed)
    check_layers(network, by_interpreter(network, x))


def test_there_and_back():
    """Quantised modules of torch, whose scales are those of their tensors, come back as they were.
    """
    pytest.importorskip("torch")
    from nhot.frontends.module import GraphModule
    from nhot.quant import quantize, to_network

    differences = []
    for seed in range(12):
        model = random_module(seed)
        samples = np.random.default_rng(seed).normal(size=(16, *model.shape)).astype(np.float32)
        with warnings.catch_warnings(action="ignore"):
            network = to_network(quantize(model, "2hot", samples), "there")
        exported = to_tflite(network)
        x = random_input(network.input, 6, seed)
        check_layers(network, by_interpreter(network, x))
        kinds = {one.kind for one in parse_tflite(exported.data).operators}
        if kinds & {"MINIMUM", "MAXIMUM"}:  # which are not read
            continue
        with warnings.catch_warnings(action="ignore"):
            graph = GraphModule(read_tflite(exported.data))
            back = to_network(quantize(graph, "int8", None), "back")
        assert back.input.shape == network.input.shape
        assert np.float32(back.output.scale) == np.float32(network.output.scale)
        wanted = run(network, x) - network.output.zero_point
        moved = x - network.input.zero_point + back.input.zero_point
        got = run(back, moved) - back.output.zero_point
        differences.append(np.abs(got.reshape(-1) - wanted.reshape(-1)))
    assert len(differences) >= 10
    together = np.concatenate(differences)
    assert together.max() <= 4
    assert (together <= 1).mean() > 0.98


def requant(*scales, low=-128, high=127, zero_point=0):
    return Requant.from_scale(list(scales), zero_point=zero_point, low=low, high=high)


def one_layer(node, shape=(6, 5, 2), **options):
    return Network(name="one", input=Tensor(name="x", shape=shape, signed=True, **options),
                   nodes=(node,))


def kinds_of(network):
    return [one.kind for one in parse_tflite(to_tflite(network).data).operators]


def conv(window, shape, *, low=-128, high=127, scale=0.01, channels=2, zero_point=0):
    weights = np.arange(2 * window.taps * channels).reshape(2, *window.kernel, channels) % 7 - 3
    return Conv2d(
        inputs=("x",), output=Tensor(name="y", shape=(*shape, 2), signed=True, scale=scale,
                                     zero_point=zero_point),
        weights=weights, bias=np.array([5, -5]), format=parse("int8"), window=window,
        requant=requant(0.5, 0.25, low=low, high=high, zero_point=zero_point),
    )


@pytest.mark.parametrize(("padding", "size", "kinds"), [
    ((0, 0, 0, 0), (4, 3), ["CONV_2D"]), ((1, 1, 1, 1), (6, 5), ["CONV_2D"]),
    ((2, 0, 0, 2), (6, 5), ["PAD", "CONV_2D"]),
])
def test_padding_is_said_where_it_can_be(padding, size, kinds):
    network = one_layer(conv(Window(kernel=(3, 3), padding=padding), size))
    assert kinds_of(network) == kinds
    x = random_input(network.input, 5, 1)
    assert np.abs(by_interpreter(network, x)["y"] - run(network, x)).max() <= 1


@pytest.mark.parametrize(("low", "high", "scale", "zero", "kinds"), [
    (-128, 127, 0.1, -5, ["CONV_2D"]), (-5, 127, 0.1, -5, ["CONV_2D"]),
    (-5, 55, 0.1, -5, ["CONV_2D"]), (-15, 5, 0.1, -5, ["CONV_2D"]),
    (-5, 54, 0.1, -5, ["CONV_2D", "MINIMUM"]), (-4, 127, 0.1, -5, ["CONV_2D", "MAXIMUM"]),
    (-20, 20, 0.1, -5, ["CONV_2D", "MAXIMUM", "MINIMUM"]),
])
def test_limits_are_activations_where_they_can_be(low, high, scale, zero, kinds):
    window = Window(kernel=(1, 1))
    network = one_layer(conv(window, (6, 5), low=low, high=high, scale=scale, zero_point=zero))
    assert kinds_of(network) == kinds
    made = by_interpreter(network, random_input(network.input, 8, 1))["y"]
    assert (made.min(), made.max()) == (low, high)


def test_limits():
    tensor = Tensor(name="t", shape=(1, 1, 1), scale=0.05, zero_point=0)
    assert limits(tensor, 0, 255).activation == "NONE"
    assert limits(tensor, 0, 120).activation == "RELU6"
    assert limits(tensor, 0, 100).high == -28
    # Six is beyond the range: no more than a ReLU, which is no more than the type.
    small = replace(tensor, scale=0.001)
    assert limits(small, 0, 255).activation == "NONE"


def test_a_mean_is_one_where_its_scales_are_right():
    window = Window(kernel=(6, 5))

    def pool(ratio):
        output = Tensor(name="y", shape=(1, 1, 2), signed=True, scale=0.5)
        return one_layer(AvgPool(inputs=("x",), output=output, window=window,
                                 requant=requant(ratio * 2 / 30)))

    for ratio, kinds in ((1.0, ["MEAN"]), (1.001, ["MEAN"]), (0.7, ["DEPTHWISE_CONV_2D"])):
        network = pool(ratio)
        assert kinds_of(network) == kinds
        x = random_input(network.input, 50, 1)
        assert np.abs(by_interpreter(network, x)["y"] - run(network, x)).max() <= 1


def test_sums_take_scales_that_are_right():
    for ratio, kinds in ((1.0, ["ADD"]), (0.5, ["MUL", "MUL", "ADD"]),
                         (-0.5, ["MUL", "MUL", "ADD"])):
        output = Tensor(name="y", shape=(6, 5, 2), signed=True, scale=1.0)
        network = one_layer(Add(inputs=("x", "x"), output=output, requant=requant(ratio, ratio)))
        assert kinds_of(network) == kinds
        x = random_input(network.input, 4, 1)
        assert np.abs(by_interpreter(network, x)["y"] - run(network, x)).max() <= 1


def test_a_multiplier_of_nothing():
    output = Tensor(name="y", shape=(6, 5, 2), signed=True, zero_point=7)
    zero = Requant(multiplier=[0, 0], zero_point=7, low=-128, high=127)
    for node in (
        Add(inputs=("x", "x"), output=output, requant=zero),
        replace(conv(Window(kernel=(1, 1)), (6, 5), zero_point=7), requant=zero),
    ):
        network = one_layer(node)
        x = random_input(network.input, 4, 1)
        assert (by_interpreter(network, x)[node.name] == 7).all()


def test_what_cannot_be_is_refused_by_the_layer():
    window = Window(kernel=(1, 1))
    node = conv(window, (6, 5))
    wide = replace(node, format=parse("int9"), weights=np.full(node.weights.shape, 200))
    too_wide = r"Layer 'y': weights must be -127 to 127 .*, not up to 200"
    with pytest.raises(NhotError, match=too_wide):
        to_tflite(one_layer(wide))
    heavy = replace(node, bias=np.array([2**31 - 200, 0]))
    with pytest.raises(NhotError, match=r"Layer 'y': sums must be below 2\^31 .*, not up to"):
        to_tflite(one_layer(heavy))
    tiny = replace(node, output=replace(node.output, scale=2.0**-126))
    with pytest.raises(NhotError, match="Layer 'y': scales must fit single precision"):
        to_tflite(one_layer(tiny, scale=2.0**100))


def test_groups_and_dilation_of_a_transposed_convolution():
    window = Window(kernel=(2, 2), stride=(2, 2), dilation=(2, 1), padding=(1, 0, 0, 1))
    height, width = window.transposed_size(6, 5, (1, 0))
    network = one_layer(ConvTranspose2d(
        inputs=("x",), output=Tensor(name="y", shape=(height, width, 4), signed=True),
        weights=np.arange(16).reshape(4, 2, 2, 1) - 8, bias=np.arange(4), format=parse("int8"),
        window=window, groups=2, output_padding=(1, 0), requant=requant(0.1, 0.2, 0.3, 0.4),
    ))
    assert kinds_of(network) == ["TRANSPOSE_CONV", "SLICE"]
    x = random_input(network.input, 4, 1)
    assert np.abs(by_interpreter(network, x)["y"] - run(network, x)).max() <= 1


def test_vectors_stay_vectors():
    """Dense layers follow one another without anything between them."""
    layers = []
    for name in "abc":
        layers.append(Linear(
            inputs=(layers[-1].name if layers else "x",),
            output=Tensor(name=name, shape=(1, 1, 4), signed=True), weights=np.eye(4, dtype=int),
            bias=np.zeros(4, int), format=parse("int8"), requant=requant(*[0.5] * 4),
        ))
    network = Network(name="mlp", input=Tensor(name="x", shape=(1, 1, 4), signed=True),
                      nodes=tuple(layers))
    assert kinds_of(network) == ["FULLY_CONNECTED"] * 3
    assert parse_tflite(to_tflite(network).data).tensors[0].shape == (1, 4)


@pytest.mark.parametrize(("arguments", "text"), [
    (["net.onnx", "-o", "x.h5"], "File must end in .onnx or .tflite, not 'x.h5'"),
    (["net.onnx", "-o", "net.onnx"], "File must be another one than the network"),
    (["net.onnx", "-o", "x.tflite", "--batch", "2"], "--batch must be for ONNX"),
    (["net.onnx", "-o", "x.onnx", "--batch", "0"], "Batch must be at least 1, not 0"),
    (["absent.onnx", "-o", "x.onnx"], "absent.onnx"),
    (["pool.onnx", "-o", "x.tflite"], "Layer 'y': a max pool must have no dilation"),
])
def test_refusals(arguments, text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(random_network(2), "net.onnx")
    pool = MaxPool(inputs=("x",), output=Tensor(name="y", shape=(4, 3, 2), signed=True),
                   window=Window(kernel=(2, 2), dilation=(2, 2)))
    save(one_layer(pool), "pool.onnx")
    assert main(["export", *arguments]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.onnx", "pool.onnx"]

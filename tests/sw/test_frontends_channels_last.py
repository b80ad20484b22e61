"""ONNX of what was made for channels last: Keras exports it, onnxruntime defines it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from nhot.errors import NhotError
from nhot.frontends import read_graph
from nhot.frontends.module import GraphModule
from nhot.frontends.onnx.read import read_onnx
from nhot.network.reference import run
from nhot.quant import quantize, to_network
from nhot.stages.compare import compare
from nhot.stages.foreign import OnnxStage, open_foreign
from nhot.stages.stages import NetworkStage
from nhot.testing.onnx_writer import Writer

HEIGHT, WIDTH, CHANNELS = SHAPE = 6, 5, 4
FIRST, LAST = [0, 3, 1, 2], [0, 2, 3, 1]

KERAS = """
import sys
import keras
import numpy as np
from keras import layers

keras.utils.set_random_seed(1)
x = i = keras.Input((12, 12, 3))
x = layers.Conv2D(8, 3, padding="same", use_bias=False)(x)
x = layers.BatchNormalization()(x)
x = y = layers.ReLU(max_value=6)(x)
x = layers.DepthwiseConv2D(3, padding="same")(x)
x = layers.Conv2D(8, 1)(x)
x = layers.ReLU()(layers.Add()([x, y]))
x = layers.MaxPooling2D()(layers.Concatenate()([x, y]))
x = layers.Conv2D(4, 3, strides=2)(layers.ZeroPadding2D(1)(x))
x = layers.Dense(10, activation="softmax")(layers.Flatten()(x))
model = keras.Model(i, x)
for layer in model.layers:
    if isinstance(layer, layers.BatchNormalization):
        layer.set_weights([np.linspace(0.5, 1.5, 8), np.linspace(-1, 1, 8), np.linspace(1, -1, 8),
                           np.linspace(0.5, 2, 8)])
model(np.zeros((1, 12, 12, 3), "float32"))
model.export(sys.argv[1], format="onnx", verbose=False)
"""


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    """A small model of Keras, exported in a process of its own: it takes the process for its own.
    """
    path = tmp_path_factory.mktemp("keras") / "keras.onnx"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KERAS, path], capture_output=True, text=True,
        env={**os.environ, "KERAS_BACKEND": "torch", "KERAS_HOME": str(path.parent)}, check=False,
    )
    assert path.exists(), done.stderr
    return path


@pytest.fixture(scope="module")
def rounded(keras, tmp_path_factory):
    """The same, quantised by onnxruntime."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    path = tmp_path_factory.mktemp("quantised") / "keras_int8.onnx"
    logging.disable(logging.WARNING)  # it says that the model could be prepared
    quantize_static(keras, path, Samples(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QInt8, weight_type=QuantType.QInt8)
    logging.disable(logging.NOTSET)
    return path


def images(count=20, seed=2):
    """In torch's order."""
    return np.random.default_rng(seed).normal(size=(count, 3, 12, 12)).astype(np.float32)


class Samples:
    """What onnxruntime's quantiser takes ranges from, in the file's order."""

    def __init__(self):
        self.left = iter(images(seed=1).transpose(0, 2, 3, 1))

    def get_next(self):
        one = next(self.left, None)
        return None if one is None else {"keras_tensor": one[None]}


def session_of(data):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def interpreted(data, x):
    """What onnxruntime makes of samples in torch's order, which it is given channels last."""
    session = session_of(data)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: one.transpose(1, 2, 0)[None]})[0] for one in x])


def floats(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def same(data):
    """Compare the module with onnxruntime, on random samples; returns the graph."""
    graph, x = read_onnx(data), floats(4, CHANNELS, HEIGHT, WIDTH, seed=5)
    with torch.no_grad():
        made = GraphModule(graph)(torch.tensor(x)).numpy()
    wanted = interpreted(data, x)
    if wanted.ndim == 4:  # left channels last
        wanted = wanted.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(made.reshape(4, -1), wanted.reshape(4, -1), atol=1e-4)
    return graph


def test_models_of_keras(keras):
    """All its layers but softmax, which is left out; samples are in torch's order."""
    graph, x = read_graph(keras), images()
    assert graph.input == (12, 12, 3)
    assert graph.channels_last
    with torch.no_grad():
        logits = GraphModule(graph)(torch.tensor(x)).reshape(len(x), -1)
    wanted = interpreted(keras.read_bytes(), x)
    np.testing.assert_allclose(torch.softmax(logits, 1).numpy(), wanted, atol=1e-5)


def test_samples_must_lie_channels_first(keras):
    """Whatever the file has: what lies otherwise would be taken for another picture."""
    model, x = GraphModule(read_graph(keras)), torch.tensor(images())
    with pytest.raises(NhotError, match=(
        r"Samples must have shape \(samples, 3, 12, 12\), not \(20, 12, 12, 3\); move the last "
        "axis in front of the other two"
    )):
        model(x.permute(0, 2, 3, 1))
    with pytest.raises(NhotError, match=r"not \(2, 432\)$"):
        quantize(model, "2hot", x.reshape(len(x), -1))


def test_models_of_keras_in_integers(rounded):
    """onnxruntime's own quantiser put grids before and behind what turns the map."""
    graph = read_graph(rounded)
    network = to_network(quantize(GraphModule(graph), "int8", None), "keras")
    stage, x = open_foreign(rounded), images()
    assert isinstance(stage, OnnxStage)
    outputs = stage.outputs(x).reshape(len(x), -1)
    grid = network.input
    codes = np.clip(np.rint(x / grid.scale) + grid.zero_point, grid.low, grid.high)
    made = run(network, codes.astype(np.int64).transpose(0, 2, 3, 1)).reshape(len(x), -1)
    output = network.output
    units = np.abs((made - output.zero_point) * output.scale - outputs) / output.scale
    assert units.max() <= 3  # of eight layers, each within one
    found = compare(stage, NetworkStage(network), x)
    layers = [node.name for node in network.nodes if node.name not in {"Clip", "Relu"}]  # in float
    assert [one.layer for one in found.layers][1:] == layers
    assert max(one.own_units for one in found.layers[1:]) <= 1 + 1e-6


def turned(writer, perm, source="x"):
    return writer.node("Transpose", [source], perm=perm)


def conv(writer, source, channels=CHANNELS, filters=CHANNELS):
    return writer.node("Conv", [source, writer.constant(floats(filters, channels, 1, 1)),
                                writer.constant(floats(filters))])


OPERATORS = {
    "relu": ("Relu", {}),
    "clip": ("Clip", {}, np.float32(-0.5), np.float32(0.5)),
    "add one a channel": ("Add", {}, floats(CHANNELS)),
    "subtract one": ("Sub", {}, floats(1)),
    "multiply one a row": ("Mul", {}, floats(HEIGHT, 1, 1)),
    "divide": ("Div", {}, floats(*SHAPE) + 9),
    "pad": ("Pad", {}, np.array([0, 1, 2, 0, 0, 0, 1, 0])),
    "mean": ("ReduceMean", {"axes": [1, 2]}),
    "mean, flat": ("ReduceMean", {"axes": [-2, -3], "keepdims": 0}),
    "identity": ("Identity", {}),
    "as it is": ("Reshape", {}, np.array([1, *SHAPE])),
    "back": ("Transpose", {"perm": FIRST}),
    "in place": ("Transpose", {"perm": [0, 1, 2, 3]}),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_on_maps_that_lie_channels_last(name):
    kind, attributes, *values = OPERATORS[name]
    writer = Writer()
    y = turned(writer, LAST, conv(writer, turned(writer, FIRST)))
    y = writer.node(kind, [y, *(writer.constant(one) for one in values)], **attributes)
    same(writer.finish((1, *SHAPE), turned(writer, LAST, y) if name == "back" else y))


def test_what_is_flattened_channels_last():
    """Weights over it are in that order."""
    writer = Writer()
    y = turned(writer, LAST, conv(writer, turned(writer, FIRST)))
    flat = writer.node("Reshape", [y, writer.constant(np.array([1, -1]))])
    flat = writer.node("Add", [flat, writer.constant(floats(HEIGHT * WIDTH * CHANNELS))])
    y = writer.node("MatMul", [flat, writer.constant(floats(HEIGHT * WIDTH * CHANNELS, 7))])
    same(writer.finish((1, *SHAPE), y))


def test_joins_and_sums():
    writer = Writer()
    one = turned(writer, LAST, conv(writer, turned(writer, FIRST)))
    two = turned(writer, LAST, conv(writer, turned(writer, FIRST), filters=3))
    y = writer.node("Concat", [one, two, writer.node("Add", [one, one])], axis=3)
    y = turned(writer, LAST, conv(writer, turned(writer, FIRST, y), 2 * CHANNELS + 3))
    same(writer.finish((1, *SHAPE), y))


def test_an_input_that_is_prepared_first():
    """It lies as what turns it says, whatever is done to each element before."""
    writer = Writer()
    y = writer.node("Sub", ["x", writer.constant(floats(CHANNELS))])
    y = writer.node("Mul", [writer.node("Cast", [y], to=1), writer.constant(np.float32(0.5))])
    y = turned(writer, LAST, conv(writer, turned(writer, FIRST, y)))
    assert same(writer.finish((1, *SHAPE), y)).channels_last


def test_sequences():
    writer = Writer()
    y = writer.node("Conv", [turned(writer, [0, 2, 1]), writer.constant(floats(5, 3, 4)),
                             writer.constant(floats(5))])
    data = writer.finish((1, 9, 3), turned(writer, [0, 2, 1], y))
    x = floats(4, 3, 9)
    with torch.no_grad():
        made = GraphModule(read_onnx(data))(torch.tensor(x)[:, :, None]).numpy().reshape(4, 5, 6)
    session = session_of(data)
    for one, wanted in zip(x, made, strict=True):
        (found,) = session.run(None, {"x": one.T[None]})
        np.testing.assert_allclose(found[0].T, wanted, atol=1e-4)


def grids(writer, source, scale):
    return writer.quantize(source, scale, 3)


def test_integers_stay_what_they_are():
    """Each layer within one unit, grids on either side of what turns a map."""
    writer, rng = Writer(), np.random.default_rng(7)
    y = turned(writer, FIRST, grids(writer, "x", 0.05))
    y = writer.node("Conv", [y, writer.weights(rng.integers(-90, 90, (6, CHANNELS, 1, 1), np.int8),
                                               0.01)])
    y = grids(writer, turned(writer, LAST, y), 0.1)
    y = writer.node("Concat", [y, grids(writer, writer.node("Relu", [y]), 0.1)], axis=3)
    flat = writer.node("Flatten", [grids(writer, y, 0.1)])
    weights = writer.weights(rng.integers(-90, 90, (12 * HEIGHT * WIDTH, 5), np.int8), 0.01)
    data = writer.finish((1, *SHAPE), grids(writer, writer.node("MatMul", [flat, weights]), 1.0))
    graph = read_onnx(data)
    network = to_network(quantize(GraphModule(graph), "int8", None), "last")
    session, x = session_of(data), floats(30, *SHAPE, seed=3)
    wanted = np.concatenate([session.run(None, {"x": one[None]})[0] for one in x])
    codes = np.clip(np.rint(x / 0.05) + 3, -128, 127).astype(np.int64)
    assert network.input.zero_point == 3
    made = run(network, codes).reshape(30, -1)
    units = np.abs((made - network.output.zero_point) * network.output.scale - wanted)
    assert units.max() <= 2


@pytest.mark.parametrize(("name", "message"), [
    ("conv", "must lie channels first, not last"),
    ("concat", "inputs must all lie channels first, or all last"),
    ("axis", r"must join channels \(axis 3\), not along axis 1"),
    ("add", "both inputs must lie channels first, or both last"),
    ("mean", r"over height and width, not over the axes \[2, 3\]"),
    ("pad", "must pad height and width alone"),
    ("turn", "must lead from channels first to channels last or back, not order axes as"),
    ("reshape", "must flatten a sample"),
])
def test_what_is_refused(name, message):
    """A cube, whose sizes do not tell how it lies."""
    writer = Writer()
    first = writer.node("Conv", [turned(writer, FIRST), writer.constant(floats(4, 4, 1, 1))])
    last = turned(writer, LAST, first)
    y = {
        "conv": lambda: conv(writer, last), "turn": lambda: turned(writer, LAST, last),
        "concat": lambda: writer.node("Concat", [first, last], axis=1),
        "axis": lambda: writer.node("Concat", [last, last], axis=1),
        "add": lambda: writer.node("Add", [first, last]),
        "mean": lambda: writer.node("ReduceMean", [last], axes=[2, 3]),
        "pad": lambda: writer.node("Pad", [last, writer.constant(np.eye(8, dtype=np.int64)[3])]),
        "reshape": lambda: writer.node("Reshape", [last, writer.constant(np.array([1, 4, 16]))]),
    }[name]()
    data = writer.finish((1, 4, 4, 4), y)
    with pytest.raises(NhotError, match=message):
        read_onnx(data)

"""The network file: every integer comes back, and other tools can run it."""

import json
import subprocess
import sys

import numpy as np
import pytest

from nhot.cli.info import describe
from nhot.errors import MissingToolError, NhotError
from nhot.formats import Uniform, parse
from nhot.network import (
    AvgPool,
    Clamp,
    Conv2d,
    Filters,
    Linear,
    Network,
    Requant,
    Tensor,
    Window,
)
from nhot.network.file import OPTION, VERSION, from_bytes, load, read, save, to_bytes
from nhot.network.manifest import from_manifest, parse_manifest, to_manifest
from nhot.network.reference import run
from nhot.testing.networks import EVERY_OPERATOR, random_input, random_network
from nhot_sim.fuzz.networks import sealed

onnx = pytest.importorskip("onnx", reason="needs the package onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")

FORMATS = tuple(
    parse(name)
    for name in ("2hot", "1hot", "int8", "ternary", "signed-binary", "2hot@6", "signed-binary/4")
)


def sample(seed, **changes):
    return random_network(
        seed, **{"layers": 5, "formats": FORMATS, "bits": (8, 8, 4), "argmax": seed % 3 == 0,
                 "operators": EVERY_OPERATOR}
        | changes
    )


def rebuilt(manifest, arrays):
    """The network that plain values describe, by way of their JSON."""
    return from_manifest(parse_manifest(json.dumps(manifest)), arrays)


def assert_same(one, other):
    """Every integer, name and format of two networks is equal."""
    assert to_manifest(one) == to_manifest(other)
    for a, b in zip(one.nodes, other.nodes, strict=True):
        if isinstance(a, Filters):
            assert (a.weights == b.weights).all()
            assert (a.bias == b.bias).all()


def run_onnx(network, x, optimise=False):
    """What onnxruntime makes of integers ``x``, as integers of the output tensor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry(*OPTION)
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        to_bytes(network), options, providers=["CPUExecutionProvider"]
    )
    source, made = network.input, network.output
    real = ((x - source.zero_point) * source.scale).astype(np.float32).transpose(0, 3, 1, 2)
    (y,) = session.run(None, {source.name: real})
    if y.ndim == 2:
        y = y[:, :, None, None]
    y = y.transpose(0, 2, 3, 1)
    if made.bits == 16:
        return y
    return np.rint(y / np.float32(made.scale)).astype(np.int64) + made.zero_point


@pytest.mark.parametrize("seed", range(20))
def test_everything_comes_back(seed, tmp_path):
    network = sample(seed)
    path = tmp_path / "net.onnx"
    save(network, path)
    loaded = load(path)
    assert_same(network, loaded)
    x = random_input(network.input, 3, seed)
    assert (run(loaded, x) == run(network, x)).all()


@pytest.mark.parametrize("seed", range(20))
def test_files_are_sound_onnx(seed):
    model = onnx.load_model_from_string(to_bytes(sample(seed)))
    onnx.checker.check_model(model, full_check=True)


def test_bytes_are_reproducible():
    assert to_bytes(sample(4)) == to_bytes(sample(4))
    assert to_bytes(from_bytes(to_bytes(sample(4)))) == to_bytes(sample(4))


def test_wide_weights():
    network = sample(1, formats=(Uniform(bits=12),), operators=("conv", "linear"))
    assert_same(network, from_bytes(to_bytes(network)))
    model = onnx.load_model_from_string(to_bytes(network))
    onnx.checker.check_model(model, full_check=True)
    assert onnx.TensorProto.INT16 in {tensor.data_type for tensor in model.graph.initializer}


def test_scales_that_are_too_far_apart_for_single_precision(tmp_path):
    """Each fits; what onnxruntime multiplies with is their ratio."""
    network = random_network(1, layers=1, operators=("conv",))
    manifest = to_manifest(network)
    manifest["input"]["scale"], manifest["nodes"][0]["output"]["scale"] = 2.0**-126, 2.0**127
    arrays = {node.name: (node.weights, node.bias) for node in network.nodes}
    with pytest.raises(NhotError, match=r"'conv0/weights/scale' .* must fit single precision"):
        save(rebuilt(manifest, arrays), tmp_path / "net.onnx")
    manifest["input"]["scale"], manifest["nodes"][0]["output"]["scale"] = 2.0**127, 2.0**-126
    with pytest.raises(NhotError, match=r"must fit single precision"):
        save(rebuilt(manifest, arrays), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("formats", [FORMATS, (Uniform(bits=12),)], ids=["narrow", "wide"])
def test_all_weights_have_zero_points(formats):
    """One a filter, all zero: onnxruntime's option for exact sums asks for them."""
    for seed in range(12):
        network = sample(seed, formats=formats)
        graph = onnx.load_model_from_string(to_bytes(network)).graph
        constants = {one.name: onnx.numpy_helper.to_array(one) for one in graph.initializer}
        found = 0
        for node in graph.node:
            weights = constants.get(node.input[0])
            if node.op_type != "DequantizeLinear" or weights is None or weights.dtype == np.int32:
                continue
            zeros = constants[node.input[2]]
            assert zeros.dtype == weights.dtype
            assert zeros.shape == weights.shape[:1]
            assert not zeros.any()
            found += 1
        assert found == sum(isinstance(layer, Filters) for layer in network.nodes)


def test_files_of_the_first_version_are_read(tmp_path):
    """They differ in having no zero points of weights."""
    network = sample(1)
    model = onnx.load_model_from_string(to_bytes(network))
    zeros = [one for one in model.graph.initializer if one.name.endswith("weights/zero_point")]
    assert zeros
    for one in zeros:
        model.graph.initializer.remove(one)
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[-1].endswith("weights/zero_point"):
            node.input.pop()
    next(entry for entry in model.metadata_props if entry.key == "nhot.version").value = "1"
    path = tmp_path / "old.onnx"
    path.write_bytes(sealed(model))
    old, version = read(path)
    assert version == 1
    assert_same(old, network)
    assert "save it again" in describe(path)["onnxruntime"]
    save(old, path)
    assert read(path).version == VERSION
    assert "('session.x64quantprecision', '1')" in describe(path)["onnxruntime"]


def test_names_may_look_like_any_other():
    network = random_network(2, layers=3, operators=("conv",))
    names = dict(zip(network.tensors, ("a", "a/sum", "a/sum/weights", "a/scale"), strict=True))
    manifest = to_manifest(network)
    for values in (manifest["input"], *(node["output"] for node in manifest["nodes"])):
        values["name"] = names[values["name"]]
    for node in manifest["nodes"]:
        node["inputs"] = [names[name] for name in node["inputs"]]
    manifest["output"] = names[manifest["output"]]
    arrays = {names[node.name]: (node.weights, node.bias) for node in network.nodes}
    renamed = rebuilt(manifest, arrays)
    data = to_bytes(renamed)
    onnx.checker.check_model(onnx.load_model_from_string(data), full_check=True)
    assert_same(renamed, from_bytes(data))


@pytest.mark.parametrize(("dilation", "opset"), [((1, 1), 17), ((1, 2), 19), ((2, 1), 19)])
def test_files_ask_for_no_newer_operators_than_they_need(dilation, opset):
    """Only of opset 19 on has AveragePool dilations."""
    window = Window(kernel=(2, 2), dilation=dilation)
    source = Tensor(name="x", shape=(5, 5, 2))
    made = Tensor(name="y", shape=(*window.output_size(5, 5), 2))
    requant = Requant.from_scale([0.25], zero_point=0, low=0, high=255)
    pool = AvgPool(inputs=("x",), output=made, window=window, requant=requant)
    network = Network(name="pooled", input=source, nodes=(pool,))
    model = onnx.load_model_from_string(to_bytes(network))
    assert model.opset_import[0].version == opset
    x = random_input(source, 3, 2)
    assert np.abs(run_onnx(network, x) - run(network, x)).max() <= 1


@pytest.mark.parametrize("optimise", [False, True])
@pytest.mark.parametrize("operator", sorted({*EVERY_OPERATOR, "argmax"}))
def test_onnxruntime_agrees_layer_by_layer(operator, optimise):
    """Off by at most one unit, and seldom: rounding to even, single precision, scales' ratios."""
    same, total = 0, 0
    for seed in range(10):
        network = sample(seed, layers=1, operators=(operator,), argmax=False, shape=(7, 6, 4))
        x = random_input(network.input, 6, seed)
        expected, got = run(network, x), run_onnx(network, x, optimise)
        assert np.abs(got - expected).max() <= 1
        same += (got == expected).sum()
        total += expected.size
    assert same / total > 0.98


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("optimise", [False, True])
@pytest.mark.parametrize(
    "operators",
    [("conv", "conv", "depthwise", "add"), ("conv", "transposed", "concat", "upsample", "max")],
)
def test_onnxruntime_agrees_on_whole_networks(seed, optimise, operators):
    network = random_network(
        seed, layers=6, shape=(10, 10, 3), widest=12, operators=operators
    )
    x = random_input(network.input, 8, seed)
    expected, got = run(network, x), run_onnx(network, x, optimise)
    assert np.abs(got - expected).max() <= 4
    assert (np.abs(got - expected) <= 1).mean() > 0.97


def test_a_clamp_of_a_vector_leaves_it_one():
    """A Linear gives two axes in ONNX, a convolution wants four, whatever is between them."""
    requant = Requant.from_scale([0.01] * 4, zero_point=0, low=0, high=255)
    first, second = (Tensor(name=name, shape=(1, 1, 4)) for name in "ab")
    rng, fmt = np.random.default_rng(3), parse("int8")
    network = Network(name="clamped", input=Tensor(name="x", shape=(1, 1, 6)), nodes=(
        Linear(inputs=("x",), output=first, weights=rng.integers(-128, 128, (4, 6)),
               bias=np.zeros(4, int), format=fmt, requant=requant),
        Clamp(inputs=("a",), output=second, low=10, high=200),
        Conv2d(inputs=("b",), output=Tensor(name="y", shape=(1, 1, 4)),
               weights=rng.integers(-128, 128, (4, 1, 1, 4)), bias=np.zeros(4, int), format=fmt,
               window=Window(kernel=(1, 1)), requant=requant),
    ))
    x = random_input(network.input, 20, 2)
    np.testing.assert_array_equal(run_onnx(network, x), run(network, x))


def test_onnxruntime_finds_the_same_class():
    network = random_network(
        5, layers=5, shape=(8, 8, 3), operators=("conv",), widest=16, argmax=True
    )
    x = random_input(network.input, 40, 1)
    assert (run_onnx(network, x) == run(network, x)).mean() > 0.98


def test_without_onnx(monkeypatch, tmp_path):
    content = to_bytes(sample(1))
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingToolError, match=r"pip install 'nhot\[onnx\]'"):
        to_bytes(sample(1))
    with pytest.raises(MissingToolError, match=r"pip install 'nhot\[onnx\]'"):
        from_bytes(b"")
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(MissingToolError) as caught:
        load(path)
    assert "net.onnx" not in str(caught.value)  # it is not the file's fault


def test_onnx_is_imported_only_when_used():
    program = "import sys, nhot.network.file; sys.exit('onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

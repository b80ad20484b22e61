"""The network file: every integer comes back, and other tools can run it."""

import subprocess
import sys

import numpy as np
import pytest

from nhot.errors import MissingToolError, NhotError
from nhot.formats import Uniform, parse
from nhot.network import Filters
from nhot.network.file import from_bytes, load, save, to_bytes
from nhot.network.manifest import from_manifest, to_manifest
from nhot.network.reference import run
from nhot.network.samples import EVERY_OPERATOR, random_input, random_network

onnx = pytest.importorskip("onnx", reason="needs the package onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")

FORMATS = tuple(
    parse(name) for name in ("2hot", "1hot", "int8", "ternary", "signed-binary", "2hot@6")
)


def sample(seed, **changes):
    return random_network(
        seed, **{"layers": 5, "formats": FORMATS, "bits": (8, 8, 4), "argmax": seed % 3 == 0,
                 "operators": EVERY_OPERATOR}
        | changes
    )


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
    renamed = from_manifest(manifest, arrays)
    data = to_bytes(renamed)
    onnx.checker.check_model(onnx.load_model_from_string(data), full_check=True)
    assert_same(renamed, from_bytes(data))


@pytest.mark.parametrize("operator", sorted({*EVERY_OPERATOR, "argmax"}))
def test_onnxruntime_agrees_layer_by_layer(operator):
    """Off by at most one unit, and seldom: rounding to even, single precision, scales' ratios."""
    same, total = 0, 0
    for seed in range(10):
        network = sample(seed, layers=1, operators=(operator,), argmax=False, shape=(7, 6, 4))
        x = random_input(network.input, 6, seed)
        expected, got = run(network, x), run_onnx(network, x)
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


def test_onnxruntime_finds_the_same_class():
    network = random_network(
        5, layers=5, shape=(8, 8, 3), operators=("conv",), widest=16, argmax=True
    )
    x = random_input(network.input, 40, 1)
    assert (run_onnx(network, x) == run(network, x)).mean() > 0.98


def edited(change):
    model = onnx.load_model_from_string(to_bytes(sample(1)))
    change(model)
    return model.SerializeToString()


def set_property(key, value):
    def change(model):
        for entry in model.metadata_props:
            if entry.key == key:
                entry.value = value
    return change


def drop_properties(model):
    del model.metadata_props[:]


def negate_weights(model):
    for tensor in model.graph.initializer:
        if tensor.name.endswith("/weights"):
            array = -onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (drop_properties, "must have been written by nhot; it has no nhot metadata"),
        (set_property("nhot.version", "2"), "version must be 1, not '2'; this file needs a newer"),
        (set_property("nhot.version", "x" * 99), "version must be 1, not 'xxxxxxxxxxxxxxxxxxxx'$"),
        (set_property("nhot.network", "{}"), "must match its digest"),
        (lambda model: model.metadata_props.pop(), "must have the metadata 'nhot.digest'"),
        (negate_weights, "must match its digest; it was changed"),
        (lambda model: model.graph.node.pop(), "must match its digest"),
    ],
)
def test_changed_files(change, text, tmp_path):
    path = tmp_path / "changed.onnx"
    path.write_bytes(edited(change))
    with pytest.raises(NhotError, match=text) as caught:
        load(path)
    assert str(caught.value).startswith(f"File {str(path)!r}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"not onnx", b"\x89PNG\r\n\x1a\n", b"\0" * 100])
def test_other_files(data):
    with pytest.raises(NhotError, match="Network file must"):
        from_bytes(data)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(NhotError, match="could not be read: No such file"):
        load(tmp_path / "missing.onnx")
    with pytest.raises(NhotError, match="could not be written: No such file"):
        save(sample(1), tmp_path / "missing" / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def test_truncated_files():
    data = to_bytes(sample(1))
    for length in range(0, len(data) - 1, 37):
        with pytest.raises(NhotError, match="Network file must"):
            from_bytes(data[:length])


def test_damaged_files():
    """Flipped bits are refused, or lie where no integer does."""
    network = sample(1, layers=3)
    data = to_bytes(network)
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        damaged[random.integers(len(data))] ^= 1 << int(random.integers(8))
        try:
            loaded = from_bytes(bytes(damaged))
        except NhotError:
            refused += 1
        else:
            assert_same(loaded, network)
    assert refused > 300


@pytest.mark.parametrize(("operator", "field", "value", "text"), [
    ("upsample", "factors", [2], "factors must be 2 numbers"),
    ("upsample", "factors", "many", "must describe a network"),
    ("upsample", "factors", [float("inf"), 1], "must describe a network"),
    ("upsample", "factors", [10**30, 1], "output must have shape"),
    ("transposed", "output_padding", None, "must describe a network"),
    ("transposed", "output_padding", [-1, 0], "output padding must be 2 numbers"),
    ("concat", "inputs", [], "must read at least 2 tensors, not 0"),
    ("round", "n", 2.5, "must describe a network"),
    ("round", "n", 10**30, "Terms of an activation must be 1 to 8"),
])
def test_manifests_of_operators_that_cannot_be(operator, field, value, text):
    network = random_network(1, layers=1, operators=(operator,))
    manifest = to_manifest(network)
    manifest["nodes"][0][field] = value
    arrays = {n.name: (n.weights, n.bias) for n in network.nodes if isinstance(n, Filters)}
    with pytest.raises(NhotError, match=text):
        from_manifest(manifest, arrays)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"nodes": 3}, "must describe a network"),
        ({"nodes": [{}]}, "must have a 'operator'"),
        ({"nodes": [{"operator": "Softmax"}]}, "Operator must be one of Conv2d, .* not 'Softmax'"),
        ({"input": {"name": "x"}}, "must have a 'shape'"),
        ({"input": {"shape": [1, 1, 1], "colour": 1}}, "must describe a network"),
        ({"output": "nowhere"}, "Tensor must be one of"),
    ],
)
def test_manifests_that_describe_nothing(change, text):
    network = random_network(2, layers=2, operators=("clamp",))
    with pytest.raises(NhotError, match=text):
        from_manifest(to_manifest(network) | change, {})


def test_without_onnx(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingToolError, match=r"pip install 'nhot\[onnx\]'"):
        to_bytes(sample(1))
    with pytest.raises(MissingToolError, match=r"pip install 'nhot\[onnx\]'"):
        from_bytes(b"")


def test_onnx_is_imported_only_when_used():
    program = "import sys, nhot.network.file; sys.exit('onnx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

"""Network files that are damaged, forged or of others: refused in one line, or read as they are."""

import json
import math

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.network import Filters
from nhot.network.file import from_bytes, load, save, to_bytes
from nhot.network.manifest import from_manifest, parse_manifest, to_manifest
from nhot.testing.networks import EVERY_OPERATOR, random_network
from nhot_sim.fuzz.networks import sealed

onnx = pytest.importorskip("onnx", reason="needs the package onnx")

Y = {"name": "y", "shape": [1, 1, 1]}


def sample(seed, **changes):
    return random_network(
        seed, **{"layers": 5, "bits": (8, 8, 4), "argmax": seed % 3 == 0,
                 "operators": EVERY_OPERATOR} | changes
    )


def rebuilt(manifest, arrays):
    """The network that plain values describe, by way of their JSON."""
    return from_manifest(parse_manifest(json.dumps(manifest)), arrays)


def assert_same(one, other):
    """The same network has the same bytes."""
    assert to_bytes(one) == to_bytes(other)


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
        (set_property("nhot.version", "3"),
         "version must be 1 to 2, not '3'; this file needs a newer"),
        (set_property("nhot.version", "9" * 30),
         "version must be 1 to 2, not '99999999999999999999'; this file needs a newer"),
        (set_property("nhot.version", "9" * 5000),
         "version must be 1 to 2, not '99999999999999999999'$"),
        (set_property("nhot.version", "x" * 99),
         "version must be 1 to 2, not 'xxxxxxxxxxxxxxxxxxxx'$"),
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
    ("upsample", "factors", [2], "factors must have more entries than 1"),
    ("upsample", "factors", "many", "factors must be a list, not 'many'"),
    ("upsample", "factors", [float("inf"), 1], "must be a whole number, not inf"),
    ("upsample", "factors", [10**30, 1], "whole numbers of at most 64 bits"),
    ("transposed", "output_padding", None, "must have 'output_padding', which is missing"),
    ("transposed", "output_padding", [-1, 0], "output padding must be 2 numbers"),
    ("concat", "inputs", [], "must read at least 2 tensors, not 0"),
    ("round", "n", 2.5, "must be a whole number, not 2.5"),
    ("round", "n", 9, "Terms of an activation must be 1 to 8"),
])
def test_manifests_of_operators_that_cannot_be(operator, field, value, text):
    network = random_network(1, layers=1, operators=(operator,))
    manifest = to_manifest(network)
    manifest["nodes"][0][field] = value
    arrays = {n.name: (n.weights, n.bias) for n in network.nodes if isinstance(n, Filters)}
    with pytest.raises(NhotError, match=text):
        rebuilt(manifest, arrays)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"nodes": 3}, "nodes must be a list, not 3"),
        ({"nodes": [{}]}, r"nodes\[0\] must have the field 'operator'"),
        ({"nodes": [{"operator": "Softmax", "inputs": [], "output": Y}]},
         "Layer 'y': operator must be one of Conv2d, .* not 'Softmax'"),
        ({"input": {"name": "x"}}, "input must have the field 'shape'"),
        ({"input": {"shape": [1, 1, 1], "colour": 1}}, "input must have"),
        ({"output": "nowhere"}, "Tensor must be one of"),
    ],
)
def test_manifests_that_describe_nothing(change, text):
    network = random_network(2, layers=2, operators=("clamp",))
    with pytest.raises(NhotError, match=text):
        rebuilt(to_manifest(network) | change, {})


def forged(change, network=None):
    """The bytes of a network file that ``change`` was made to, with a digest that agrees."""
    model = onnx.load_model_from_string(to_bytes(network or sample(1)))
    change(model)
    return sealed(model)


def in_manifest(*path, value):
    """Put ``value`` at ``path`` of the metadata."""
    def change(model):
        for entry in model.metadata_props:
            if entry.key == "nhot.network":
                values = inner = json.loads(entry.value)
                for key in path[:-1]:
                    inner = inner[key]
                inner[path[-1]] = value
                entry.value = json.dumps(values)
    return change


def in_initializer(**fields):
    def change(model):
        for name, value in fields.items():
            setattr(model.graph.initializer[0], name, value)
    return change


def with_external(location):
    def change(model):
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
    return change


def reshaped(*dims):
    def change(model):
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(dims)
    return change


def in_rows(*shape):
    """Give the weights of a layer other axes: ``shape`` of (filters, all else)."""
    def change(model):
        weights = next(one for one in model.graph.initializer if len(one.dims) == 4)
        sizes = {"filters": weights.dims[0], "rest": math.prod(weights.dims[1:])}
        del weights.dims[:]
        weights.dims.extend(sizes.get(one, one) for one in shape)
    return change


def shared_weights(model):
    for entry in model.metadata_props:
        if entry.key == "nhot.network":
            values = json.loads(entry.value)
            first = next(iter(values["initializers"].values()))
            values["initializers"] = dict.fromkeys(values["initializers"], first)
            entry.value = json.dumps(values)


def nested(model):
    model.graph.node[0].attribute.add(name="body", type=onnx.AttributeProto.GRAPH).g.name = "inner"


FORGED = {
    "data outside the folder": (with_external("../../etc/passwd"), "must be in the file itself"),
    "data of a device": (with_external("/dev/zero"), "must be in the file itself"),
    "data that is missing": (with_external("missing"), "must be in the file itself"),
    "data without a place": (in_initializer(data_location=1), "must be in the file itself"),
    "text as data": (in_initializer(data_type=8), "must have a type of .*, not number 8"),
    "no type": (in_initializer(data_type=0), "must have a type of .*, not number 0"),
    "a short initialiser": (in_initializer(raw_data=b""), "must be sound; it has 0 bytes"),
    "a huge shape": (reshaped(2**40), "must be sound"),
    "a huge shape of nothing": (reshaped(0, 2**62), "must be sound"),
    "weights in one row": (in_rows(1, "filters", "rest", 1), "must have one row a multiplier"),
    "weights of two axes": (in_rows("filters", "rest"), "weights must have 4 axes, not"),
    "a negative shape": (reshaped(-1, -4), "must be sound"),
    "many axes": (reshaped(*[1] * 40), "must be sound"),
    "nine axes": (in_rows("filters", "rest", *[1] * 7), "must be sound"),
    "two of a name": (lambda model: model.graph.initializer.add().CopyFrom(
        model.graph.initializer[0]), "must have a name of its own"),
    "one for two layers": (shared_weights, "must have weights, a bias, .*, each its own"),
    "a graph in a graph": (nested, "must be of INT, INTS, FLOAT, STRING"),
    "metadata twice": (lambda model: model.metadata_props.add(key="nhot.version", value="2"),
                       "must have the metadata 'nhot.version' once"),
    "no inputs": (in_manifest("nodes", 0, "inputs", value=[]), "each its own|must read"),
    "an unknown input": (in_manifest("nodes", 0, "inputs", value=["q"]), "not 'q'|each its own"),
    "a circle": (in_manifest("nodes", 1, "inputs", value=["conv4"]), "must be the network's or"),
    "a name twice": (in_manifest("nodes", 1, "output", "name", value="input"),
                     "must be unique|each its own"),
    "an escape in a name": (in_manifest("input", "name", value="a\x1b[2J"), "visible characters"),
    "a line in a name": (in_manifest("name", value="a\nb"), "visible characters"),
    "half a pair in a name": (in_manifest("name", value="\ud800"), "must"),
    "half a pair in an input": (in_manifest("nodes", 0, "inputs", value=["\udfff"]), "must"),
    "an endless name": (in_manifest("name", value="a" * 10**6), "must be 1 to 255"),
    "a huge kernel": (in_manifest("nodes", 0, "window", "kernel", value=[10**8, 10**8]),
                      "each 1 to 65536"),
    "huge padding": (in_manifest("nodes", 0, "window", "padding", value=[10**8] * 4),
                     "each 0 to 65536"),
    "a huge tensor": (in_manifest("input", "shape", value=[2**20, 2**20, 1]), "at most 2147483648"),
    "NaN as a scale": (in_manifest("input", "scale", value=float("nan")), "finite number"),
    "a huge scale": (in_manifest("input", "scale", value=1e300), r"2\^-126 to 2\^127"),
    "a scale of text": (in_manifest("input", "scale", value="1"), "must be a number"),
    "bits that are a flag": (in_manifest("input", "bits", value=True), "must be a whole number"),
    "no window": (in_manifest("nodes", 0, "window", value=None), "must have 'window'"),
    "a foreign field": (in_manifest("nodes", 0, "n", value=2), "alone, not 'n'"),
    "an unknown format": (in_manifest("nodes", 0, "format", value="fp4"), "Format must be one of"),
    "a huge multiplier": (in_manifest("nodes", 0, "requant", "multiplier", value=[2**63]),
                          "must be"),
    "deep nesting": (in_manifest("nodes", value=json.loads("[" * 300 + "]" * 300)), "must be"),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_files_are_refused(name):
    """The digest agrees; what the file says is wrong."""
    change, text = FORGED[name]
    network = random_network(1, layers=5, operators=("conv",))
    with pytest.raises(NhotError, match=text) as caught:
        from_bytes(forged(change, network))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_nothing_is_read_from_another_file(tmp_path, monkeypatch):
    """Even where the file named is there, and of the right size."""
    model = onnx.load_model_from_string(to_bytes(sample(1)))
    size = len(model.graph.initializer[0].raw_data)
    (tmp_path / "data").write_bytes(bytes(size))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.onnx").write_bytes(forged(with_external("data")))
    with pytest.raises(NhotError, match="must be in the file itself, not in another one"):
        load("net.onnx")

"""What of ONNX is refused: by name, reason and list."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from nhot.errors import MissingToolError, NhotError
from nhot.frontends import read_graph
from nhot.frontends.onnx.interpreter import run_onnx
from nhot.network.file import save
from nhot.testing.foreign import damaged, onnx_models
from nhot.testing.networks import random_network
from nhot.testing.onnx_writer import Writer

MAP = (1, 4, 6, 5)
ONES = np.ones((4, 4, 1, 1), np.float32)


def model(kind="Conv", *values, shape=MAP, opset=17, results=1, more=(), **attributes):
    """A model of one operator, which may be wrong."""
    writer = Writer(opset)
    y = writer.node(kind, ["x", *(writer.constant(one) for one in values), *more], name="one",
                    **attributes)
    return writer.finish(shape, *[y, "x"][:results])


def dequantised(codes, scale, zero, **attributes):
    """A convolution with weights behind a DequantizeLinear."""
    writer = Writer()
    weights = writer.node("DequantizeLinear", [
        writer.constant(codes), writer.constant(np.float32(scale)),
        writer.constant(np.asarray(zero, codes.dtype))], **attributes)
    return writer.finish(MAP, writer.node("Conv", ["x", weights], name="one"))


def rounded(scale=0.5, zero=0, kind=np.int8, other=None, lone=False):
    """An activation between two of them."""
    writer = Writer()
    grid = [writer.constant(np.float32(scale)), writer.constant(np.asarray(zero, kind))]
    back = grid if other is None else [writer.constant(np.float32(other)), grid[1]]
    q = writer.node("QuantizeLinear", ["x", *grid], name="q")
    y = q if lone else writer.node("DequantizeLinear", [q, *back], name="dq")
    return writer.finish(MAP, writer.node("Conv", [y, writer.constant(ONES)], name="one"))


def qonnx(kind, *values, **attributes):
    writer = Writer()
    y = writer.node(kind, ["x", *(writer.constant(np.float32(one)) for one in values)], name="one",
                    domain="qonnx.custom_op.general", **attributes)
    return writer.finish(MAP, writer.node("Conv", [y, writer.constant(ONES)]),
                         domains=["qonnx.custom_op.general"])


def inside():
    writer = Writer()
    y = writer.node("Softmax", ["x"])
    return writer.finish(MAP, writer.node("Conv", [y, writer.constant(ONES)]))


def circle():
    writer = Writer()
    writer.node("Add", ["x", "b_out"], name="a")
    writer.node("Conv", ["a_out", writer.constant(ONES)], name="b")
    return writer.finish(MAP, "b_out")


INT8 = np.ones((4, 4, 1, 1), np.int8)
REFUSED = {
    "unknown operator": (model("HardSwish"),
                         r"'one' \(HardSwish\): it must be one of Add, .* not 'HardSwish'$"),
    "operator of others": (model("Conv", ONES, domain="com.acme"), "not 'com.acme::Conv'$"),
    "softmax inside": (inside(), r"Sigmoid as the last one\), not 'Softmax'$"),
    "no weights": (model("Relu"), "at least one operator with weights"),
    "nothing computed": (model("Identity"), "must compute its output from its input"),
    "two outputs": (model("Conv", ONES, results=2), "one output, not 2"),
    "dynamic shape": (model("Conv", ONES, shape=(1, 4, "h", "w")),
                      r"'x' must have a fixed shape and a batch of 1, not \(1, 4, -1, -1\)"),
    "batch": (model("Conv", ONES, shape=(2, 4, 6, 5)), r"batch of 1, not \(2, 4, 6, 5\)"),
    "five axes": (model("Conv", ONES, shape=(1, 4, 6, 5, 2)), "2 to 4 axes, .* not 5"),
    "old opset": (model("Conv", ONES, opset=6), "operators of 7 to 27, not 6$"),
    "opset to come": (model("Conv", ONES, opset=99), "operators of 7 to 27, not 99$"),
    "circle": (circle(), r"'a' \(Add\): input 'b_out' must be made by .* not made later, or never"),
    "weights computed": (model("Conv", more=["x"]), "input 'x' must be a constant"),
    "other channels": (model("Conv", np.ones((4, 3, 1, 1), np.float32)),
                       r"'one' \(Conv\): input must have 3 channels, not 4"),
    "kernel of three axes": (model("Conv", np.ones((4, 4, 1, 1, 1), np.float32)),
                             "over one or two axes"),
    "weights not finite": (model("Conv", ONES * np.nan), "weights must be finite"),
    "padding": (model("Conv", ONES, auto_pad="ODD"), "padding must be NOTSET, .* not 'ODD'"),
    "uneven transposed": (model("ConvTranspose", ONES, pads=[0, 0, 1, 1]), "same on both sides"),
    "zero point of weights": (dequantised(INT8, 0.5, 3), "zero point 0 .* not 3$"),
    "zero points of filters": (dequantised(INT8, [0.5] * 4, [0, 0, 7, 0], axis=0), "not 7$"),
    "scale of inputs": (dequantised(INT8, [0.5, 1, 1, 1], [0] * 4, axis=1),
                        "one scale, or one for each filter"),
    "scale of nothing": (dequantised(INT8, 0, 0), "scales must be above 0"),
    "scales by blocks": (dequantised(INT8, [0.5] * 4, [0] * 4, axis=0, block_size=2), "not blocks"),
    "activation per channel": (rounded([0.5, 0.25], [0, 0]),
                               r"'q' \(QuantizeLinear\): activation must have one scale .* not 2"),
    "activation of 16 bits": (rounded(kind=np.int16), "of INT8 or UINT8, not of int16"),
    "activation of no scale": (rounded(scale=np.inf), "scales must be above 0 and finite, not inf"),
    "other scale": (rounded(other=0.25), "those that the activation was rounded with, 0.5 and 0"),
    "integers": (rounded(lone=True), "not in integers, which DequantizeLinear must read"),
    "bipolar activation": (qonnx("BipolarQuant", 1), "must be of weights: activations of one bit"),
    "activation of 12 bits": (qonnx("Quant", 1, 0, 12), "of 2 to 8 bits, not of 12"),
    "activation cut off": (qonnx("Quant", 1, 0, 8, rounding_mode="FLOOR"), "not by 'FLOOR'"),
    "low bits cut off": (qonnx("Trunc", 1, 0, 10, 8), "not 10 bits to 8 by 'FLOOR'"),
    "product of tensors": (model("Mul", more=["x"]), "of a tensor and a constant"),
    "division by zero": (model("Div", np.zeros(1, np.float32)), "other than zero"),
    "padding with ones": (model("Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1]), np.float32(1)),
                          "with zeros, not .* with 1"),
    "padding by mirrors": (model("Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1]), mode="reflect"),
                           "reflect"),
    "average not counted": (model("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
                            "count_include_pad"),
    "average over the end": (model("AveragePool", kernel_shape=[2, 2], strides=[2, 2],
                                   ceil_mode=1), "ceil_mode"),
    "half a factor": (model("Resize", np.zeros(0, np.float32), np.float32([1, 1, 1.5, 1.5])),
                      r"whole factors .* \[1.0, 1.0, 1.5, 1.5\]"),
    "text in place of a number": (model("Conv", ONES, group="two"), "must be of the types"),
    "escapes": (qonnx("Quant", 1, 0, 8, rounding_mode="\x1b[31m"), r"not by '\\x1b\[31M'"),
    "linear": (model("Resize", np.zeros(0, np.float32), np.float32([1, 1, 2, 2]), mode="linear"),
               "not 'linear'"),
    "mean of channels": (model("ReduceMean", axes=[1]), r"not over the axes \[1\]"),
    "reshaped to a number": (model("Reshape", np.int64(7), shape=(1, 6, 5, 1)), "it must"),
    "limits": (model("Min", np.arange(4, dtype=np.float32).reshape(4, 1, 1)),
               "of a tensor and one number, the same for all elements"),
    "turned": (model("Transpose", perm=[0, 2, 1, 3]), r"not order axes as \[0, 2, 1, 3\]"),
    "folded": (model("Reshape", np.array([1, 8, 3, 5])), "must flatten a sample"),
    "batch lost": (model("Reshape", np.array([2, 60])), "must flatten a sample"),
    "no such size": (model("Reshape", np.array([1, 7])), "must keep 120 elements"),
    "joined rows": (model("Concat", more=["x"], axis=2), "not along axis 2"),
    "more than all memory": (model("Conv", ONES, shape=(1, 4, 1 << 16, 1 << 15)),
                             "at most 67,108,864 elements"),
    "an input of text": (Writer().finish(MAP, "x", type="STRING"), "floats, INT8 or UINT8"),
}


def refused(path, message):
    with pytest.raises(NhotError, match=message) as caught:
        read_graph(path)
    assert str(caught.value).startswith(f"File {str(path)!r}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name, tmp_path):
    data, message = REFUSED[name]
    path = tmp_path / "m.onnx"
    path.write_bytes(data)
    refused(path, message)


def outside(location, offset=0, length=64, dims=(4, 4, 1, 1)):
    """A model with its weights in another file."""
    import onnx

    made = onnx.ModelProto.FromString(model("Conv", ONES))
    (weights,) = made.graph.initializer
    weights.ClearField("raw_data")
    weights.dims[:] = dims
    weights.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        weights.external_data.add(key=key, value=str(value))
    return made.SerializeToString()


def test_weights_may_lie_beside_the_model_and_nowhere_else(tmp_path):
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    for place in (tmp_path, folder, folder / "deep"):
        (place / "w.bin").write_bytes(bytes(16) + ONES.tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    (folder / "way").symlink_to(tmp_path)
    path = folder / "m.onnx"
    for location in ("w.bin", "deep/w.bin"):
        path.write_bytes(outside(location, offset=16))
        assert (read_graph(path).filters[0].weights == 1).all()
    for location, message in (
        ("../w.bin", r"in a file in the model's folder, not in '\.\./w\.bin'"),
        ("deep/../../w.bin", "in a file in the model's folder"), ("", "not in ''"),
        (str(tmp_path / "w.bin"), "in a file in the model's folder"), ("a\0b", "model's folder"),
        ("link.bin", "not behind the link 'link.bin'"), ("way/w.bin", "not behind the link"),
        ("absent.bin", "could not be read"), ("deep", "must have its data in a file, not in"),
    ):
        path.write_bytes(outside(location, offset=16))
        refused(path, message)
    for options in ({"offset": 17}, {"offset": -1}, {"length": 65}, {"offset": "x"},
                    {"length": 1 << 40, "dims": (1 << 20, 1 << 18, 1, 1)}):
        path.write_bytes(outside("w.bin", **options))
        refused(path, "bytes")


def test_a_tensor_larger_than_its_bytes(tmp_path):
    import onnx

    made = onnx.ModelProto.FromString(model("Conv", ONES))
    made.graph.initializer[0].dims[:] = [1 << 16, 1 << 15, 1, 1]
    path = tmp_path / "m.onnx"
    path.write_bytes(made.SerializeToString())
    refused(path, r"as many bytes as its shape \(65536, 32768, 1, 1\) of FLOAT needs, not 64")
    made.graph.initializer[0].dims[:] = [-1, 4, 1, 1]
    path.write_bytes(made.SerializeToString())
    refused(path, "sizes of 0 or more")
    made.graph.initializer[0].data_type = 8
    path.write_bytes(made.SerializeToString())
    refused(path, "must have a type of FLOAT, .* not number 8")


def test_constants_do_not_grow(tmp_path):
    """Nothing is computed that no bytes stand behind."""
    writer = Writer()
    wide = writer.node("Mul", [writer.constant(np.ones((1 << 12, 1), np.float32)),
                               writer.constant(np.ones((1, 1 << 12), np.float32))], name="wide")
    path = tmp_path / "m.onnx"
    path.write_bytes(writer.finish((1, 4), writer.node("MatMul", ["x", wide])))
    refused(path, r"'wide' \(Mul\): its constants must suit each other")


def test_networks_of_nhot_are_no_models_of_others(tmp_path):
    path = tmp_path / "net.onnx"
    save(random_network(0), path)
    with pytest.raises(NhotError, match=r"not a network file .*nhot compile takes it"):
        read_graph(path)


def test_damaged_files_are_refused_by_name_or_read(tmp_path):
    path, failed = tmp_path / "m.onnx", []
    for data in damaged(onnx_models(), 600):
        path.write_bytes(data)
        try:
            read_graph(path)
        except NhotError as error:
            failed.append(str(error))
    assert len(failed) > 300
    assert all("\n" not in text and repr(str(path)) in text for text in failed)


def test_without_the_package_the_extra_is_named(monkeypatch, tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(onnx_models()[0])
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingToolError, match=r"pip install 'nhot\[onnx\]'"):
        read_graph(path)
    with pytest.raises(MissingToolError, match=r"pip install 'nhot\[test\]'"):
        run_onnx(path, [], [])

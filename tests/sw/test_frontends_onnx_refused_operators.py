"""What operators of ONNX are refused for what they are given: by name and reason."""

from __future__ import annotations

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.frontends.onnx import protobuf, tensors
from nhot.frontends.onnx.read import read_onnx
from nhot.testing.onnx_writer import Writer

MAP = (1, 4, 6, 5)
ONES = np.ones((4, 4, 1, 1), np.float32)
NONE = np.zeros(0, np.float32)
NORMAL = [np.ones(4, np.float32)] * 4


def model(kind, *values, shape=MAP, opset=17, more=(), before="", **attributes):
    """An operator ``one``, which may be wrong, behind another if any; arrays are constants."""
    writer = Writer(opset)
    x = writer.node(before, ["x"]) if before else "x"
    inputs = [x, *("" if one is None else writer.constant(one) for one in values),
              *(x if one == "x" else one for one in more)]
    return writer.finish(shape, writer.node(kind, inputs, name="one", **attributes))


def flat(kind, *values, **attributes):
    return model(kind, *values, before="Flatten", **attributes)


def first(kind, *values, **attributes):
    """With the constants before the tensor."""
    writer = Writer()
    inputs = [*(writer.constant(one) for one in values), "x"]
    return writer.finish(MAP, writer.node(kind, inputs, name="one", **attributes))


def joined(act, kind="Concat", **attributes):
    """The input, and what ``act`` makes of it."""
    writer = Writer()
    return writer.finish(MAP, writer.node(kind, act(writer), name="one", **attributes))


def shorter(writer):
    return ["x", writer.node("MaxPool", ["x"], kernel_shape=[2, 1])]


def turned(writer):
    return ["x", writer.node("Transpose", ["x"], perm=[0, 2, 3, 1])]


def vectors(writer):
    """A flattened map, and a vector of as many."""
    flattened = writer.node("Flatten", ["x"])
    eye = writer.constant(np.eye(120, dtype=np.float32))
    return [flattened, writer.node("MatMul", [flattened, eye])]


def twice(writer):
    """Both make one tensor."""
    y = writer.node("Relu", ["x"], name="two")
    writer.nodes[-1].output[0] = "one_out"
    return [y.replace("two", "one")]


def limited(low, high):
    """Integers that are limited to no range."""
    writer = Writer()
    q = writer.node("QuantizeLinear", ["x", writer.constant(np.float32(1)),
                                       writer.constant(np.int8(0))])
    ends = [writer.constant(np.int8(one)) for one in (low, high)]
    return writer.finish(MAP, writer.node("Clip", [q, *ends], name="one"))


def constant_twice(writer):
    for _ in range(2):
        y = writer.node("Identity", [writer.constant(ONES)], name="one")
    return ["x", y]


REFUSED = {
    "padding is short": (model("Pad", np.array([0, 0, 1])), r"two numbers for each of 4 axes"),
    "padding cuts off": (model("Pad", np.array([0, 0, -1, 0, 0, 0, 0, 0])),
                         r"padding must cut nothing off, not \(-1, 0, 0, 0\)$"),
    "padding below zero": (model("Pad", np.array([0, 0, 1, 1, 0, 0, 1, 1]), np.float32(-2)),
                           "with zeros, not .* with -2 "),
    "size not known": (model("Resize", NONE, NONE, more=["x"]),
                       "a constant size or factor for each"),
    "sizes by a ratio": (model("Resize", None, None, np.array([1, 4, 12, 15]), opset=18,
                               keep_aspect_ratio_policy="not_larger"),
                         "sizes must be taken as they are, not by 'not_larger'$"),
    "corners": (model("Resize", NONE, np.float32([1, 1, 2, 2]),
                      coordinate_transformation_mode="align_corners"), "nearest by whole factors"),
    "squeezed": (model("Squeeze", np.array([2])), r"axes of one, not \[2\] of \(1, 4, 6, 5\)$"),
    "sizes between": (model("Unsqueeze", np.array([2])), r"not make \(1, 4, 1, 6, 5\) of it"),
    "dropout": (model("Dropout", np.float32(0.5), np.array(True)), "evaluated, not trained$"),
    "cast": (model("Cast", to=6), "it must be to floats$"),
    "joined maps": (joined(shorter), "at least two of one height and width"),
    "joined alone": (model("Concat", axis=1), "inputs must be at least two"),
    "joined otherwise": (joined(turned), "must all lie channels first, or all last"),
    "joined flat": (joined(vectors, axis=1),
                    r"'flatten_0_out' must be a map \(6, 5, 4\) .*flattened"),
    "sum of others": (joined(vectors, "Add"), "both inputs must have one shape"),
    "sum of one": (model("Add"), "it must have an input 1$"),
    "sum of sizes": (joined(shorter, "Add"), r"one shape, not \(4, 6, 5\) and \(4, 5, 5\)"),
    "sum otherwise": (model("Add", np.ones((2, 1, 1, 1), np.float32)),
                      "constant must be of one sample"),
    "sum of channels": (model("Add", np.ones((3, 1, 1), np.float32)),
                        r"suit a map \(4, 6, 5\), not be"),
    "sum of nothing": (model("Add", np.float32(np.nan)), "offset must be finite numbers"),
    "sum of some": (flat("Add", np.ones(7, np.float32)), "one number or 120, not 7$"),
    "least of three": (model("Min", np.float32(1), np.float32(2)), "of a tensor and one number"),
    "limits computed": (model("Clip", more=["x"]), "its limits must be constants$"),
    "limits turned": (model("Clip", np.float32(1), np.float32(0)),
                      "leave a range, not 1.0 to 0.0$"),
    "dense of a map": (model("Gemm", np.ones((5, 4), np.float32)), "a flattened map or a vector"),
    "dense of samples": (flat("Gemm", np.ones((120, 4), np.float32), transA=1), "a row of it"),
    "dense of three axes": (flat("MatMul", np.ones((1, 120, 4), np.float32)), "must have 2 axes"),
    "dense of others": (flat("MatMul", np.ones((7, 4), np.float32)), "over 120 elements, not 7$"),
    "dense of no weight": (flat("Gemm", np.ones((120, 4), np.float32), alpha=0.0), "not 0, 1$"),
    "constant times": (first("MatMul", np.ones((4, 4), np.float32)), "not a constant$"),
    "no filters": (model("Conv", ONES[:0]), r"not be empty, not of shape \(0, 4, 1, 1\)$"),
    "groups": (model("Conv", ONES, group=3), "groups must divide 4 filters, not 3$"),
    "groups of inputs": (model("ConvTranspose", ONES, group=3), "divide 4 channels, not 3$"),
    "transposed to sizes": (model("ConvTranspose", ONES, output_shape=[12, 10]),
                            "its padding must be given as numbers"),
    "biases": (model("Conv", ONES, np.ones(3, np.float32)),
               r"bias must be one a filter \(4\), not 3$"),
    "kernel": (model("Conv", ONES, kernel_shape=[3, 3]), r"of the weights \(1, 1\), not \(3, 3\)$"),
    "padding of three": (model("Conv", ONES, pads=[1, 1, 1]), "must pad one or two axes"),
    "strides of three": (model("Conv", ONES, strides=[1, 1, 1]), "one or two axes, not"),
    "a row for a column": (model("Conv", ONES[..., 0], shape=(1, 4, 5), pads=[1, 0, 1, 0]),
                           r"must make 20 elements, not \(3, 5, 4\)$"),
    "pool of no size": (model("MaxPool"), r"one or two sizes, not \[\]$"),
    "pool in padding": (model("MaxPool", kernel_shape=[1, 1], pads=[1, 1, 1, 1]),
                        r"not lie in its padding \(1, 1, 1, 1\)$"),
    "pool of steps": (model("AveragePool", kernel_shape=[2, 2], dilations=[2, 2], opset=19),
                      r"no dilation, not \(2, 2\)$"),
    "normalisation": (model("BatchNormalization", *NORMAL, training_mode=1), "not trained$"),
    "normalisation of others": (model("BatchNormalization", *[one[:3] for one in NORMAL]),
                                "input must have 3 channels, not 4$"),
    "normalisation uneven": (model("BatchNormalization", *NORMAL[1:], np.ones(3, np.float32)),
                             r"variance must be one a channel \(4,\), not of shape \(3,\)$"),
    "normalisation of none": (model("BatchNormalization", *NORMAL[1:], NORMAL[0] * np.nan),
                              "variance must be finite numbers"),
    "normalisation below zero": (model("BatchNormalization", *NORMAL[1:], -NORMAL[0]),
                                 "variance and epsilon must be positive"),
    "made twice": (joined(twice, "Relu"), "output 'one_out' must be made once$"),
    "constant made twice": (joined(constant_twice, "Conv"), "output 'one_out' must be made once$"),
    "dequantised alone": (model("DequantizeLinear", np.float32(1), np.int8(0)),
                          "must read what QuantizeLinear made, or a constant$"),
    "limits of integers": (limited(5, 5), "limits must leave a range, not 5 to 5$"),
    "zero point of nothing": (model("Quant", *np.float32([1, np.inf, 8]),
                                    domain="qonnx.custom_op.general"),
                              "zero point must be a finite number, not inf$"),
    "scales computed": (model("QuantizeLinear", more=["x"]), "not 0 of them$"),
    "16 bits": (model("QuantizeLinear", np.float32(1), opset=21, output_dtype=5),
                "must round to INT8 or UINT8, not to type 5$"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    data, text = REFUSED[name]
    with pytest.raises(NhotError, match=text) as caught:
        read_onnx(data)
    assert str(caught.value).startswith("Operator 'one' (")


def changed(act, content=None):
    """A model whose protobuf was changed."""
    import onnx

    made = onnx.ModelProto.FromString(content or model("Conv", ONES))
    act(made.graph)
    return made.SerializeToString()


def elements(graph):
    """An integer that its type does not hold."""
    (weights,) = graph.initializer
    weights.ClearField("raw_data")
    weights.data_type = 3
    weights.int32_data.extend([128] * 16)


def branch(graph):
    """An attribute that is a graph, in place of a number."""
    graph.node[0].attribute.add(name="group", type=5)


def argument(graph):
    """An attribute that is one of a function."""
    graph.node[0].attribute.add(name="group", type=2, ref_attr_name="groups")


@pytest.mark.parametrize(("act", "text"), [
    (lambda graph: graph.sparse_initializer.add(), "must have no sparse constants, not 1$"),
    (lambda graph: graph.output[0].type.sequence_type.SetInParent(),
     "must be tensors, not 'one_out' of sequence_type$"),
    (lambda graph: graph.output[0].ClearField("type"), "not 'one_out' of no type$"),
    (lambda graph: graph.initializer.add().CopyFrom(graph.initializer[0]),
     "Constant 'constant_0' must be there once, not twice$"),
    (elements, "Constant 'constant_0' must have elements of INT8$"),
    *((act, r"Operator 'one' \(Conv\): its attributes must be of the types")
      for act in (branch, argument)),
], ids=["sparse", "sequence", "nothing", "twice", "elements", "branch", "argument"])
def test_files_that_are_refused(act, text):
    with pytest.raises(NhotError, match=text):
        read_onnx(changed(act))


def test_a_circle_at_the_end():
    writer = Writer()
    writer.node("Identity", ["b_out"], name="a")
    with pytest.raises(NhotError, match=r"'a' \(Identity\): input 'b_out' must be made by"):
        read_onnx(writer.finish(MAP, writer.node("Identity", ["a_out"], name="b")))


def test_bounds(monkeypatch, tmp_path):
    monkeypatch.setattr(protobuf, "MOST_NODES", 0)
    with pytest.raises(NhotError, match=r"must have at most 0 operators, not 1$"):
        read_onnx(model("Conv", ONES))
    monkeypatch.undo()
    monkeypatch.setattr(tensors, "MOST_BYTES", 63)

    def beside(graph):
        (weights,) = graph.initializer
        weights.ClearField("raw_data")
        weights.data_location = 1
        weights.external_data.add(key="location", value="w.bin")

    (tmp_path / "w.bin").write_bytes(ONES.tobytes())
    with pytest.raises(NhotError, match=r"must have at most 63 bytes beside it$"):
        read_onnx(changed(beside), tmp_path)

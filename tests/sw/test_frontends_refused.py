"""What of TensorFlow Lite is refused: by name, reason and list."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from nhot.errors import MissingToolError, NhotError
from nhot.export.tflite.writer import Writer
from nhot.frontends import read_graph
from nhot.frontends.tflite.interpreter import run_tflite
from nhot.frontends.tflite.read import read_tflite
from nhot.testing.foreign import damaged, tflite_models

CONV = {"DilationHFactor": 1, "DilationWFactor": 1, "StrideH": 1, "StrideW": 1}
SAME, VALID = 0, 1
MAP = (1, 6, 4, 4)
AROUND = np.array([[0, 0], [1, 2], [0, 1], [0, 0]], np.int32)


def floats(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def chain(kind="RELU", *, options="", kinds="FLOAT32", weights=None, more=(), results=1, shape=MAP,
          sources=1, scale=(), zero=(), **members):
    """A model of one operator, which may be wrong."""
    writer = Writer()
    first = writer.tensor(shape, type=kinds, scale=scale, zero=zero)
    tensors = [first, *(writer.tensor(shape, type=kinds, scale=scale, zero=zero)
                        for _ in range(sources - 1))][:sources]
    inputs = [*tensors, *([] if weights is None else [weights(writer)]),
              *(make(writer) for make in more)]
    outputs = [writer.tensor(shape, type=kinds, scale=scale, zero=zero, name="out")
               for _ in range(results)]
    writer.operator(kind, inputs, outputs[0], options, **members)
    return writer.finish(first, *outputs)


def given_weights(values=None, **options):
    values = floats(4, 1, 1, 4) if values is None else values
    return lambda writer: writer.constant(values, **options)


BYTES = {"kinds": "INT8", "scale": [0.5], "zero": [-128]}
INT8 = np.ones((4, 1, 1, 4), np.int8)
PLAIN = {"kind": "CONV_2D", "options": "Conv2DOptions", **CONV}
REFUSED = {
    "unknown operator": ({"kind": "HARD_SWISH"},
                         r"'out' \(HARD_SWISH\): it must be one of ADD, .* not HARD_SWISH$"),
    "limits": ({"kind": "MINIMUM", "weights": given_weights(floats(4))},
               r"'out' \(MINIMUM\): it must be of a tensor and one number, the same for all"),
    "two tensors": ({"kind": "MAXIMUM", "sources": 2}, "of a tensor and one number, a constant"),
    "sigmoid alone": ({"kind": "LOGISTIC"}, "Model must compute its output from its input"),
    "softmax of nothing": ({"kind": "SOFTMAX", "sources": 0, "more": []},
                           r"'out' \(SOFTMAX\): it must have an input 0, not only 0"),
    "no weights": ({"kind": "RELU"}, "at least one operator with weights"),
    "two outputs": ({"results": 2}, "one output, not 2"),
    "dynamic shape": ({**PLAIN, "shape": (1, -1, 4, 4), "weights": given_weights()},
                      r"fixed shape and a batch of 1, not \(1, -1, 4, 4\)"),
    "batch": ({**PLAIN, "shape": (2, 6, 4, 4), "weights": given_weights()}, "a batch of 1"),
    "five axes": ({"shape": (1, 2, 3, 4, 5)}, "2 to 4 axes, the batch's included, not 5"),
    "per-channel activations": (
        {**PLAIN, **BYTES, "scale": [0.5] * 4, "zero": [0] * 4, "weights": given_weights(INT8)},
        "one scale and one zero point, not 4 and 4"),
    "activations of 16 bits": ({**PLAIN, "kinds": "INT16", "weights": given_weights()},
                               "must be of FLOAT32, INT8 or UINT8, not of INT16"),
    "zero points of weights": (
        {**PLAIN, **BYTES, "weights": given_weights(INT8, scale=[0.5], zero=[3])},
        r"'out' \(CONV_2D\): weights 'tensor_1' must have the zero point 0, not 3"),
    "zero points of unsigned weights": (
        {**PLAIN, **BYTES, "weights": given_weights(INT8.view(np.uint8), scale=[0.5], zero=[120])},
        "must have the zero point 128, not 120"),
    "scales along another axis": (
        {**PLAIN, **BYTES, "weights": given_weights(INT8, scale=[0.5] * 4, zero=[0] * 4, axis=3)},
        "for each of 4 filters along axis 0, not 4 along axis 3"),
    "scales that are none": (
        {**PLAIN, **BYTES, "weights": given_weights(INT8, scale=[0.0], zero=[0])},
        "must have scales above 0"),
    "weights of 4 bits": (
        {**PLAIN, **BYTES, "weights": given_weights(INT8, type="INT4", scale=[0.5], zero=[0])},
        "must have a type of FLOAT32, FLOAT16, INT8, UINT8, INT32, INT64, not INT4"),
    "activation": ({**PLAIN, "weights": given_weights(), "FusedActivationFunction": 4},
                   "must be one of RELU, RELU_N1_TO_1, RELU6, not number 4"),
    "padding": ({**PLAIN, "weights": given_weights(), "Padding": 2}, "SAME or VALID, not number 2"),
    "stride": ({**PLAIN, "weights": given_weights(), "StrideH": 0}, "stride must be 2 numbers"),
    "infinite weights": ({**PLAIN, "weights": given_weights(np.full((4, 1, 1, 4), np.inf, "f4"))},
                         "weights must be finite"),
    "other channels": ({**PLAIN, "weights": given_weights(floats(4, 1, 1, 3))},
                       "input must have a multiple of 3 channels, not 4"),
    "computed weights": ({**PLAIN, "sources": 2}, "input 'tensor_1' must be a constant"),
    "biases of another size": ({**PLAIN, "weights": given_weights(),
                                "more": [given_weights(floats(3))]}, "bias must be one a filter"),
    "biases of another size, as integers": (
        {**PLAIN, **BYTES, "weights": given_weights(INT8, scale=[0.5], zero=[0]),
         "more": [given_weights(np.zeros(3, np.int32))]}, "bias must be one a filter .4., not 3"),
    "padded average": (
        {"kind": "AVERAGE_POOL_2D", "options": "Pool2DOptions", "FilterHeight": 3,
         "FilterWidth": 3, "StrideH": 1, "StrideW": 1, "Padding": SAME},
        "its windows must lie within the map"),
    "mean of channels": ({"kind": "MEAN", "weights": given_weights(np.array([3], np.int32))},
                         r"over height and width, not over the axes \[3\]"),
    "padded channels": (
        {"kind": "PAD", "weights": given_weights(np.array([[0, 0]] * 3 + [[0, 1]], np.int32))},
        "must pad height and width alone"),
    "padded with ones": (
        {"kind": "PADV2", "weights": given_weights(AROUND),
         "more": [given_weights(np.ones(1, np.float32))]}, "must pad with zeros, .* not 1$"),
    "joined rows": ({"kind": "CONCATENATION", "options": "ConcatenationOptions", "Axis": 1,
                     "sources": 2}, "made by operators before, not made later, or never"),
    "odd transposition": (
        {"kind": "TRANSPOSE", "weights": given_weights(np.array([0, 2, 1, 3], np.int32))},
        r"not order axes as \[0, 2, 1, 3\]"),
    "product of tensors": ({"kind": "MUL", "options": "MulOptions", "sources": 2},
                           "the sum of two tensors, or of a tensor and a constant"),
    "division by zero": ({"kind": "DIV", "options": "DivOptions",
                          "weights": given_weights(np.zeros(1, np.float32))}, "other than zero"),
    "joined maps along rows": (
        {"kind": "CONCATENATION", "options": "ConcatenationOptions", "Axis": 1},
        r"must join channels \(axis 3\), not along axis 1$"),
    "weights of five axes": ({**PLAIN, "weights": given_weights(floats(1, 4, 1, 1, 4))},
                             r"must have 4 axes, not the shape \(1, 4, 1, 1, 4\)$"),
    "depthwise weights of others": (
        {**PLAIN, "kind": "DEPTHWISE_CONV_2D", "options": "DepthwiseConv2DOptions",
         "weights": given_weights(floats(2, 1, 1, 4))}, r"\(1, y, x, filters\), not 2 of these$"),
    "weights in another order": (
        {"kind": "FULLY_CONNECTED", "options": "FullyConnectedOptions", "WeightsFormat": 1,
         "weights": given_weights(floats(5, 96))}, "weights must be in the default order$"),
    "dense over others": (
        {"kind": "FULLY_CONNECTED", "options": "FullyConnectedOptions",
         "weights": given_weights(floats(5, 7))}, "weights must be over 96 elements, not 7$"),
    "half a factor": (
        {"kind": "RESIZE_NEAREST_NEIGHBOR", "options": "ResizeNearestNeighborOptions",
         "AlignCorners": True, "weights": given_weights(np.array([6, 4], np.int32))},
        r"without aligned corners, not from \(6, 4\) to \(6, 4\)$"),
    "whole biases of a float model": (
        {**PLAIN, "weights": given_weights(), "more": [given_weights(np.ones(4, np.int32))]},
        "bias must be float where weights or inputs are$"),
    "constant of samples": ({"kind": "ADD", "options": "AddOptions",
                             "weights": given_weights(floats(2, 1, 1, 4))},
                            r"must be of one sample, not of shape \(2, 1, 1, 4\)$"),
    "axes of floats": ({"kind": "MEAN", "weights": given_weights(np.ones(2, np.float32))},
                       "input 1 must be a constant of integers$"),
    "custom operator": ({"kind": "CUSTOM"}, r"\(CUSTOM ''\): it must be one of .* not CUSTOM ''$"),
    "sparse weights": ({**PLAIN, "weights": given_weights(IsVariable=True)},
                       "must be neither sparse nor variable"),
    "too few bytes": ({**PLAIN, "weights": lambda w: w.tensor((4, 1, 1, 5), floats(4, 1, 1, 4))},
                      r"as its shape \(4, 1, 1, 5\) of FLOAT32 needs, not 64"),
    "more than all memory": ({**PLAIN, "shape": (1, 1 << 16, 1 << 15, 4),
                              "weights": given_weights()}, "at most 67,108,864 elements"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name, tmp_path):
    model, message = REFUSED[name]
    path = tmp_path / "m.tflite"
    path.write_bytes(chain(**model))
    with pytest.raises(NhotError, match=message) as caught:
        read_graph(path)
    assert str(caught.value).startswith(f"File {str(path)!r}: ")
    assert "\n" not in str(caught.value)


def refused(writer, source, result, text):
    with pytest.raises(NhotError, match=text):
        read_tflite(writer.finish(source, result))


def turned(writer, source):
    """The same map, channels first."""
    order = writer.constant(np.array([0, 3, 1, 2], np.int32))
    return writer.operator("TRANSPOSE", [source, order], writer.tensor((1, 4, 6, 4)))


def test_maps_that_lie_otherwise():
    writer = Writer()
    x = writer.tensor(MAP)
    first, y = turned(writer, x), writer.tensor(MAP, name="sum")
    writer.operator("ADD", [x, first], y, "AddOptions")
    refused(writer, x, y, r"'sum' \(ADD\): both inputs must lie channels first, or both last$")
    writer = Writer()
    x, weights = writer.tensor(MAP), writer.constant(floats(4, 1, 1, 4))
    y = writer.tensor((1, 4, 6, 4), name="conv")
    writer.operator("CONV_2D", [turned(writer, x), weights], y, "Conv2DOptions", **CONV)
    refused(writer, x, y, r"'conv' \(CONV_2D\): input '\w+' must be a map \(6, 4, 4\), "
                          "not channels first$")


def test_what_is_flattened_is_no_map():
    writer = Writer()
    x, flat, y = writer.tensor(MAP), writer.tensor((1, 96), name="flat"), writer.tensor(MAP)
    writer.operator("RESHAPE", [x, writer.constant(np.array([1, 96], np.int32))], flat)
    writer.operator("CONV_2D", [flat, writer.constant(floats(4, 1, 1, 4))], y, "Conv2DOptions",
                    **CONV)
    refused(writer, x, y, r"input 'flat' must be a map \(6, 4, 4\), not flattened$")


def test_tensors_are_made_once():
    writer = Writer()
    x, y = writer.tensor(MAP), writer.tensor(MAP, name="twice")
    for _ in range(2):
        writer.operator("RELU", [x], y)
    refused(writer, x, y, r"'twice' \(RELU\): output 'twice' must be made once$")


def test_max_pools_that_pad_twice():
    writer = Writer()
    x, padded, y = writer.tensor(MAP), writer.tensor((1, 9, 5, 4)), writer.tensor((1, 9, 5, 4))
    least = writer.constant(np.full(1, np.finfo(np.float32).min, np.float32))
    writer.operator("PADV2", [x, writer.constant(AROUND), least], padded)
    writer.operator("MAX_POOL_2D", [padded], y, "Pool2DOptions", FilterHeight=3, FilterWidth=3,
                    StrideH=1, StrideW=1, Padding=SAME)
    refused(writer, x, y, r"\(MAX_POOL_2D\): it must not pad what is padded already$")


def test_files_without_a_graph():
    """A model of nothing but its version and its name."""
    import flatbuffers
    import tflite

    builder = flatbuffers.Builder(0)
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    builder.Finish(tflite.ModelEnd(builder), file_identifier=b"TFL3")
    with pytest.raises(NhotError, match=r"^Model must have a graph$"):
        read_tflite(bytes(builder.Output()))


def test_other_files_are_refused_by_what_they_are(tmp_path):
    path = tmp_path / "m.tflite"
    with pytest.raises(NhotError, match="could not be read"):
        read_graph(path)
    path.write_bytes(b"GGUF" + bytes(60))
    with pytest.raises(NhotError, match=r"must be a model of another tool .*, not a GGUF model"):
        read_graph(path)
    path.write_bytes(bytes(60))
    with pytest.raises(NhotError, match="must be a TensorFlow Lite file"):
        read_graph(path)


def test_damaged_files_are_refused_by_name_or_read(tmp_path):
    path, refused = tmp_path / "m.tflite", []
    for data in damaged(tflite_models()[1:], 600):
        path.write_bytes(data)
        try:
            read_graph(path)
        except NhotError as error:
            refused.append(str(error))
    assert len(refused) > 300
    assert all("\n" not in text and repr(str(path)) in text for text in refused)


def test_without_the_package_the_extra_is_named(monkeypatch, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(tflite_models()[1])
    monkeypatch.setitem(sys.modules, "tflite", None)
    with pytest.raises(MissingToolError, match=r"pip install 'nhot\[tflite\]'"):
        read_graph(path)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(MissingToolError, match=r"pip install 'nhot\[test\]'"):
        run_tflite(b"", [])

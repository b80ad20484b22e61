"""Reference models from TensorFlow Lite files, which the tests write themselves."""

from __future__ import annotations

import sys

import flatbuffers
import numpy as np
import pytest
import tflite
import torch
from hypothesis import given
from hypothesis import strategies as st

from nhot.errors import MissingToolError, NhotError
from nhot_hw.bench.networks.reference_model import load_reference

FLOAT, INT8, INT32 = (getattr(tflite.TensorType, name) for name in ("FLOAT32", "INT8", "INT32"))


class Writer:
    """A model of one chain of operators; constants are tensors with a buffer of their own."""

    def __init__(self):
        self.builder = flatbuffers.Builder(0)
        self.buffers, self.tensors, self.codes, self.operators = [self.buffer(b"")], [], [], []

    def table(self, name, **members):
        getattr(tflite, f"{name}Start")(self.builder)
        for member, value in members.items():
            getattr(tflite, f"{name}Add{member}")(self.builder, value)
        return getattr(tflite, f"{name}End")(self.builder)

    def offsets(self, values):
        self.builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            self.builder.PrependUOffsetTRelative(value)
        return self.builder.EndVector()

    def numbers(self, values, kind=np.int32):
        return self.builder.CreateNumpyVector(np.asarray(values, kind))

    def buffer(self, data):
        return self.table("Buffer", Data=self.builder.CreateByteVector(data)) if data else (
            self.table("Buffer"))

    def tensor(self, shape, values=None, kind=FLOAT, scale=None):
        members = {"Shape": self.numbers(shape), "Type": kind, "Buffer": 0}
        if values is not None:
            self.buffers.append(self.buffer(values.tobytes()))
            members["Buffer"] = len(self.buffers) - 1
        if scale is not None:
            members["Quantization"] = self.table(
                "QuantizationParameters", Scale=self.numbers(scale, np.float32),
                ZeroPoint=self.numbers(np.zeros(len(scale)), np.int64), QuantizedDimension=0,
            )
        self.tensors.append(self.table("Tensor", **members))
        return len(self.tensors) - 1

    def constant(self, values, **options):
        return self.tensor(values.shape, values, **options)

    def operator(self, name, inputs, output, options=None, **members):
        code = getattr(tflite.BuiltinOperator, name)
        self.codes.append(self.table("OperatorCode", BuiltinCode=code,
                                     DeprecatedBuiltinCode=min(code, 127)))
        known = {} if options is None else {
            "BuiltinOptionsType": getattr(tflite.BuiltinOptions, options),
            "BuiltinOptions": self.table(options, **members),
        }
        self.operators.append(self.table(
            "Operator", OpcodeIndex=len(self.codes) - 1, Inputs=self.numbers(inputs),
            Outputs=self.numbers([output]), **known,
        ))

    def write(self, path, source, *results):
        graph = self.table(
            "SubGraph", Tensors=self.offsets(self.tensors), Operators=self.offsets(self.operators),
            Inputs=self.numbers([source]), Outputs=self.numbers(results),
        )
        self.builder.Finish(self.table(
            "Model", Version=3, Subgraphs=self.offsets([graph]), Buffers=self.offsets(self.buffers),
            OperatorCodes=self.offsets(self.codes),
        ), b"TFL3")
        path.write_bytes(self.builder.Output())
        return path


def same_convolution(x, weights, bias, stride, *, depthwise):
    """What TensorFlow calls "same", by its definition. x (h, w, c), weights (f, kh, kw, c)"""
    kernel = weights.shape[1:3]
    outputs = [-(-size // step) for size, step in zip(x.shape, stride, strict=False)]
    missing = [max((out - 1) * step + taps - size, 0) for out, step, taps, size in
               zip(outputs, stride, kernel, x.shape, strict=False)]
    padded = np.pad(x, [*((m // 2, m - m // 2) for m in missing), (0, 0)])
    y = np.zeros((*outputs, len(bias)))
    for row, column in np.ndindex(*outputs):
        part = padded[row * stride[0]:, column * stride[1]:][:kernel[0], :kernel[1]]
        sums = (part * weights[0]).sum((0, 1)) if depthwise else (part * weights).sum((1, 2, 3))
        y[row, column] = sums + bias
    return y


@st.composite
def convolutions(draw):
    """Sizes, kernels and strides for which the padding is even, uneven or none."""
    size = draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))
    return size, draw(st.tuples(st.integers(1, 4), st.integers(1, 4))), draw(
        st.tuples(st.integers(1, 3), st.integers(1, 3)))


@given(convolutions(), st.booleans(), st.booleans())
def test_convolutions_are_padded_as_tensorflow_pads(tmp_path_factory, sizes, depthwise, relu):
    size, kernel, stride = sizes
    random, writer = np.random.default_rng(0), Writer()
    shape = (1, *kernel, 2) if depthwise else (3, *kernel, 2)
    weights = random.normal(size=shape).astype(np.float32)
    bias = random.normal(size=2 if depthwise else 3).astype(np.float32)
    x = random.normal(size=(*size, 2)).astype(np.float32)
    wanted = same_convolution(x, weights, bias, stride, depthwise=depthwise)
    source = writer.tensor((1, *x.shape))
    result = writer.tensor((1, *wanted.shape))
    name, options = ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions") if depthwise else (
        "CONV_2D", "Conv2DOptions")
    writer.operator(
        name, [source, writer.constant(weights), writer.constant(bias)], result, options,
        Padding=tflite.Padding.SAME, StrideH=stride[0], StrideW=stride[1], DilationHFactor=1,
        DilationWFactor=1, FusedActivationFunction=int(relu),
    )
    model = load_reference(writer.write(tmp_path_factory.mktemp("m") / "m.tflite", source, result))
    assert model.input_shape == (2, *size)
    with torch.no_grad():
        got = model(torch.tensor(x).permute(2, 0, 1)[None])[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(got, np.maximum(wanted, 0) if relu else wanted, atol=1e-5)


def test_residual_pool_dense_and_softmax(tmp_path):
    random, writer = np.random.default_rng(1), Writer()
    x = random.normal(size=(4, 4, 2)).astype(np.float32)
    codes = random.integers(-127, 128, (3, 2)).astype(np.int8)
    bias = random.normal(size=3).astype(np.float32)
    source, total = writer.tensor((1, 4, 4, 2)), writer.tensor((1, 4, 4, 2))
    pooled, flat = writer.tensor((1, 1, 1, 2)), writer.tensor((1, 2))
    dense, result = writer.tensor((1, 3)), writer.tensor((1, 3))
    writer.operator("ADD", [source, source], total, "AddOptions", FusedActivationFunction=1)
    writer.operator("AVERAGE_POOL_2D", [total], pooled, "Pool2DOptions", FilterHeight=4,
                    FilterWidth=4, StrideH=4, StrideW=4, Padding=tflite.Padding.VALID)
    shape = writer.constant(np.array([-1, 2], np.int32), kind=INT32)
    writer.operator("RESHAPE", [pooled, shape], flat)
    weights = writer.constant(codes, kind=INT8, scale=[0.5])
    writer.operator("FULLY_CONNECTED", [flat, weights, writer.constant(bias)], dense,
                    "FullyConnectedOptions")
    writer.operator("SOFTMAX", [dense], result)
    model = load_reference(writer.write(tmp_path / "m.tflite", source, result))
    with torch.no_grad():
        got = model(torch.tensor(x).permute(2, 0, 1)[None])[0].numpy()
    mean = np.maximum(2 * x, 0).mean((0, 1))
    np.testing.assert_allclose(got, codes * 0.5 @ mean + bias, rtol=1e-5)


def test_bytes_with_a_scale_for_each_filter(tmp_path):
    writer, codes = Writer(), np.array([[3, -4], [5, 6]], np.int8)
    source, result = writer.tensor((1, 2)), writer.tensor((1, 2))
    weights = writer.constant(codes, kind=INT8, scale=[0.5, 2.0])
    writer.operator("FULLY_CONNECTED", [source, weights, writer.constant(np.ones(2, np.float32))],
                    result, "FullyConnectedOptions")
    model = load_reference(writer.write(tmp_path / "m.tflite", source, result))
    assert model.input_shape == (2, 1, 1)
    assert model(torch.tensor([[1.0, 0.0]])).tolist() == [[2.5, 11.0]]


def chain(
    path, name="RELU", *, options=None, inputs=1, kind=FLOAT, weights=None, bias=None, results=1,
    **members,
):
    """A model of one operator, which may be wrong."""
    writer = Writer()
    tensors = [writer.tensor((1, 4, 4, 1), kind=kind) for _ in range(inputs)]
    constants = [] if weights is None else [weights(writer), *([bias(writer)] if bias else [])]
    outputs = [writer.tensor((1, 4, 4, 1)) for _ in range(results)]
    writer.operator(name, [*tensors, *constants], outputs[0], options, **members)
    return writer.write(path / "m.tflite", tensors[0], *outputs)


CONV = {"name": "CONV_2D", "options": "Conv2DOptions", "DilationHFactor": 1, "DilationWFactor": 1}


@pytest.mark.parametrize(("model", "constraint"), [
    ({}, "alone, not RELU$"),
    ({**CONV, "FusedActivationFunction": 3}, "no activation but ReLU, not number 3 after CONV_2D"),
    ({**CONV, "DilationHFactor": 2}, r"no dilation, not \(2, 1\) of CONV_2D"),
    ({**CONV, "kind": INT8}, "float activations, not tensor 0 of type 9"),
    ({**CONV, "weights": lambda w: w.constant(np.ones((1, 1, 1, 1), np.int8), kind=INT8)},
     "float weights, or bytes with a scale, not tensor 1 of type 9"),
    ({**CONV, "weights": lambda w: w.constant(np.full((1, 1, 1, 1), np.nan, np.float32))},
     "finite weights, not those of tensor 1"),
    ({"name": "ADD", "inputs": 2, "results": 2}, "one output, not 2"),
])
def test_what_no_reference_model_has_is_refused(tmp_path, model, constraint):
    with pytest.raises(NhotError, match=constraint):
        load_reference(chain(tmp_path, **model))


@pytest.mark.parametrize(("model", "constraint"), [
    ({"name": "RESHAPE"}, "must have RESHAPE of one position"),
    ({"name": "AVERAGE_POOL_2D", "options": "Pool2DOptions", "FilterHeight": 3, "FilterWidth": 3,
      "StrideH": 1, "StrideW": 1, "Padding": tflite.Padding.SAME}, "pools that count no zeros"),
])
def test_what_no_module_does_is_refused(tmp_path, model, constraint):
    with pytest.raises(NhotError, match=constraint):
        load_reference(chain(tmp_path, **model))


def test_damaged_files_are_refused_by_name_or_run(tmp_path):
    sound = {**CONV, "StrideH": 1, "StrideW": 1,
             "weights": lambda w: w.constant(np.ones((1, 3, 3, 1), np.float32))}
    with pytest.raises(NhotError, match="must have weights that fit its layers"):
        load_reference(chain(tmp_path, **sound))  # it has no bias
    path = chain(tmp_path, **sound, bias=lambda w: w.constant(np.ones(1, np.float32)))
    assert load_reference(path).input_shape == (1, 4, 4)
    whole, random, refused = path.read_bytes(), np.random.default_rng(0), []
    for case in range(600):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), case % 5):
            damaged[place] = random.integers(0, 256)
        path.write_bytes(damaged[: random.integers(0, len(whole)) if case % 2 else None])
        try:
            load_reference(path)
        except NhotError as error:
            refused.append(str(error))
    assert len(refused) > 300
    assert all("\n" not in text and repr(str(path)) in text for text in refused)
    with pytest.raises(NhotError, match="could not be read"):
        load_reference(tmp_path / "absent.tflite")


def test_without_the_package_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tflite", None)
    with pytest.raises(MissingToolError, match=r"pip install 'nhot\[bench\]'"):
        load_reference(tmp_path / "m.tflite")

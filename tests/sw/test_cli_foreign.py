"""Models of other tools on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nhot.cli import main
from nhot.export.tflite.writer import Writer
from nhot.network.file import load

CONV = {"DilationHFactor": 1, "DilationWFactor": 1, "StrideH": 1, "StrideW": 1}


def model(*, quantised):
    """A convolution and a dense layer over pictures of 4 x 4."""
    writer, random = Writer(), np.random.default_rng(0)

    def activation(shape, scale, zero, name):
        if quantised:
            return writer.activation(shape, scale, zero, name=name)
        return writer.tensor(shape, name=name)

    def weights(*shape):
        if quantised:
            codes = random.integers(-127, 128, shape).astype(np.int8)
            return writer.constant(codes, scale=[0.01] * shape[0], zero=[0] * shape[0])
        return writer.constant(random.normal(size=shape).astype(np.float32))

    x = activation((1, 4, 4, 1), 1 / 255, -128, "image")
    y = activation((1, 2, 2, 3), 0.02, -128, "model/conv/Relu;model/conv/Conv2D")
    flat, z = activation((1, 12), 0.02, -128, "flat"), activation((1, 2), 0.05, 3, "scores")
    writer.operator("CONV_2D", [x, weights(3, 3, 3, 1)], y, "Conv2DOptions", Padding=1,
                    FusedActivationFunction=1, **CONV)
    writer.operator("RESHAPE", [y, writer.constant(np.array([1, 12], np.int32))], flat)
    writer.operator("FULLY_CONNECTED", [flat, weights(2, 12)], z, "FullyConnectedOptions")
    return writer.finish(x, z)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Two models and pictures, in the folder that commands run in."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_int8.tflite").write_bytes(model(quantised=True))
    (tmp_path / "own.tflite").write_bytes(model(quantised=False))
    random = np.random.default_rng(1)
    x, y = random.random((40, 1, 4, 4)).astype(np.float32), np.arange(40) % 2
    np.savez(tmp_path / "data.npz", x=x, y=y)
    return tmp_path


def test_a_quantised_model_needs_no_data(files, capsys):
    assert main(["quantize", "own_int8.tflite", "--format", "int8", "-o", "net.onnx",
                 "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["network"] == "own_int8-int8"
    assert facts["accuracy"] == {}
    network = load("net.onnx")
    assert [node.name for node in network.nodes] == ["model/conv/Relu", "scores"]
    assert (network.input.scale, network.input.zero_point) == (np.float32(1 / 255), -128)
    assert (network.output.scale, network.output.zero_point) == (np.float32(0.05), 3)


def test_data_correct_what_rounding_shifts(files, capsys):
    arguments = ["quantize", "own_int8.tflite", "--format", "1hot", "--data", "data.npz", "--test",
                 "data.npz", "--inputs", "x.npy", "-o", "net.onnx", "--json"]
    assert main(arguments) == 0
    facts = json.loads(capsys.readouterr().out)
    assert list(facts["accuracy"]) == ["float", "rounded", "corrected"]
    assert load("net.onnx").input.zero_point == -128
    assert np.load("x.npy").shape == (40, 4, 4, 1)


def test_a_model_in_float_gets_its_ranges_from_data(files, capsys):
    assert main(["quantize", "own.tflite", "--data", "data.npz", "-o", "net.onnx"]) == 0
    assert load("net.onnx").nodes[0].format.name == "2hot"
    assert "model/conv/Relu" in capsys.readouterr().out


def test_it_can_be_trained_on(files):
    assert main(["quantize", "own_int8.tflite", "--format", "2hot", "--data", "data.npz",
                 "--finetune", "--epochs", "1", "-o", "net.onnx"]) == 0
    assert load("net.onnx").output.scale == np.float32(0.05)


def test_what_is_in_it(files, capsys):
    assert main(["info", "own_int8.tflite", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["tool"] == "TensorFlow Lite"
    assert facts["input"] == {"name": "input", "shape": [4, 4, 1], "bits": 8, "signed": True,
                              "scale": pytest.approx(1 / 255), "zero_point": -128}
    assert [(one["name"], one["operator"], one.get("weights"), one.get("zero_point"))
            for one in facts["layers"]] == [
        ("model/conv/Relu", "Conv", 27, None), ("model/conv/Relu/RELU", "Clamp", None, -128),
        ("scores", "Dense", 24, 3)]
    assert main(["info", "own.tflite"]) == 0
    assert "input     4x4x1" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "message"), [
    (["own.tflite"], "Samples (--data) must be given: the model does not say the range of its in"),
    (["own_int8.tflite", "--finetune"], "--data must be given with --finetune"),
    (["own_int8.tflite", "--adaptive-rounding"], "--data must be given with --adaptive-rounding"),
    (["own_int8.tflite", "--inputs", "x.npy"], "--data must be given with --inputs"),
    (["own_int8.tflite", "--option", "a=1"], "--option must not be given with 'own_int8.tflite'"),
    (["own_int8.tflite", "--weights", "a.pt"], "--weights must not be given with 'own_int8.tfli"),
    (["absent.tflite"], "Model 'absent.tflite' could not be read"),
    (["empty.tflite"], "File 'empty.tflite' must be a network of the catalogue"),
    (["cut.tflite"], "File 'cut.tflite': Model must be a whole TensorFlow Lite file"),
])
def test_what_does_not_fit_is_refused(files, capsys, arguments, message):
    (files / "empty.tflite").write_bytes(b"")
    (files / "cut.tflite").write_bytes(model(quantised=True)[:700])
    assert main(["quantize", *arguments, "-o", "net.onnx"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"nhot: error: {message}")
    assert not (files / "net.onnx").exists()


def test_onnx_of_other_tools(tmp_path, monkeypatch, capsys):
    from nhot.testing.foreign import onnx_models

    monkeypatch.chdir(tmp_path)
    for name, data in zip(("float", "qdq", "qonnx", "turned"), onnx_models(), strict=True):
        (tmp_path / f"{name}.onnx").write_bytes(data)
    assert main(["info", "qdq.onnx", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["tool"], facts["left_out"]) == ("ONNX", ["Softmax"])
    assert (facts["input"]["scale"], facts["input"]["zero_point"]) == (0.03125, 3)
    for name in ("qdq", "qonnx"):
        assert main(["quantize", f"{name}.onnx", "--format", "2hot", "-o", f"{name}-net.onnx"]) == 0
        assert load(f"{name}-net.onnx").input.scale == 0.03125
        assert main(["info", f"{name}-net.onnx"]) == 0
    capsys.readouterr()
    assert main(["quantize", "float.onnx", "-o", "net.onnx"]) == 2
    assert "Samples (--data) must be given" in capsys.readouterr().err
    assert main(["quantize", "qdq-net.onnx", "-o", "net.onnx"]) == 2
    assert "nhot compile takes it" in capsys.readouterr().err
    (tmp_path / "cut.onnx").write_bytes(onnx_models()[1][:-9])
    assert main(["quantize", "cut.onnx", "-o", "net.onnx"]) == 2
    assert "'cut.onnx': Model must be a whole ONNX file" in capsys.readouterr().err
    assert not (tmp_path / "net.onnx").exists()

"""Exported files of every kind: the same bytes again, standard ONNX, the command."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from nhot.cli import main
from nhot.errors import MissingToolError, NhotError
from nhot.export import to_onnx, to_tflite
from nhot.filetype import identify
from nhot.network.file import save, to_bytes
from nhot.testing.networks import EVERY_OPERATOR, random_input, random_network

onnx = pytest.importorskip("onnx", reason="needs the package onnx")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs the package onnxruntime")
pytest.importorskip("tflite", reason="needs the package tflite")


def test_the_same_bytes_again():
    network = random_network(3, layers=6)
    assert to_tflite(network).data == to_tflite(network).data
    assert to_onnx(network) == to_onnx(network)


def test_without_the_packages(monkeypatch):
    monkeypatch.setitem(sys.modules, "tflite", None)
    with pytest.raises(MissingToolError, match=r"pip install 'nhot\[tflite\]'"):
        to_tflite(random_network(1))


def session(data):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.add_session_config_entry("session.x64quantprecision", "1")
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("seed", range(8))
def test_standard_onnx(seed, tmp_path):
    network = random_network(seed, layers=5, operators=EVERY_OPERATOR, argmax=seed % 2 == 0)
    data = to_onnx(network)
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    assert not model.metadata_props
    assert {one.domain for one in model.opset_import} == {""}
    # It computes what the network file does, which has been compared with the reference.
    x = random_input(network.input, 4, seed)
    real = ((x - network.input.zero_point) * network.input.scale).astype(np.float32)
    real = real.transpose(0, 3, 1, 2)
    (wanted,) = session(to_bytes(network)).run(None, {network.input.name: real})
    (got,) = session(data).run(None, {network.input.name: real})
    np.testing.assert_array_equal(got, wanted)
    fixed = session(to_onnx(network, batch=1))
    assert fixed.get_inputs()[0].shape[0] == 1
    (first,) = fixed.run(None, {network.input.name: real[:1]})
    assert first.shape == wanted[:1].shape
    (tmp_path / "x.onnx").write_bytes(data)
    assert identify(tmp_path / "x.onnx").kind == "foreign"
    with pytest.raises(NhotError, match="Batch must be at least 1, not 0"):
        to_onnx(network, batch=0)


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    network = random_network(2, layers=3, operators=("conv", "linear", "add"))
    save(network, "net.onnx")
    for name, data in (("a.tflite", to_tflite(network).data), ("b.onnx", to_onnx(network)),
                       ("c.onnx", to_onnx(network, batch=3))):
        batch = ["--batch", "3"] if name == "c.onnx" else []
        assert main(["export", "net.onnx", "-o", name, *batch, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {
            "file": name, "network": network.name, "bytes": len(data)}
        assert (tmp_path / name).read_bytes() == data
    assert main(["export", "net.onnx", "-o", "a.tflite"]) == 0
    assert capsys.readouterr().out == "a.tflite\n"

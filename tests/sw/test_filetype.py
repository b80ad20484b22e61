"""A file that is something else is refused by what it is, in one sentence."""

import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nhot.cli import main
from nhot.compiler import EngineConfig, compile_network
from nhot.errors import NhotError
from nhot.filetype import KINDS, expect, identify
from nhot.network.file import to_bytes
from nhot.testing.networks import random_network

onnx = pytest.importorskip("onnx", reason="needs the package onnx")
torch = pytest.importorskip("torch", reason="needs the package torch")

BITSTREAMS = Path(__file__).parents[2] / "bitstreams"


def archive(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name in names:
            file.writestr(name, b"{}")
    return buffer.getvalue()


def tarred():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as file:
        file.addfile(tarfile.TarInfo("weights.pt"), io.BytesIO())
    return buffer.getvalue()


def foreign(producer="pytorch", version="2.3.1", domain=""):
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [x], [x])
    model = onnx.helper.make_model(
        graph, producer_name=producer, producer_version=version,
        opset_imports=[onnx.helper.make_opsetid("", 17), onnx.helper.make_opsetid(domain, 1)],
    )
    return model.SerializeToString()


def saved(value, legacy=False):
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def arrays(save, value):
    buffer = io.BytesIO()
    save(buffer, value)
    return buffer.getvalue()


NETWORK = random_network(1, layers=2, operators=("conv",))
WEIGHTS = {"w": torch.zeros(2)}
FILES = {
    "network": to_bytes(NETWORK),
    "image": compile_network(NETWORK, EngineConfig()).to_bytes(),
    "manifest": (BITSTREAMS / "icebreaker/2hot/manifest.json").read_bytes(),
    "report": json.dumps({"version": 2, "entries": []}).encode(),
    "config": json.dumps({"filters": 4, "format": "2hot"}).encode(),
    "weights": saved(WEIGHTS),
    "array": arrays(np.save, np.zeros(3)),
}
WEIGHT_FILES = {
    "legacy": saved(WEIGHTS, legacy=True),
    "checkpoint": b"nhot checkpoint 1\n" + bytes(40),
}
FOREIGN = {
    "a TensorFlow Lite model": b"\x1c\0\0\0TFL3" + bytes(60),
    "an ExecuTorch program": b"\x1c\0\0\0ET12" + bytes(60),
    "a Keras model (HDF5)": b"\x89HDF\r\n\x1a\n" + bytes(500) + b"keras_version",
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(500),
    "a Keras model (.keras)": archive("metadata.json", "config.json", "model.weights.h5"),
    "a Keras model (JSON)": b'{"class_name": "Functional", "config": {}}',
    "a TorchScript model": archive("net/data.pkl", "net/constants.pkl", "net/code/net.py"),
    "a model of torch.export (.pt2)": archive("net/models/model.json", "net/data/weights"),
    "an archive of arrays (.npz)": arrays(lambda to, value: np.savez(to, x=value), np.zeros(3)),
    "a zip archive": archive("photograph.jpg"),
    "a Python pickle": pickle.dumps({"a": 1}),
    "a GGUF model": b"GGUF\3\0\0\0" + bytes(60),
    "an ONNX model of pytorch 2.3.1": foreign(),
    "an ONNX model of another tool": foreign("", ""),
    "a QONNX model": foreign(domain="qonnx.custom_op.general"),
    "an OpenVINO model": b'<?xml version="1.0"?>\n<net name="a" version="11">',
    "an HTML page": b"<!DOCTYPE html>\n<html>",
    "a Jupyter notebook": b'{"cells": [], "nbformat": 4}',
    "an iCE40 bitstream": (BITSTREAMS / "icebreaker/2hot/top.bin").read_bytes(),
    "an ECP5 bitstream": (BITSTREAMS / "ulx3s-85f/2hot/top.bit").read_bytes(),
    "a picture (PNG)": b"\x89PNG\r\n\x1a\n" + bytes(60),
    "a tar archive": tarred(),
    "a gzip archive": b"\x1f\x8b\x08" + bytes(60),
    "an empty file": b"",
}


@pytest.mark.parametrize("kind", FILES)
def test_own_files_are_known(kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(FILES[kind])
    assert identify(path).kind == kind
    expect(path, kind)
    for other in KINDS.keys() - {kind}:
        with pytest.raises(NhotError) as caught:
            expect(path, other)
        assert str(caught.value).startswith(f"File {str(path)!r} must be {KINDS[other]}, not a")


@pytest.mark.parametrize("kind", WEIGHT_FILES)
def test_all_files_of_weights_are_known(kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(WEIGHT_FILES[kind])
    assert identify(path).kind == "weights"


@pytest.mark.parametrize("name", FOREIGN)
def test_other_files_are_named(name, tmp_path):
    path = tmp_path / "model.onnx"  # the name of a file says nothing
    path.write_bytes(FOREIGN[name])
    found = identify(path)
    assert found.name == name
    for kind in KINDS.keys() - {found.kind}:
        with pytest.raises(NhotError, match=r"^File .* must be .*, not ") as caught:
            expect(path, kind)
        assert f", not {name}" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_what_says_nothing_is_left_to_its_reader(tmp_path):
    path = tmp_path / "file"
    for content in (b"no model", b"{", b"{}", b'{"a": 1}', b"[" * 10_000, b'{"a":' * 10_000,
                    b"\x80", b"P", FILES["weights"][:-99], bytes(300),
                    b"\x08\x0a\x3a\xff\xff\xff\xff\x0f", b"\x08" + b"\xff" * 30):
        path.write_bytes(content)
        assert identify(path) is None
        expect(path, "network")
    expect(tmp_path / "missing", "network")
    expect("a\0b", "network")


@pytest.mark.parametrize("name", ["absent", "a\0b", "x" * 300, "locked"])
def test_what_cannot_be_read_is_left_to_its_reader(name, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "locked").write_bytes(b"GGUF")
    monkeypatch.setattr(Path, "open", refuse)
    assert identify(tmp_path / name) is None


def test_folders_are_named(tmp_path):
    assert identify(tmp_path).name == "a folder"
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    assert identify(tmp_path).name == "a TensorFlow model (SavedModel)"


def test_names_of_tools_are_visible_characters(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(foreign("\x1b[31mred\n" + "long" * 100))
    name = identify(path).name
    assert name.isprintable()
    assert len(name) < 150


def test_damaged_files_are_no_accident(tmp_path):
    """Whatever the bytes are, a file has a name or none."""
    random = np.random.default_rng(0)
    path = tmp_path / "file"
    samples = [*FILES.values(), *WEIGHT_FILES.values(), *FOREIGN.values()]
    for number in range(600):
        data = bytearray(samples[number % len(samples)][:5000])
        for _ in range(int(random.integers(1, 6))):
            if data:
                data[int(random.integers(min(len(data), 64)))] = int(random.integers(256))
        path.write_bytes(data[: int(random.integers(len(data) + 1))])
        found = identify(path)
        assert found is None or found.name.isprintable()


COMMANDS = {
    "quantize": ["quantize", "{}", "--data", "digits", "-o", "out.onnx"],
    "quantize --weights": ["quantize", "digits", "--weights", "{}", "--data", "digits",
                           "-o", "out.onnx"],
    "train": ["train", "{}", "--data", "digits", "-o", "out.pt"],
    "compile": ["compile", "{}", "--board", "icebreaker"],
    "compile --config": ["compile", "net.onnx", "--config", "{}"],
    "info": ["info", "{}"],
    "verify": ["verify", "{}"],
    "verify --network": ["verify", "net.img", "--network", "{}"],
    "verify --input": ["verify", "net.img", "--input", "{}"],
    "simulate": ["simulate", "{}", "--input", "x.npy"],
    "load": ["load", "{}", "--port", "virtual"],
    "run": ["run", "{}", "--port", "virtual", "--input", "x.npy"],
    "report": ["report", "{}"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_a_file_of_another_tool(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("net.onnx").write_bytes(FILES["network"])
    Path("net.img").write_bytes(FILES["image"])
    for name, path in (
        ("an ExecuTorch program", "ic01.tflite"), ("a GGUF model", "model.gguf"),
        ("a Python pickle", "odd.pkl"), ("an ECP5 bitstream", "top.bit"),
    ):
        Path(path).write_bytes(FOREIGN[name])
        before = sorted(Path().iterdir())
        assert main([part.format(path) for part in COMMANDS[command]]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.splitlines()
        assert line.startswith(f"nhot: error: File {path!r} must be ")
        assert f", not {name}" in line
        assert sorted(Path().iterdir()) == before


def test_the_step_between_is_told(tmp_path):
    path = tmp_path / "file"
    for kind, wanted, step in (
        ("network", "image", "nhot compile makes an image of it"),
        ("weights", "network", "nhot quantize MODEL --weights makes a network of them"),
        ("image", "network", "it is compiled already"),
    ):
        path.write_bytes(FILES[kind])
        with pytest.raises(NhotError, match=step):
            expect(path, wanted)
    path.write_bytes(foreign())
    with pytest.raises(NhotError, match="nhot quantize makes a network of it, if it is supported"):
        expect(path, "network")

"""``nhot quantize`` on a model of one's own, and on the digits."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nhot.cli import main

pytest.importorskip("torch")
pytest.importorskip("onnx")

MODEL = """
import torch
from torch import nn

def build():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
"""


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Pictures of 4 x 4 pixels, bright on the left (0) or on the right (1)."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(5)
    y = random.integers(0, 2, 64)
    x = random.uniform(0, 0.4, (64, 1, 4, 4))
    for picture, label in zip(x, y, strict=True):
        picture[0, :, 2 * label : 2 * label + 2] += 0.6
    (tmp_path / "model.py").write_text(MODEL)
    np.savez(tmp_path / "data.npz", x=x.astype(np.float32), y=y)
    np.savez(tmp_path / "bare.npz", x=x)
    return tmp_path


def quantize(*more):
    return main(["quantize", "model.py:build", "--data", "data.npz", "-o", "net.onnx", *more])


def test_own_model(files, capsys):
    from nhot.network.file import load
    from nhot.network.reference import run

    arguments = ["--test", "data.npz", "--finetune", "--epochs", "4", "--inputs", "x.npy"]
    assert quantize("--format", "3hot", *arguments, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["network"] == "build-3hot"
    assert list(facts["accuracy"]) == ["float", "rounded", "finetuned"]
    network = load("net.onnx")
    assert {node.format.name for node in network.nodes if hasattr(node, "format")} == {"3hot"}
    # what was promised is what the integers do
    answers = run(network, np.load("x.npy")).reshape(64, -1).argmax(1)
    with np.load("data.npz") as data:
        assert (answers == data["y"]).mean() == facts["accuracy"]["finetuned"]


def test_the_same_seed_gives_the_same_file(files):
    assert quantize("--finetune", "--epochs", "1") == 0
    first = (files / "net.onnx").read_bytes()
    assert quantize("--finetune", "--epochs", "1") == 0
    assert (files / "net.onnx").read_bytes() == first


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.py:build", "-o", "net.onnx"], "--data must be given"),
        (["model.py:build", "--data", "data.npz", "-o", "net.img"], "must end in .onnx"),
        (["model.py:nothing", "--data", "data.npz", "-o", "net.onnx"], "'nothing'"),
        (["model.pt", "--data", "data.npz", "-o", "net.onnx"], "Model must be"),
        (["model.py:build", "--data", "no.npz", "-o", "net.onnx"], "no.npz"),
        (["model.py:build", "--data", "model.py", "-o", "net.onnx"], "npz"),
        (["model.py:build", "--data", "bare.npz", "--finetune", "-o", "net.onnx"], "labels y"),
        (["model.py:build", "--data", "data.npz", "--format", "9hot", "-o", "net.onnx"], "not 9"),
        (["digits", "--data", "data.npz", "-o", "net.onnx"], "digits brings its data along"),
    ],
)
def test_what_does_not_fit_is_refused(files, capsys, arguments, message):
    assert main(["quantize", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not list(files.glob("net.*"))


@pytest.mark.slow
def test_digits(tmp_path, capsys):
    assert main(["quantize", "digits", "-o", str(tmp_path / "net.onnx"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["accuracy"]["finetuned"] > 0.97


def test_a_folder_that_is_not_there_is_found_before_the_training(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("nhot.cli.quantize._digits", lambda *_: pytest.fail("trained"))
    path = tmp_path / "absent" / "net.onnx"
    assert main(["quantize", "digits", "-o", str(path)]) == 2
    assert f"Folder of {str(path)!r} must exist" in capsys.readouterr().err

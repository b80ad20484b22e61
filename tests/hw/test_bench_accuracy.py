"""The reference model for images, judged in several formats on made-up pictures."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nhot.errors import NhotError
from nhot.experiments.data.dataset import Dataset
from nhot_hw.bench.networks import accuracy, measure, measured_on
from nhot_hw.cli import bench


@pytest.fixture
def model(monkeypatch):
    """A model that names the test images as their labels do, and none of the others."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 10, 32), nn.Flatten()).eval()
    x = np.random.default_rng(0).random((1200, 3, 32, 32)).astype(np.float32)
    with torch.no_grad():
        y = model(torch.tensor(x) * 255).argmax(1).numpy()
    images = Dataset(train_x=x[:600], train_y=y[:600], test_x=x[600:], test_y=y[600:])
    monkeypatch.setattr(accuracy, "IMAGES", 500)
    monkeypatch.setattr(accuracy, "load_cifar10", lambda folder: images)
    monkeypatch.setattr(accuracy, "float_model", lambda name, folder: (model, folder is not None))
    return model


def test_float_comes_first_and_what_needs_training_is_left_out(model):
    found = accuracy.accuracies(Path("models"), Path("data"), ["2hot", "signed-binary", "1hot"])
    assert list(found) == ["float", "int8", "2hot", "1hot"]
    assert found["float"] == 1
    assert 1 > found["int8"] > found["2hot"] > found["1hot"] > 0.1
    assert found == accuracy.accuracies(Path("models"), Path("data"), ["2hot", "1hot"])


def test_random_weights_are_not_judged(model):
    with pytest.raises(NhotError, match=r"must have 'ic01_float.tflite' to be judged on data"):
        accuracy.accuracies(None, Path("data"), ["2hot"])


def command(*options):
    parser = ArgumentParser()
    bench.add_arguments(parser)
    return bench.run(parser.parse_args(["networks", *options]))


def test_command_adds_the_accuracy(model, monkeypatch, capsys):
    monkeypatch.setattr(measured_on, "committed", list)
    monkeypatch.setattr(measure, "measure", lambda *_, **more: [])
    assert command("--models", ".", "--data", ".", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert list(facts["accuracy"]) == ["float", "int8"]
    assert "float 100.00%, int8 9" in facts["legend"][-1]
    with pytest.raises(NhotError, match="--models must be given with --data"):
        command("--data", ".")

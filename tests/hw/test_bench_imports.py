"""``nhot bench imports``: models of other tools beside their own interpreter."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nhot.cli import main
from nhot.experiments.data.dataset import Dataset
from nhot.testing.foreign import tflite_models
from nhot_hw.bench import imports


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A folder with a small model."""
    monkeypatch.setattr(imports, "SAMPLES", 50)
    (tmp_path / "small_int8.tflite").write_bytes(tflite_models()[1])
    (tmp_path / "small_float.tflite").write_bytes(tflite_models()[0])
    return tmp_path


def test_each_layer_is_compared(models, capsys):
    assert main(["bench", "imports", "--models", str(models), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert (row["model"], row["inputs"], row["layers"]) == ("small_int8", "random", 5)
    assert row["largest_of_layer"] <= 1
    assert 0 <= row["differing"] < 0.1
    assert row["classes"] > 0.9
    assert row["own_classes"] > 0.9
    assert main(["bench", "imports", "--models", str(models)]) == 0
    assert "small_int8" in capsys.readouterr().out


def test_the_classifier_of_images_is_given_images(models, monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (60, 1, 4, 4)) / np.float32(255)
    data = Dataset(train_x=images, train_y=images, test_x=images, test_y=images)
    monkeypatch.setattr("nhot.experiments.data.cifar10.load_cifar10", lambda folder: data)
    (models / "small_int8.tflite").rename(models / "ic01_int8.tflite")
    (row,) = imports.measure(models, models)
    assert row.inputs == "CIFAR-10"
    assert row.largest_of_layer <= 1


def test_what_is_missing_is_told(tmp_path, capsys):
    assert main(["bench", "imports"]) == 2
    assert "--models must name the folder of the models *_int8.tflite" in capsys.readouterr().err
    assert main(["bench", "imports", "--models", str(tmp_path)]) == 2
    assert "must have files *_int8.tflite" in capsys.readouterr().err
    (tmp_path / "a_int8.tflite").write_bytes(tflite_models()[0])
    assert main(["bench", "imports", "--models", str(tmp_path)]) == 2
    assert "Samples (--data) must be given" in capsys.readouterr().err

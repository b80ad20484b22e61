"""``nhot train``: weights for the float networks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import wave
from argparse import Namespace

import numpy as np
import pytest

from nhot.cli import main
from nhot.cli.training import augmentation, original
from nhot.errors import NhotError

torch = pytest.importorskip("torch")

MODEL = """
from torch import nn

def build(classes=2):
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, classes)
    )

def single():
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 1))

def images():
    return nn.Conv2d(1, 1, 1)

def coder():
    return nn.Sequential(nn.Linear(6, 2), nn.Linear(2, 6))
"""

MEAN = """
from torch import nn

def build():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
"""


@pytest.fixture
def files(tmp_path, monkeypatch, halves):
    """A model and pictures, in the folder that commands run in."""
    monkeypatch.chdir(tmp_path)
    x, y = halves
    random = np.random.default_rng(6)
    (tmp_path / "model.py").write_text(MODEL, encoding="utf-8")
    np.savez(tmp_path / "data.npz", x=x.astype(np.float32), y=y)
    np.savez(tmp_path / "bare.npz", x=x)
    np.savez(tmp_path / "vectors.npz", x=random.normal(size=(32, 6)))
    return tmp_path


def train(*more, model="model.py:build", data="data.npz"):
    return main(["train", model, "--data", data, "-o", "w.pt", "--batch", "16", *more])


def write_folders(root):
    """Two classes of images, red and blue, to train on and to validate with."""
    image = pytest.importorskip("PIL.Image")
    for split in ("train", "val"):
        for name, color in (("blue", (0, 0, 255)), ("red", (255, 0, 0))):
            (root / split / name).mkdir(parents=True)
            for number in range(4):
                image.new("RGB", (9, 7), color).save(root / split / name / f"{number}.png")


def test_weights_can_be_loaded(files, capsys):
    from nhot.experiments.training import accuracy
    from nhot.quant.loading import load_model
    from nhot.quant.weights_file import load_weights

    assert train("--test", "data.npz", "--epochs", "8", "--lr", "0.05", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    model = load_model("model.py:build")
    load_weights(model, "w.pt")
    with np.load("data.npz") as data:
        assert accuracy(model, (data["x"], data["y"])) == facts["accuracy"]
    assert facts["file"] == "w.pt"
    assert facts["epochs"] == 8


def test_the_digits(files, capsys):
    assert train("--epochs", "3", "--lr", "0.05", model="digits", data="digits") == 0
    assert float(capsys.readouterr().err.split("accuracy ")[1].split()[0]) > 80


def test_a_stopped_training_goes_on(files, capsys):
    assert train("--epochs", "2", "--run", "runs/a") == 0
    first = torch.load("w.pt", weights_only=True)
    assert train("--epochs", "2", "--run", "runs/a") == 0
    again = torch.load("w.pt", weights_only=True)
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert train("--epochs", "2", "--run", "runs/a", "--seed", "1") == 2
    assert "its seed is 0, not 1" in capsys.readouterr().err


def test_options_reach_the_training(files, monkeypatch):
    import nhot.experiments.training
    from nhot.errors import NhotError

    def stop(model, data, settings, **more):
        seen.update(vars(settings), augment=more["augment"], run=more["run"])
        raise NhotError("enough")

    seen = {}
    monkeypatch.setattr(nhot.experiments.training, "fit", stop)
    assert train("--epochs", "3", "--lr", "0.5", "--optimizer", "adamw", "--schedule", "constant",
                 "--weight-decay", "0.1", "--precision", "bf16", "--device", "cpu", "--threads",
                 "0", "--workers", "2", "--seed", "7", "--augment", "crop-flip", "--run", "r") == 2
    expected = {
        "epochs": 3, "lr": 0.5, "batch": 16, "optimizer": "adamw", "schedule": "constant",
        "weight_decay": 0.1, "precision": "bf16", "device": "cpu", "threads": None, "workers": 2,
        "seed": 7, "channels_last": False,
    }
    assert {name: seen[name] for name in expected} == expected
    assert type(seen["augment"]).__name__ == "CropFlip"
    assert str(seen["run"]) == "r"


def test_an_autoencoder(files, capsys):
    assert train("--loss", "mean-squares", "--epochs", "1", "--test", "vectors.npz", "--json",
                 model="model.py:coder", data="vectors.npz") == 0
    assert json.loads(capsys.readouterr().out)["loss"] > 0


@pytest.mark.parametrize("target", [
    {"y": "pairs"}, {"y": "single", "model": "model.py:single"},
    {"y": "images", "model": "model.py:images"},
])
def test_targets(files, capsys, target):
    """Numbers that a network is to give, of any shape, from training to the integers."""
    x = np.random.default_rng(7).random((48, 1, 4, 4))
    y = {"pairs": x.sum(3)[:, 0, :2], "single": x.sum((1, 2, 3)), "images": 2 * x}[target["y"]]
    np.savez("targets.npz", x=x, y=y)
    model, data = target.get("model", "model.py:build"), ("--data", "targets.npz")
    chosen = ("--loss", "mean-squares", "--test", "targets.npz", "--json")
    losses = []
    for epochs in ("1", "40"):
        assert train(*chosen, "--epochs", epochs, "--lr", "0.02", model=model,
                     data="targets.npz") == 0
        losses.append(json.loads(capsys.readouterr().out)["loss"])
    assert losses[1] < losses[0] / 2
    for more in ((), ("--finetune", "--epochs", "2")):
        assert main(["quantize", model, *data, *chosen, "--weights", "w.pt", "-o", "n.onnx",
                     *more]) == 0
        scores = json.loads(capsys.readouterr().out)["loss"]
        assert scores["float"] == pytest.approx(losses[1])
        assert max(scores.values()) < losses[0]


@pytest.mark.parametrize(("y", "message"), [
    (np.zeros((32, 3)), "Output of the model must have its target's shape (2, 3), not (2, 2)"),
    (np.zeros((31, 2)), "must be numbers, an output for each sample (32, ...), not float64 of"),
    (np.full((32, 2), np.nan), "Array y of targets.npz must be finite numbers, not NaN"),
    (np.zeros((32, 2), complex), "must hold numbers, not dtype('complex128')"),
])
def test_targets_that_do_not_fit(files, capsys, y, message):
    np.savez("targets.npz", x=np.zeros((32, 1, 4, 4)), y=y)
    for data, test in (("targets.npz", "targets.npz"), ("targets.npz", "bare.npz")):
        assert train("--loss", "mean-squares", "--test", test, data=data) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line or "Data bare.npz must have targets y, as targets.npz has" in line
    assert not (files / "w.pt").exists()


def test_the_autoencoder_on_sounds(files, capsys):
    pytest.importorskip("scipy")
    time = np.arange(32_000) / 16_000
    for name in ("train/normal_id_01_0", "test/normal_id_01_1", "test/anomaly_id_01_0"):
        path = files / "toy" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes((1000 * np.sin(500 * time)).astype("<i2").tobytes())
    toy = ["autoencoder", "--data", "toy", "--json"]
    assert main(["train", *toy, "--epochs", "1", "--batch", "4", "--lr", "1e-3", "-o", "w.pt"]) == 0
    loss = json.loads(capsys.readouterr().out)["loss"]
    assert main(["quantize", *toy, "--weights", "w.pt", "--samples", "4", "-o", "net.onnx"]) == 0
    assert json.loads(capsys.readouterr().out)["loss"]["float"] == pytest.approx(loss)


@pytest.mark.parametrize("kept", [1 << 30, 0])
def test_folders_of_images(files, capsys, monkeypatch, kept):
    monkeypatch.setattr("nhot.experiments.tasks.source.IN_MEMORY", kept)
    write_folders(files / "colors")
    (files / "mean.py").write_text(MEAN, encoding="utf-8")
    sizes = ["--size", "6", "8", "--epochs", "20", "--batch", "8", "--lr", "1"]
    arguments = ["train", "mean.py:build", "--data", "colors", "-o", "w.pt"]
    assert main([*arguments, *sizes, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] == 1
    assert main(arguments) == 2
    assert "Size must be given for the images of" in capsys.readouterr().err
    if not kept:
        assert main([*arguments, *sizes, "--loss", "mean-squares"]) == 2
        message = "Data colors must fit into memory for the loss mean-squares"
        assert message in capsys.readouterr().err
    (files / "colors" / "train" / "red" / "2.png").write_bytes(b"\x89PNG cut off")
    assert main([*arguments, *sizes]) == 2
    assert "Image 'colors/train/red/2.png' must be a whole image file" in capsys.readouterr().err


@pytest.mark.parametrize(("arguments", "message"), [
    (["--epochs", "0"], "Epochs must be 1 to"),
    (["--lr", "-1"], "Lr must be above 0 and at most 1e38, not -1.0"),
    (["--seed", "-1"], "Seed must be 0 to 18446744073709551615, not -1"),
    (["--seed", str(10**30)], f"Seed must be 0 to 18446744073709551615, not {10**30}"),
    (["--option", "classes=1"], "Labels must be 0 to 0, as the model has classes, not 0 to 1"),
    (["--option", "width=1"], "must be given options that it has (classes), not 'width'"),
    (["--option", "classes"], "Option must be NAME=VALUE, not 'classes'"),
    (["--weights", "model.py"], "must be a whole file of torch.save"),
    (["--data", "bare.npz"], "must have labels y"),
    (["--data", "vectors.npz", "--loss", "mean-squares"],
     "Model must take samples of shape (6,), but: RuntimeError"),
    (["--test", "bare.npz"], "must have labels y"),
    (["--test", "absent"], "absent"),
    (["--augment", "jitter"], "jitter must be for centernet"),
    (["-o", "absent/w.pt"], "File 'absent/w.pt' must be one that can be written, but"),
])
def test_what_does_not_fit_is_refused(files, capsys, arguments, message):
    assert train(*arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (files / "w.pt").exists()


def test_data_must_be_named(files, capsys):
    assert main(["train", "digits", "-o", "w.pt"]) == 2
    assert "--data must name what to train on" in capsys.readouterr().err
    assert main(["train", "centernet", "--data", "data.npz", "-o", "w.pt"]) == 2
    assert "must be COCO instances for centernet" in capsys.readouterr().err
    assert train("--augment", "crop-flip", data="vectors.npz", model="model.py:coder") == 2
    capsys.readouterr()


def test_one_process_of_several_writes(files, capsys, monkeypatch):
    from nhot.experiments.training import ranks

    monkeypatch.setattr(ranks, "join", lambda: ranks.Ranks(rank=1, size=2))
    assert train("--epochs", "1", "--report", "r.json") == 0
    assert not capsys.readouterr().out
    assert not (files / "w.pt").exists()
    assert not (files / "r.json").exists()


def test_options_of_a_model_are_python_or_text(files):
    (files / "own.py").write_text("from torch import nn\nclass Own(nn.Identity):\n"
                                  "    def __init__(self, **options):\n"
                                  "        super().__init__()\n        self.options = options\n",
                                  encoding="utf-8")
    options = ["a=3", "b=(1, 2)", "c='x'", "d=two words", "e=relu", "f=1=2"]
    model = original(
        Namespace(model="own.py:Own", option=options, seed=0, weights=None)).module()
    assert model.options == {"a": 3, "b": (1, 2), "c": "x", "d": "two words", "e": "relu",
                             "f": "1=2"}


def test_boxes_move_with_their_pixels():
    arguments = Namespace(model="centernet", augment="jitter")
    assert type(augmentation(arguments)).__name__ == "Jitter"
    arguments.augment = "crop-flip"
    with pytest.raises(NhotError, match="Augmentation of centernet must be jitter, which moves"):
        augmentation(arguments)


def test_two_processes(files):
    command = [sys.executable, "-W", "ignore", "-m", "torch.distributed.run", "--standalone",
               "--nproc-per-node", "2", "-m", "nhot", "train", "model.py:build", "--data",
               "data.npz", "--epochs", "2", "--batch", "16", "--device", "cpu", "-o", "w.pt"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "w.pt\n"
    assert (files / "w.pt").exists()

"""``nhot quantize`` on a model of one's own, and on the digits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from nhot.cli import main
from nhot.errors import NhotError

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
def files(tmp_path, monkeypatch, halves):
    """A model and pictures, in the folder that commands run in."""
    monkeypatch.chdir(tmp_path)
    x, y = halves
    (tmp_path / "model.py").write_text(MODEL, encoding="utf-8")
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
    assert list(facts["accuracy"]) == ["float", "rounded", "int8", "finetuned"]
    network = load("net.onnx")
    assert {node.format.name for node in network.nodes if hasattr(node, "format")} == {"3hot"}
    # what was promised is what the integers do
    answers = run(network, np.load("x.npy")).reshape(64, -1).argmax(1)
    with np.load("data.npz") as data:
        assert (answers == data["y"]).mean() == facts["accuracy"]["finetuned"]


def test_without_labels_nothing_is_measured(files, capsys):
    assert main(["quantize", "model.py:build", "--data", "bare.npz", "-o", "net.onnx"]) == 0
    assert capsys.readouterr().out.startswith("net.onnx\n\nlayer ")


def test_what_is_printed(files, capsys):
    assert quantize("--test", "data.npz", "--layer", "3=ternary") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[2] == ["stage", "accuracy"]
    assert [line[0] for line in lines[3:6]] == ["float", "rounded", "corrected"]
    assert [line[:3] for line in lines[8:10]] == [["0", "2hot", "36"], ["3", "ternary", "32"]]
    assert lines[10][:4] == ["total", "2hot,", "ternary", "68"]


def test_tables_are_one_kind_of_format(files, capsys):
    assert quantize("--format", "2hot/16", "--finetune", "--epochs", "1") == 0
    *layers, total = (line.split()[:2] for line in capsys.readouterr().out.splitlines()[-3:])
    assert total == ["total", "2hot/16"]
    assert [name.startswith("2hot/0-") for _, name in layers] == [True, True]
    assert main(["info", "net.onnx"]) == 0
    assert layers[0][1] in capsys.readouterr().out
    assert quantize("--format", "2hot/12", "-o", "other.onnx") == 2
    assert "Codes of a table must be one of 8, 16, 32, not 12" in capsys.readouterr().err
    assert not (files / "other.onnx").exists()


@pytest.mark.parametrize(("arguments", "stages"), [
    ([], ["float", "rounded", "corrected"]),
    (["--no-bias-correction"], ["float", "rounded"]),
    (["--adaptive-rounding", "--samples", "16"], ["float", "rounded", "adapted", "corrected"]),
    (["--finetune", "--recipe", "one-stage"], ["float", "rounded", "finetuned"]),
    (["--finetune", "--recipe", "from-scratch", "--distill"], ["finetuned"]),
    (["--finetune", "--recipe", "progressive", "--format", "1hot@6"],
     ["float", "rounded", "int8", "int6", "finetuned"]),
])
def test_stages(files, capsys, monkeypatch, arguments, stages):
    monkeypatch.setattr("nhot.cli.quantize.work.STEPS", 10)
    training = ["--epochs", "1", "--batch", "32"] if "--finetune" in arguments else []
    assert quantize("--test", "data.npz", *training, *arguments, "--json") == 0
    assert list(json.loads(capsys.readouterr().out)["accuracy"]) == stages


def test_options_reach_the_rounding(files, monkeypatch):
    import nhot.quant

    seen = {}

    def stop(model, format, samples, **options):
        seen.update(options, format=format, samples=len(samples))
        raise NhotError("enough")

    monkeypatch.setattr(nhot.quant, "quantize", stop)
    assert quantize(
        "--format", "ternary", "--per-layer", "--scale", "searched", "--rule", "twn", "--bits", "4",
        "--activation-terms", "2", "--requant-terms", "1", "--accumulator-bits", "12",
        "--input-range", "0", "1", "--samples", "10", "--layer", "0=2hot", "--layer", "3=int8",
    ) == 2
    assert seen == {
        "format": "ternary", "per_channel": False, "scale": "searched", "rule": "twn", "bits": 4,
        "activation_terms": 2, "requant_terms": 1, "accumulator_bits": 12,
        "input_range": (0.0, 1.0), "samples": 10, "formats": {"0": "2hot", "3": "int8"},
    }


@pytest.mark.parametrize("finetune", [[], ["--finetune", "--epochs", "1", "--batch", "32"]])
@pytest.mark.parametrize("terms", [1, 2])
def test_multipliers_of_few_terms(files, capsys, terms, finetune):
    assert quantize("--requant-terms", str(terms), *finetune) == 0
    assert "keeps multipliers" not in capsys.readouterr().err
    assert main(["info", "net.onnx", "--json"]) == 0
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert 1 <= max(layer.get("requant_terms", 0) for layer in layers) <= terms


def test_multipliers_that_keep_their_terms_are_named(files, capsys):
    (files / "both.py").write_text("""
import torch
from torch import nn

class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.pool = nn.Conv2d(1, 4, 3, padding=1), nn.AvgPool2d(3, 1, 1)

    def forward(self, x):
        x = self.conv(x)
        return self.pool(x) + x
""", encoding="utf-8")
    arguments = ["quantize", "both.py:Both", "--data", "bare.npz", "-o", "net.onnx"]
    assert main([*arguments, "--requant-terms", "1"]) == 0
    said = capsys.readouterr().err
    assert "layer add keeps multipliers of 2 terms: no scales suit all that it joins" in said
    assert main([*arguments, "--requant-terms", "2"]) == 0
    assert "keeps multipliers" not in capsys.readouterr().err


def test_numbers_of_terms_that_there_are_not(files, capsys):
    assert quantize("--requant-terms", "3") == 2
    assert capsys.readouterr().err.endswith("must be 1, 2 or 4, not 3\n")
    assert not (files / "net.onnx").exists()


def test_a_stopped_run_goes_on(files, capsys):
    arguments = ["--finetune", "--epochs", "2", "--run", "runs/a"]
    assert quantize(*arguments) == 0
    first = (files / "net.onnx").read_bytes()
    (files / "runs" / "a" / "2-2hot" / "checkpoint.pt").unlink()
    assert quantize(*arguments) == 0
    assert (files / "net.onnx").read_bytes() == first
    assert quantize(*arguments, "--lr", "1") == 2
    assert "its lr is 0.002, not 1.0" in capsys.readouterr().err


def test_formats_within_a_budget(files, capsys):
    budget = ["--budget", "terms=75%", "--candidates", "1hot,2hot,ternary"]
    assert quantize(*budget, "--measure", "hessian", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    whole = 2 * facts["total"]["macs"]
    assert facts["total"]["shift_adds"] <= 0.75 * whole
    formats = {layer["format"] for layer in facts["layers"]}
    assert formats <= {"1hot", "2hot", "ternary"}
    assert len(formats) > 1


def test_cycles_of_an_engine(files, capsys):
    (files / "e.json").write_text('{"lane": "serial", "format": "2hot"}', encoding="utf-8")
    assert quantize("--budget", "cycles=95%", "--engine", "e.json", "--json") == 0
    formats = [layer["format"] for layer in json.loads(capsys.readouterr().out)["layers"]]
    assert "1hot" in formats


@pytest.mark.parametrize(("format", "more", "drop"), [
    ("signed-binary", ["--data", "data.npz"], "accuracy goes from "),
    ("binary", ["--data", "data.npz"], "accuracy goes from "),
    ("signed-binary/4", ["--data", "bare.npz"], " dB above its error on "),
    ("2hot", ["--data", "data.npz", "--layer", "0=signed-binary"], "weights in signed-binary need"),
    ("2hot", ["--data", "data.npz"], None),
    ("signed-binary", ["--data", "data.npz", "--finetune", "--epochs", "1"], None),
])
def test_what_needs_training_is_told(files, capsys, format, more, drop):
    np.savez("bare.npz", x=np.load("data.npz")["x"])
    assert main(["quantize", "model.py:build", "--format", format, *more, "-o", "n.onnx"]) == 0
    error = capsys.readouterr().err
    assert ("need training" in error) == (drop is not None)
    assert drop is None or drop in error


def test_weights_of_a_training(files, capsys):
    data = ["--data", "data.npz", "--test", "data.npz"]
    assert main(["train", "model.py:build", *data, "--epochs", "8", "--lr", "0.05", "--batch", "16",
                 "--run", "run", "-o", "w.pt", "--json"]) == 0
    trained = json.loads(capsys.readouterr().out)["accuracy"]
    for weights in ("w.pt", "run/checkpoint.pt"):
        assert quantize("--test", "data.npz", "--weights", weights, "--json") == 0
        assert json.loads(capsys.readouterr().out)["accuracy"]["float"] == trained


def test_the_same_seed_gives_the_same_file(files):
    assert quantize("--finetune", "--epochs", "1") == 0
    first = (files / "net.onnx").read_bytes()
    assert quantize("--finetune", "--epochs", "1") == 0
    assert (files / "net.onnx").read_bytes() == first


OWN = ["model.py:build", "--data", "data.npz", "-o", "net.onnx"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.py:build", "-o", "net.onnx"], "--data must be given"),
        (["model.py:build", "--data", "data.npz", "-o", "net.img"], "must end in .onnx"),
        (["model.py:nothing", "--data", "data.npz", "-o", "net.onnx"], "'nothing'"),
        (["model.pt", "--data", "data.npz", "--weights", "w.pt", "-o", "net.onnx"],
         "Model must be one of digits"),
        (["model.py:build", "--data", "no.npz", "-o", "net.onnx"], "no.npz"),
        (["model.py:build", "--data", "model.py", "-o", "net.onnx"], "npz"),
        (["model.py:build", "--data", "bare.npz", "--finetune", "-o", "net.onnx"], "labels y"),
        ([*OWN, "--test", "bare.npz"], "labels y"),
        ([*OWN, "--format", "9hot"], "not 9"),
        ([*OWN, "--layer", "0"], "Layer must be NAME=VALUE, not '0'"),
        ([*OWN, "--layer", "0=9hot"], "not 9"),
        ([*OWN, "--layer", "conv=1hot"], "Layer must be one of 0, 3, not 'conv'"),
        ([*OWN, "--option", "classes=3"], "has (none), not 'classes'"),
        ([*OWN, "--epochs", "3"], "--finetune must be given with --epochs"),
        ([*OWN, "--run", "r"], "--finetune must be given with --run"),
        ([*OWN, "--finetune", "--adaptive-rounding"], "--adaptive-rounding must not be given"),
        ([*OWN, "--finetune", "--no-bias-correction"], "--bias-correction must not be given"),
        ([*OWN, "--finetune", "--epochs", "0"], "Epochs must be 1 to"),
        ([*OWN, "--finetune", "--distill", "--loss", "mean-squares"], "--distill must be for"),
        ([*OWN, "--finetune", "--augment", "jitter"], "jitter must be for centernet"),
        ([*OWN, "--measure", "kl"], "--budget must be given with --measure"),
        ([*OWN, "--budget", "terms=60%", "--layer", "0=1hot"], "--layer must not be given"),
        ([*OWN, "--budget", "watts=3"], "Budget must be terms, bits, cycles"),
        ([*OWN, "--budget", "cycles=60%"], "--engine must be given for a budget of cycles"),
        ([*OWN, "--budget", "bits=60%", "--engine", "e.json"], "cycles, and for no other"),
        ([*OWN, "--budget", "cycles=95%", "--engine", "e.json"], "could not be read: No such"),
        ([*OWN, "--budget", "terms=1"], "Budget must be at least"),
        ([*OWN, "--budget", "terms=60%", "--candidates", "1hot,4ht"], "not '4ht'"),
        ([*OWN, "--samples", "0"], "Number of samples must be at least 1"),
        ([*OWN, "--bits", "9"], "Bits of an activation must be 2 to 8"),
        ([*OWN, "--rule", "twn"], "Rule of weights must be 'nearest'"),
        ([*OWN, "--threshold", "0.1"], "unless they are signed-binary, not 0.1 for 2hot"),
        ([*OWN, "--gradient-schedule"], "Gradient schedule must be for binary"),
        ([*OWN, "--accumulator-bits", "3"], "Layer '0':"),
        ([*OWN, "--accumulator-bits", "-1"], "bits must be 10 to 32 for inputs of 8 bits, not -1"),
        ([*OWN, "--seed", "-1"], "Seed must be 0 to 18446744073709551615, not -1"),
        (["digits", "--seed", str(2**64), "-o", "net.onnx"], f"18446744073709551615, not {2**64}"),
        ([*OWN, "--weights", "no.pt"], "Weights 'no.pt' could not be read"),
        (["resnet8", "--data", "data.npz", "-o", "net.onnx"], "--weights must be given"),
        (["digits", "--bits", "4", "-o", "net.onnx"], "--data must be given with --bits"),
        (["digits", "--data", "digits", "-o", "net.onnx"], "--weights must be given for 'digits'"),
        (["digits", "--data", "data.npz", "--finetune", "--recipe", "from-scratch", "--option",
          "width=3", "-o", "net.onnx"], "has (none), not 'width'"),
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


def test_the_digits_are_those_of_the_package(tmp_path, capsys, monkeypatch):
    """The command trains nothing of its own: what it writes and prints is what it was given."""
    from nhot.experiments import trained_digits
    from nhot.experiments.data import load_digits
    from nhot.experiments.models.digits import digits
    from nhot.network.file import save
    from nhot.quant import quantize as rounded
    from nhot.quant import to_network

    data, asked = load_digits(), []
    model = rounded(digits(), "1hot", data.train_x, input_range=data.input_range)
    network = to_network(model, "some")

    def train(format, *, seed):
        asked.append((format, seed))
        return trained_digits.TrainedDigits(0.5, model, network, {"float": 0.5, "finetuned": 0.25})

    monkeypatch.setattr(trained_digits, "train_digits", train)
    monkeypatch.chdir(tmp_path)
    files = ["-o", "net.onnx", "--inputs", "x.npy", "--labels", "y.npy", "--report", "r.json"]
    assert main(["quantize", "digits", "--format", "1hot", "--seed", "9", *files]) == 0
    assert asked == [("1hot", 9)]
    assert "finetuned   25.00 %" in capsys.readouterr().out
    save(network, "again.onnx")
    assert Path("net.onnx").read_bytes() == Path("again.onnx").read_bytes()
    np.testing.assert_array_equal(np.load("y.npy"), data.test_y)
    assert np.load("x.npy").shape == (599, 8, 8, 1)


def test_one_process_of_several_writes(files, capsys, monkeypatch):
    from nhot.experiments.training import ranks

    monkeypatch.setattr(ranks, "join", lambda: ranks.Ranks(rank=1, size=2))
    assert quantize("--report", "r.json") == 0
    assert not capsys.readouterr().out
    assert not list(files.glob("net.*"))
    assert not (files / "r.json").exists()


def test_choices_are_those_of_the_package():
    from nhot.cli import training
    from nhot.cli.quantize import arguments
    from nhot.experiments.training import settings
    from nhot.quant import RECIPES

    assert tuple(RECIPES) == arguments.RECIPES
    assert training.CHOICES == {
        "optimizer": settings.OPTIMIZERS, "schedule": settings.SCHEDULES,
        "device": settings.DEVICES, "precision": settings.PRECISIONS,
        "augment": ("none", "crop-flip", "jitter"),
    }

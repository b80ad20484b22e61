"""``nhot evaluate`` and ``nhot compare``: every stage of one road, on the same data."""

from __future__ import annotations

import json
import wave

import numpy as np
import pytest

from nhot.cli import main
from nhot.compiler import Image
from nhot.device import Board
from nhot.experiments.data import open_data
from nhot.formats import parse
from nhot.network import Conv2d, Linear, Network, Requant, Tensor, Window
from nhot.network.file import load, save
from nhot.report import read_report
from nhot.stages import NetworkStage
from nhot.testing.foreign import onnx_models, tflite_models
from nhot.testing.machine_board import MachineBoard
from nhot.testing.networks import random_network

pytest.importorskip("torch")
pytest.importorskip("onnx")

MODEL = """
import torch
from torch import nn

def build():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
"""


@pytest.fixture(scope="module")
def road(tmp_path_factory, halves_data):
    """A model trained, quantised and compiled, in a folder."""
    folder = tmp_path_factory.mktemp("road")
    x, y = halves_data
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "model.py").write_text(MODEL, encoding="utf-8")
        np.savez("data.npz", x=x.astype(np.float32), y=y)
        np.savez("numbers.npz", x=x.astype(np.float32), y=np.eye(2)[y])
        data = ["model.py:build", "--data", "data.npz", "--test", "data.npz", "--report", "r.json"]
        assert main(["train", *data, "--epochs", "3", "--lr", "0.05", "-o", "w.pt"]) == 0
        assert main(["quantize", *data, "--weights", "w.pt", "-o", "net.onnx"]) == 0
        assert main(["compile", "net.onnx", "--board", "icebreaker", "--report", "r.json"]) == 0
    return folder


@pytest.fixture
def files(road, monkeypatch):
    monkeypatch.chdir(road)
    monkeypatch.setattr(Board, "open", lambda port, *, baud: MachineBoard())
    return road


def evaluated(capsys, *arguments):
    assert main(["evaluate", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


STAGES = {
    "float": ["model.py:build", "--weights", "w.pt"], "network": ["net.onnx"],
    "image": ["net.img", "--network", "net.onnx"],
    "board on /dev/x": ["net.img", "--network", "net.onnx", "--port", "/dev/x"],
}


def test_every_stage(files, capsys):
    report = read_report("r.json").entries[0]
    trained = {one.stage: one.value for one in report.quantized.scores}
    found = {stage: evaluated(capsys, *arguments, "--data", "data.npz")
             for stage, arguments in STAGES.items()}
    for stage, facts in found.items():
        assert (facts["stage"], facts["samples"], facts["metric"]) == (stage, 64, "accuracy")
    assert found["float"]["value"] == trained["float"]
    assert found["network"]["value"] == trained["corrected"]
    # Integers are the same wherever they are computed.
    same = [found[stage]["confusion"] for stage in ("network", "image", "board on /dev/x")]
    assert same[0] == same[1] == same[2]
    assert np.sum(same[0]) == 64


def test_a_report_gets_what_was_measured(files, tmp_path, capsys):
    path = tmp_path / "r.json"
    path.write_bytes((files / "r.json").read_bytes())
    for arguments in STAGES.values():
        assert main(["evaluate", *arguments, "--data", "data.npz", "--report", str(path)]) == 0
    (entry,) = read_report(path).entries
    assert [one.stage for one in entry.evaluated] == list(STAGES)
    assert all(one.answers.total == 64 and one.data == "data.npz" for one in entry.evaluated)
    assert main(["report", str(path), "-o", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Evaluated" in page
    assert "board on /dev/x, data.npz" in page
    # The same again takes the place of what was there.
    assert main(["evaluate", "net.onnx", "--data", "data.npz", "--report", str(path)]) == 0
    assert len(read_report(path).entries[0].evaluated) == len(STAGES)


def test_the_table(files, capsys):
    assert main(["evaluate", "net.onnx", "--data", "data.npz"]) == 0
    out = capsys.readouterr().out
    value = evaluated(capsys, "net.onnx", "--data", "data.npz")["value"]
    assert out.startswith("network on data.npz (train, 64 samples)\n")
    assert f"{100 * value:.2f} %" in out
    assert "recall" in out
    assert "precision" in out


def test_numbers_and_anomalies(files, capsys):
    facts = evaluated(capsys, "net.onnx", "--data", "numbers.npz", "--task", "numbers")
    assert facts["metric"] == "mean squares"
    assert "confusion" not in facts
    assert facts["value"] > 0
    # Labels 0 and 1 are normal and not; two outputs for a picture are no score.
    assert main(["evaluate", "net.onnx", "--data", "data.npz", "--task", "anomalies"]) == 2
    assert "Model must give 16 numbers" in capsys.readouterr().err


def test_sounds(tmp_path, monkeypatch, capsys):
    """An autoencoder on ToyADMOS: the score of a recording is the mean of its vectors'."""
    pytest.importorskip("scipy")
    monkeypatch.chdir(tmp_path)
    random, rate = np.random.default_rng(0), 16_000
    for name, loud in (("train/normal_id_01_0", 1), ("test/normal_id_01_1", 1),
                       ("test/normal_id_01_2", 2), ("test/anomaly_id_01_0", 50),
                       ("test/anomaly_id_01_1", 1)):
        path = tmp_path / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(random.normal(0, 100 * loud, 6 * rate).astype("<i2").tobytes())
    save(autoencoder(), "net.onnx")
    facts = evaluated(capsys, "net.onnx", "--data", str(tmp_path))
    assert (facts["task"], facts["metric"], facts["samples"]) == ("anomalies", "AUC", 4)
    stage, recordings = NetworkStage(autoencoder()), open_data(tmp_path).test
    scores = [((stage.outputs(x)[:, 0, 0] - x) ** 2).mean() for x, _ in recordings]
    pairs = [scores[one] > scores[other] for one in (2, 3) for other in (0, 1)]
    assert facts["value"] == np.mean(pairs)
    assert 0 < facts["value"] < 1
    assert facts["figures"]["mean score of anomalies"] == pytest.approx(np.mean(scores[2:]))
    facts = compared(capsys, 0, "net.onnx", "net.onnx", "--samples", "3", data=str(tmp_path))
    assert facts["samples"] == 3


def autoencoder():
    """One dense layer that gives back half of its input."""
    grid = {"shape": (1, 1, 640), "signed": True, "scale": 0.5}
    return Network(name="half", input=Tensor(name="input", **grid), nodes=(Linear(
        inputs=("input",), output=Tensor(name="output", **grid), format=parse("int8"),
        weights=np.eye(640, dtype=np.int64), bias=np.zeros(640, np.int64),
        requant=Requant.from_scale([0.5] * 640, zero_point=0, low=-128, high=127),
    ),))


def test_photographs(tmp_path, monkeypatch, capsys):
    """Objects of COCO, in photographs that are brought to the size of the network's input."""
    pytest.importorskip("pycocotools")
    pictures = pytest.importorskip("PIL.Image")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    boxes = []
    for number in range(3):
        pictures.new("RGB", (96, 64), (number, 0, 0)).save(f"images/{number}.png")
        boxes.append({"id": number + 1, "image_id": number, "category_id": 0, "iscrowd": 0,
                      "bbox": [8, 8, 30 + number, 40]})
    for split in ("train", "test"):
        (tmp_path / f"{split}.json").write_text(json.dumps({
            "images": [{"id": one, "file_name": f"{one}.png", "width": 96, "height": 64}
                       for one in range(3)],
            "categories": [{"id": 0, "name": "dot"}], "annotations": boxes,
        }), encoding="utf-8")
    save(blind(), "net.onnx")
    facts = evaluated(capsys, "net.onnx", "--data", str(tmp_path))
    assert (facts["task"], facts["metric"], facts["samples"]) == ("objects", "mAP", 3)
    assert facts["value"] == 0  # it has seen nothing
    assert set(facts["figures"]) == {"AP50", "AP75", "AP of dot"}


def blind():
    """Maps of nothing, a quarter of the size of pictures of 32 x 48."""
    return Network(
        name="blind", input=Tensor(name="input", shape=(32, 48, 3), scale=1 / 255), nodes=(Conv2d(
            inputs=("input",), format=parse("int8"), weights=np.zeros((5, 4, 4, 3), np.int64),
            output=Tensor(name="maps", shape=(8, 12, 5), signed=True, scale=0.1),
            bias=np.array([-100, 0, 0, 0, 0]), window=Window(kernel=(4, 4), stride=(4, 4)),
            requant=Requant.from_scale([1.0] * 5, zero_point=0, low=-128, high=127),
        ),))


def test_a_model_of_another_tool(tmp_path, monkeypatch, capsys):
    pytest.importorskip("ai_edge_litert")
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    np.savez("data.npz", x=random.normal(size=(32, 1, 4, 4)).astype(np.float32) / 2,
             y=np.arange(32) % 3)
    for name, data in zip(("float", "int8"), tflite_models(), strict=True):
        (tmp_path / f"{name}.tflite").write_bytes(data)
        facts = evaluated(capsys, f"{name}.tflite", "--data", "data.npz")
        assert (facts["stage"], facts["classes"]) == ("TensorFlow Lite", 3)
    # The quantised one, and the network of the same integers, agree on nearly every sample.
    assert main(["quantize", "int8.tflite", "--format", "int8", "-o", "net.onnx"]) == 0
    capsys.readouterr()
    network = evaluated(capsys, "net.onnx", "--data", "data.npz")
    assert np.abs(np.subtract(network["confusion"], facts["confusion"])).sum() <= 2


def compared(capsys, code, *arguments, data="data.npz"):
    assert main(["compare", *arguments, "--data", data, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_float_beside_network(files, capsys):
    facts = compared(capsys, 0, "model.py:build", "net.onnx", "--weights", "w.pt")
    assert facts["stages"] == ["float", "network"]
    assert (facts["first"], facts["samples"], facts["exact"], facts["try"]) == (None, 32, False, [])
    names = [node.name for node in load("net.onnx").nodes]
    assert [one["layer"] for one in facts["layers"]] == ["input", *names]
    assert all(one["sqnr"] > 20 and one["own"] > 20 for one in facts["layers"][1:])
    # What is too much is for the user to say.
    facts = compared(capsys, 1, "model.py:build", "net.onnx", "--weights", "w.pt", "--sqnr", "99")
    assert facts["first"] == "input"
    assert facts["try"]


def test_coarse_weights_are_found(files, tmp_path, capsys):
    coarse = str(tmp_path / "coarse.onnx")
    assert main(["quantize", "model.py:build", "--weights", "w.pt", "--data", "data.npz",
                 "--format", "ternary", "-o", coarse]) == 0
    first = load(coarse).nodes[0].name
    capsys.readouterr()
    assert main(["compare", "model.py:build", coarse, "--weights", "w.pt", "--data", "data.npz",
                 "--sqnr", "30"]) == 1
    out = capsys.readouterr().out
    assert f"the first layer that differs is {first}" in out
    assert f"{first}" in out.splitlines()[-1]
    assert "weights in ternary are too coarse: --layer NAME=1hot" in out


def test_integers_are_equal_down_to_the_board(files, tmp_path, capsys):
    assert main(["compare", "net.onnx", "net.img", "--data", "data.npz"]) == 0
    assert "all integers are the same" in capsys.readouterr().out
    report = str(tmp_path / "r.json")
    facts = compared(capsys, 0, "net.onnx", "net.img", "--port", "/dev/x", "--report", report)
    assert facts["stages"] == ["network", "board on /dev/x"]
    assert (facts["exact"], facts["samples"]) == (True, 4)
    assert all(one["largest"] == 0 for one in facts["layers"])
    (entry,) = read_report(report).entries
    (part,) = entry.compared
    assert (part.a, part.b, part.first) == ("network", "board on /dev/x", "")
    assert entry.image.sha256 == Image.read("net.img").content_hash
    # The image in numpy beside the board, with the network for scales.
    facts = compared(capsys, 0, "net.img", "net.img", "--port", "/dev/x", "--network", "net.onnx")
    assert facts["stages"] == ["image", "board on /dev/x"]
    assert main(["report", report, "-o", str(tmp_path / "r.html")]) == 0
    assert "Compared layer by layer" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("file", "tool", "needs"), [
    ("m.tflite", "TensorFlow Lite", "ai_edge_litert"), ("m.onnx", "ONNX", "onnxruntime"),
])
def test_a_quantised_file_beside_its_network(file, tool, needs, tmp_path, monkeypatch, capsys):
    pytest.importorskip(needs)
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(40, 1, 4, 4)).astype(np.float32) / 2
    np.savez("data.npz", x=x, y=np.zeros(40, np.int64))
    (tmp_path / file).write_bytes((tflite_models() if file == "m.tflite" else onnx_models())[1])
    for name, code in (("int8", 0), ("1hot", 1)):
        assert main(["quantize", file, "--format", name, "-o", "net.onnx"]) == 0
        capsys.readouterr()
        facts = compared(capsys, code, file, "net.onnx")
        assert facts["stages"] == [tool, "network"]
        names = [node.name for node in load("net.onnx").nodes]
        assert [one["layer"] for one in facts["layers"]][1:] == names
        units = [one["own_units"] for one in facts["layers"][1:]]
        assert (max(units) <= 1 + 1e-6) == (code == 0)
    assert facts["first"] == names[0]


@pytest.mark.parametrize(("arguments", "text"), [
    (["net.onnx", "net.onnx", "--port", "x"], "--port must be given with an image"),
    (["model.py:build", "net.img"], "--network must be given with the image 'net.img'"),
    (["net.onnx", "net.onnx", "--sqnr", "nan"], "--sqnr must be a finite number"),
    (["net.onnx", "net.onnx", "--samples", "-1"], "Number of samples must be at least 1, not -1"),
    (["net.onnx", "net.onnx", "--samples", "0"], "Number of samples must be at least 1, not 0"),
])
def test_refusals_of_compare(files, capsys, arguments, text):
    assert main(["compare", *arguments, "--data", "data.npz"]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(("arguments", "text"), [
    (["net.img"], "--network must be given with the image 'net.img'"),
    (["net.onnx", "--port", "x"], "--port must be given for an image"),
    (["resnet8"], "--weights must be given for 'resnet8'"),
    (["nothing.py:build"], "nothing.py"), (["data.npz"], "not an archive of arrays"),
    (["net.onnx", "--split", "test"], "Split must be one of train, not 'test'"),
    (["net.onnx", "--samples", "0"], "Number of samples must be at least 1"),
    (["net.onnx", "--task", "objects"], "Data data.npz must be COCO instances"),
    (["absent.onnx"], "absent.onnx"),
])
def test_refusals(files, capsys, arguments, text):
    assert main(["evaluate", *arguments, "--data", "data.npz"]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1


def test_an_image_of_another_network(files, tmp_path, capsys):
    save(random_network(1), tmp_path / "other.onnx")
    assert main(["evaluate", "net.img", "--network", str(tmp_path / "other.onnx"), "--data",
                 "data.npz"]) == 2
    assert f"Network must be {load('net.onnx').name!r}" in capsys.readouterr().err
    assert Image.read("net.img").meta.network == load("net.onnx").name

"""``--report`` of the commands: what each adds, and that it is what the files hold."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest

from nhot.bitstream import Manifest
from nhot.cli import main
from nhot.cli.reporting import read_labels, scores
from nhot.compiler import Image
from nhot.compiler.targets import target
from nhot.device import Board, LayerTime, Result
from nhot.errors import NhotError
from nhot.network.file import load
from nhot.network.reference import run as reference
from nhot.report import read_report
from nhot.report.collect import bitstreams, known_build

pytest.importorskip("torch")
pytest.importorskip("onnx")

MODEL = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
"""


class FakeBoard:
    """Answers from the reference."""

    def __init__(self, network):
        self.network = network

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def load(self, image, *, verify, wipe, progress):
        pass

    def run(self, values, *, limit):
        return Result(outputs=reference(self.network, values[None])[0], cycles=100, stalls=3)

    def layer_cycles(self):
        return [LayerTime(name=node.name, end=10 * (i + 1) ** 2, stalls=i)
                for i, node in enumerate(self.network.nodes)]


@pytest.fixture(scope="module")
def road(tmp_path_factory, halves_data):
    """A model of one's own trained, quantised in two formats and compiled, into one report."""
    folder = tmp_path_factory.mktemp("road")
    x, y = halves_data
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "model.py").write_text(MODEL, encoding="utf-8")
        np.savez("data.npz", x=x.astype(np.float32), y=y)
        data = ["model.py:build", "--data", "data.npz", "--test", "data.npz", "--report", "r.json"]
        assert main(["train", *data, "--epochs", "3", "--lr", "0.05", "-o", "w.pt"]) == 0
        for name in ("2hot", "1hot"):
            assert main(["quantize", *data, "--weights", "w.pt", "--format", name, "--inputs",
                         "x.npy", "--labels", "y.npy", "-o", f"{name}.onnx"]) == 0
        arguments = ["--board", "icebreaker", "--report", "r.json"]
        assert main(["compile", "2hot.onnx", *arguments]) == 0
    return folder


@pytest.fixture
def files(road, monkeypatch):
    monkeypatch.chdir(road)
    return road


def test_formats_stand_side_by_side_with_the_training(files):
    one, two = read_report("r.json").entries
    assert (one.name, two.name) == ("build-2hot", "build-1hot")
    assert one.training == two.training
    assert one.training.sha256 == hashlib.sha256((files / "w.pt").read_bytes()).hexdigest()
    assert len(one.training.epochs) == 3
    assert one.training.score.samples == 64
    assert one.training.settings["lr"] == 0.05
    assert one.training.answers.total == 64
    assert one.image is not None
    assert two.image is None


def test_the_network_is_that_of_the_file(files):
    for entry in read_report("r.json").entries:
        file = files / f"{entry.name.removeprefix('build-')}.onnx"
        assert entry.network.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        network = load(file)
        assert [layer.name for layer in entry.network.layers] == [one.name for one in network.nodes]
        for levels in entry.network.levels:
            weights = network.node(levels.layer).weights
            for level, count in zip(levels.levels, levels.counts, strict=True):
                assert count == (weights == level).sum()
        # what the report counts is what the integers do
        answers = reference(network, np.load("x.npy")).reshape(64, -1).argmax(1)
        labels = np.load("y.npy")
        assert entry.quantized.answers.correct == (answers == labels).sum()
        assert entry.quantized.scores[-1].value == (answers == labels).mean()
        for label, answer, count in entry.quantized.answers.pairs:
            assert count == ((labels == label) & (answers == answer)).sum()


def test_the_image_and_its_bitstream(files):
    entry = read_report("r.json").entries[0]
    image = Image.from_bytes((files / "2hot.img").read_bytes())
    assert entry.image.sha256 == image.content_hash
    assert entry.image.cycles >= sum(cycles for _, cycles in entry.image.layers) > 0
    assert (entry.image.board, entry.image.configuration) == ("icebreaker", "2hot")
    assert entry.image.clock_hz == target("icebreaker", "2hot").clock_hz
    (manifest,) = [one for one in bitstreams() if one.config == image.config]
    assert entry.build.fmax_mhz == manifest.engine_clock.fmax_mhz
    assert entry.build.resources["lut4"] == (manifest.resources["lut4"].used,
                                             manifest.resources["lut4"].available)


def test_a_run_with_labels(files, monkeypatch, capsys):
    network = load("2hot.onnx")
    monkeypatch.setattr(Board, "open", lambda port, *, baud: FakeBoard(network))
    before = read_report("r.json").entries
    assert main(["run", "2hot.img", "--port", "COM3", "--input", "x.npy", "--labels", "y.npy",
                 "--report", "r.json", "--json"]) == 0
    outputs = np.array(json.loads(capsys.readouterr().out)["outputs"])
    first, second = read_report("r.json").entries
    (run,) = first.runs
    answers = outputs.reshape(64, -1).argmax(1)
    assert run.answers.correct == (answers == np.load("y.npy")).sum()
    assert (run.place, run.inputs, run.cycles, run.stalls) == ("board on COM3", 64, 100, 3)
    assert [one.cycles for one in run.layers] == [10, 30]
    assert first.quantized == before[0].quantized
    assert second == before[1]


def test_what_nobody_measures_is_not_told(files, monkeypatch):
    """A run without labels, an autoencoder, and a model without samples held out."""
    network = load("2hot.onnx")
    monkeypatch.setattr(Board, "open", lambda port, *, baud: FakeBoard(network))
    run = ["run", "2hot.img", "--port", "COM3", "--input", "x.npy"]
    assert main([*run, "--report", "a.json"]) == 0
    assert read_report("a.json").entries[0].runs[0].answers is None
    arguments = ["quantize", "model.py:build", "--weights", "w.pt", "--data", "data.npz"]
    assert main([*arguments, "--report", "b.json", "-o", "b.onnx"]) == 0
    (entry,) = read_report("b.json").entries
    assert (entry.quantized.scores, entry.quantized.answers) == ((), None)
    np.savez("targets.npz", x=np.load("data.npz")["x"], y=np.zeros((64, 2), np.float32))
    loss = ["--data", "targets.npz", "--test", "targets.npz", "--loss", "mean-squares"]
    assert main([*arguments, *loss, "--report", "c.json", "-o", "c.onnx"]) == 0
    (entry,) = read_report("c.json").entries
    assert entry.quantized.answers is None
    assert (entry.quantized.metric, entry.quantized.scores[0].samples) == ("loss", 64)


def test_scores_of_no_samples_have_no_count():
    (score,) = scores({"float": 0.5, "rounded": float("nan")}, None)
    assert (score.stage, score.value, score.samples) == ("float", 0.5, None)


def test_a_page_of_it(files):
    assert main(["report", "r.json", "-o", "r.html"]) == 0
    text = (files / "r.html").read_text(encoding="utf-8")
    for part in ("build-2hot", "build-1hot", "Confusion matrix", "Bitstream",
                 "Training of the float network"):
        assert part in text


@pytest.mark.parametrize(("labels", "message"), [
    (np.zeros(3, int), "must be one integer for each of 64 inputs, not int64 of shape (3,)"),
    (np.zeros(64), "not float64 of shape (64,)"),
    (np.full(64, 2), "must be 0 to 1, the classes of the network, not 2 to 2"),
    (np.full(64, -1), "not -1 to -1"),
])
def test_wrong_labels_are_refused_before_the_run(files, tmp_path, capsys, labels, message):
    np.save(tmp_path / "l.npy", labels)
    assert main(["run", "2hot.img", "--port", "nowhere", "--input", "x.npy", "--labels",
                 str(tmp_path / "l.npy"), "--report", "r.json"]) == 2
    assert message in capsys.readouterr().err


def test_labels_are_for_reports(files, capsys):
    assert main(["run", "2hot.img", "--port", "nowhere", "--input", "x.npy",
                 "--labels", "y.npy"]) == 2
    assert "--report must be given with --labels" in capsys.readouterr().err


def test_labels_need_classes(tmp_path):
    from nhot.compiler import EngineConfig, compile_network
    from nhot.testing.networks import random_network

    config = EngineConfig(filters=8, inputs=4, activation_words=4096)
    image = compile_network(random_network(1, layers=2, operators=("conv",)), config)
    np.save(tmp_path / "l.npy", np.zeros(1, int))
    with pytest.raises(NhotError, match="a score for each of its classes"):
        read_labels(tmp_path / "l.npy", 1, image)


def test_labels_of_data_without_any_are_refused(files, tmp_path, capsys):
    np.savez(tmp_path / "bare.npz", x=np.zeros((8, 1, 4, 4), np.float32))
    assert main(["quantize", "model.py:build", "--weights", "w.pt", "--data",
                 str(tmp_path / "bare.npz"), "--labels", str(tmp_path / "y.npy"), "-o",
                 str(tmp_path / "net.onnx")]) == 2
    assert "--labels must be for data with a class for each sample" in capsys.readouterr().err
    assert not (tmp_path / "net.onnx").exists()


def test_every_bitstream_is_known_by_its_engine():
    assert len(bitstreams()) >= 5
    for manifest in bitstreams():
        assert isinstance(manifest, Manifest)
        build = known_build(manifest.config, manifest.board)
        assert (build.board, build.configuration) == (manifest.board, manifest.configuration)
        assert manifest.config == target(manifest.board, manifest.configuration).config


def test_a_study_reports_each_row(tmp_path, monkeypatch):
    from nhot.experiments.studies import Record

    counts = {"weights": 10, "effectual": 5, "bits": 70, "terms": 12, "macs": 100,
              "shift_adds": 200, "mean_shift_adds": 120}
    common = {"study": "digits", "seed": 0, "metric": "accuracy"}
    for name, record in {
        "float": Record(row="float", score=0.98, epochs=3, **common),
        "2hot": Record(row="2hot", score=0.97, stages={"rounded": 0.9}, counts=counts, **common),
    }.items():
        (tmp_path / name).mkdir()
        record.save(tmp_path / name / "record.json")
    path = tmp_path / "r.json"
    for _ in range(2):
        assert main(["study", "digits", "--table", str(tmp_path), "--report", str(path)]) == 0
    two, one = read_report(path).entries
    assert one.training.score.value == 0.98
    assert [score.value for score in two.quantized.scores] == [0.9, 0.97]
    assert two.network.layers[0].terms == 12

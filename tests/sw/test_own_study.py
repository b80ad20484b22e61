"""``nhot study --model``: formats on a model of one's own, each tried once whatever happens."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nhot.cli import main
from nhot.compiler import EngineConfig
from nhot.compiler.estimates import estimate
from nhot.compiler.fit import fit
from nhot.compiler.holders import engines
from nhot.compiler.targets import target
from nhot.experiments.studies.own import Engine, format_names, place, running
from nhot.experiments.studies.own.estimated import made_to_measure
from nhot.experiments.studies.own.figures import Line, with_fronts
from nhot.formats import parse
from nhot.network.counts import count
from nhot.network.file import load
from nhot.report import read_report
from nhot.report.collect import known_build
from nhot.testing.foreign import tflite_models
from nhot.testing.own_study import STUDY, refused
from nhot.testing.small_model import MODEL
from nhot.trials import Scored, fit_network

pytest.importorskip("torch")
pytest.importorskip("onnx")


@pytest.fixture
def tried(monkeypatch):
    """The formats that are tried, in their order; "" is the original."""
    names = []
    real = running._Runner.run
    monkeypatch.setattr(running._Runner, "run",
                        lambda self, name: names.append(name) or real(self, name))
    return names


def rows_of(capsys, *arguments, formats="2hot,int8"):
    capsys.readouterr()
    assert main([*STUDY, "--formats", formats, "-o", "runs", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)["rows"]


def test_figures_are_those_of_the_other_commands(here, capsys):
    original, *rows = rows_of(capsys, formats="2hot,signed-binary/2,int8")
    assert [row["format"] for row in (original, *rows)] == [
        "float", "2hot", "signed-binary/2", "int8"]
    for row, file in ((original, "model.py:build"), (rows[0], "runs/2hot.onnx"),
                      (rows[1], "runs/signed-binary-2.onnx"), (rows[2], "runs/int8.onnx")):
        assert main(["evaluate", file, "--data", "test.npz", "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (row["metric"], row["value"], row["samples"]) == (
            said["metric"], said["value"], said["samples"])
    for row in rows:
        network = load(f"runs/{row['format'].replace('/', '-')}.onnx")
        counts = count(network)
        assert row["bits_per_weight"] == counts.bits_per_weight
        assert row["terms_per_weight"] == counts.terms_per_weight
        assert row["weight_bytes"] == -(-counts.bits // 8)
    assert [row["untrained"] for row in rows] == [False, True, False]
    # The smallest engine that holds it, with the figures of its manifest.
    assert main(["compile", "runs/2hot.onnx", "--board", "icebreaker", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    build = known_build(target("icebreaker", "2hot").config)
    assert rows[0]["engine"] == "icebreaker 2hot"
    assert rows[0]["cycles"] == said["cycles"]
    assert rows[0]["macs_per_step"] == 8
    assert rows[0]["inferences_per_second"] == (
        target("icebreaker", "2hot").clock_hz / said["cycles"]
    )
    assert (rows[0]["lut4"], rows[0]["fmax_mhz"]) == (build.resources["lut4"][0], build.fmax_mhz)
    # What no engine holds says why, of each engine.
    assert rows[2]["engine"] is rows[2]["cycles"] is rows[2]["inferences_per_second"] is None
    assert len(rows[2]["refused"]) == len(engines())
    assert all("must be a level of" in reason for reason in rows[2]["refused"].values())


def test_table_and_pages(here, capsys):
    arguments = [*STUDY, "--formats", "2hot,signed-binary,int8", "-o", "runs",
                 "--plot", "plot.svg", "--report", "report.json"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["format", "accuracy", "bits/weight"]
    assert lines[1].startswith("float")
    assert "icebreaker 2hot" in lines[2]
    assert lines[3].startswith("signed-binary*")
    assert "icebreaker signed-binary" in lines[3]  # not the smaller engine of the board, of 2-hot
    assert "none: no lanes for it" in lines[4]
    text = "\n".join(lines[5:])
    assert "* rounded, as all here, without training, which these weights need" in text
    assert "No engine holds int8. Nearest is ulx3s-85f 2hot-512: Layer '0': Weight at" in text
    assert lines[-1] == "runs/report.html"
    page = Path("runs/report.html").read_text(encoding="utf-8")
    for part in ("<h1>build on test.npz</h1>", "Trade-offs", "Pareto front", "none: no lanes",
                 "signed-binary *", 'id="entry2"', "Weights on their levels"):
        assert part in page
    assert b"signed-binary" in Path("plot.svg").read_bytes()
    assert len(read_report("report.json").entries) == 3
    assert main(arguments) == 0  # the same again, to the byte
    assert Path("runs/report.html").read_text(encoding="utf-8") == page


def test_nothing_is_done_twice(here, capsys, tried):
    first = rows_of(capsys)
    assert tried == ["", "2hot", "int8"]
    assert rows_of(capsys) == first
    # Another board has room for other networks, but nothing is rounded or measured again.
    board = rows_of(capsys, "--board", "ulx3s-85f")
    assert tried == ["", "2hot", "int8"]
    assert board[1]["engine"] == "ulx3s-85f 2hot"
    # A copy of model and data elsewhere is the same study.
    Path("copy.py").write_text(MODEL, encoding="utf-8")
    assert main([*STUDY[:2], "copy.py:build", *STUDY[3:], "--formats", "1hot,2hot", "-o", "runs",
                 "--json"]) == 0
    assert tried == ["", "2hot", "int8", "1hot"]
    # A network that is gone or has been changed is made again.
    Path("runs/2hot.onnx").unlink()
    Path("runs/int8.onnx").write_bytes(Path("runs/1hot.onnx").read_bytes())
    assert rows_of(capsys) == first
    assert tried[4:] == ["2hot", "int8"]


KILLED = """
import os, signal, sys
from nhot.cli import main
from nhot.experiments.studies.own import running

real = running.score_network
def score(network, data):
    if network.name.endswith("int8"):  # its network is written, what it is worth is not
        os.kill(os.getpid(), signal.SIGKILL)
    return real(network, data)
running.score_network = score
main(sys.argv[1:])
"""


def test_a_study_that_is_killed_goes_on(here, capsys, tried):
    arguments = [*STUDY, "--formats", "2hot,int8,1hot", "-o", "runs"]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True,
                          check=False)
    assert done.returncode == -9
    assert sorted(path.name for path in Path("runs").iterdir()) == [
        "2hot.json", "2hot.onnx", "int8.onnx", "original.json", "study.json"]
    went_on = rows_of(capsys, formats="2hot,int8,1hot")
    assert tried == ["int8", "1hot"]
    for file in Path("runs").iterdir():
        file.unlink()
    assert rows_of(capsys, formats="2hot,int8,1hot") == went_on


def test_progress_is_told(here, capsys):
    assert main([*STUDY, "--formats", "2hot,int8", "-o", "runs"]) == 0
    errors = capsys.readouterr().err
    assert re.search(r"^2hot: accuracy 0\.\d+; 2 of 3 trials, .+, about .+ left$", errors, re.M)
    assert re.search(r"^int8: accuracy 0\.\d+; 3 of 3 trials, [^,]+$", errors, re.M)
    assert main([*STUDY, "--formats", "2hot,int8", "-o", "runs"]) == 0
    assert "3 of 3 trials are done already" in capsys.readouterr().err


def test_a_folder_is_of_one_study(here, capsys):
    rows_of(capsys, formats="2hot")
    again = [*STUDY, "--formats", "2hot", "-o", "runs"]
    assert "of this study, not of one with bits 8: 'model.py:build' on 'data.npz'" in refused(
        capsys, *again, "--bits", "6")
    assert "not of one on other data, or on other samples" in refused(
        capsys, *again, "--measured", "5")
    Path("model.py").write_text(MODEL.replace("seed(1)", "seed(2)"), encoding="utf-8")
    assert "not of one of another model, or of other weights" in refused(capsys, *again)
    Path("model.py").write_text(MODEL, encoding="utf-8")
    # Folders of something else.
    Path("other").mkdir()
    Path("other/x").touch()
    assert "must be empty or that of a study, with a file study.json" in refused(
        capsys, *STUDY, "--formats", "2hot", "-o", "other")
    assert [one.name for one in Path("other").iterdir()] == ["x"]
    # Records of another study, or damaged.
    record = Path("runs/2hot.json")
    values = json.loads(record.read_text(encoding="utf-8"))
    for change, text in (({"digest": "0" * 64}, "Record 'runs/2hot.json' must be of this study"),
                         ({"rounded": None}, "must be of '2hot'"),
                         ({"scored": 1}, "scored must be an object, not 1"),
                         ({"scored": {**values["scored"], "metric": "taste"}}, "not 'taste'")):
        record.write_text(json.dumps({**values, **change}), encoding="utf-8")
        assert text in refused(capsys, *again)
    Path("runs/study.json").rename("kept.json")
    Path("runs/study.json").write_text('{"kind": 1}', encoding="utf-8")
    assert "Study 'runs/study.json' kind must be text, not 1" in refused(capsys, *again)
    Path("kept.json").rename("runs/study.json")
    record.write_text("{", encoding="utf-8")
    assert "must be JSON" in refused(capsys, *again)


def test_data_of_one_split_are_said_to_be(here, capsys):
    arguments = ["study", "--model", "model.py:build", "--data", "data.npz", "--formats", "2hot"]
    assert main([*arguments, "-o", "runs"]) == 0
    assert "The data have one split: ranges of activations are taken from" in (
        capsys.readouterr().out)


def test_a_model_of_another_tool(here, capsys):
    """Quantised, with its own tool's measure first."""
    pytest.importorskip("tflite")
    Path("m.tflite").write_bytes(tflite_models()[1])
    x = np.random.default_rng(0).normal(size=(24, 1, 4, 4)).astype(np.float32) / 2
    np.savez("three.npz", x=x, y=np.arange(24) % 3)
    arguments = ["--model", "m.tflite", "--data", "three.npz", "--formats", "int8", "-o", "runs"]
    assert main(["study", *arguments, "--json"]) == 0
    original, row = json.loads(capsys.readouterr().out)["rows"]
    assert original["stage"] == "TensorFlow Lite"
    assert row["stage"] == "network"


def test_an_engine_of_ones_own(here, capsys):
    config = {"pixels": 1, "filters": 2, "inputs": 4, "requantisers": 1, "format": "int8"}
    Path("mine.json").write_text(json.dumps(config), encoding="utf-8")
    row = rows_of(capsys, "--config", "mine.json", formats="int8")[1]
    assert row["engine"] == "mine"
    assert row["cycles"] > 0
    assert row["inferences_per_second"] is row["lut4"] is None  # nobody has built it
    Path("mine.json").write_text(json.dumps({**config, "accumulator_bits": 12}), encoding="utf-8")
    capsys.readouterr()
    assert main([*STUDY, "--formats", "int8", "--config", "mine.json", "-o", "runs"]) == 0
    assert "none: sums too wide" in capsys.readouterr().out


def test_what_no_engine_holds_is_estimated(here, capsys):
    row = rows_of(capsys, "--estimate", "--board", "ulx3s-85f", formats="int8")[1]
    network, base = load("runs/int8.onnx"), target("ulx3s-85f", "2hot").config
    config = fit(network, base)
    found = estimate(config, "ulx3s-85f")
    assert config.format == "int8"
    assert row["engine"] == "ulx3s-85f 2hot made to measure"
    assert row["estimated"]
    assert (row["lut4"], row["fmax_mhz"]) == (found.luts, found.fmax_mhz)
    assert row["dsps"] == base.macs  # a multiplier each
    assert row["cycles"] == fit_network(network, config).cycles
    assert row["inferences_per_second"] == round(found.fmax_mhz * 1e6) / row["cycles"]
    capsys.readouterr()
    assert main([*STUDY, "--formats", "2hot,int8", "-o", "runs", "--estimate", "--board",
                 "ulx3s-85f"]) == 0
    _, _, built, estimated, *others = capsys.readouterr().out.splitlines()
    assert "~" not in built
    assert f"~{found.luts:,} + 64 DSP" in estimated
    assert any(line.startswith("~ estimated") for line in others)
    assert "~" in Path("runs/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(("board", "sizes", "text"), [
    ("icebreaker", {"filters": 32, "inputs": 8}, r"LUTs .an estimate., not the 5,280 of icebreak"),
    ("ulx3s-85f", {"filters": 16, "inputs": 16}, "take 256 DSP blocks, not the 156 of ulx3s-85f"),
    ("icebreaker", {"requantisers": 2, "filters": 2, "inputs": 2}, ""),
])
def test_what_a_board_has_no_room_for(here, capsys, board, sizes, text):
    rows_of(capsys, formats="int8")
    network = load("runs/int8.onnx")
    engine = Engine(name="array", board=board, config=EngineConfig(**sizes))
    found = made_to_measure(network, [engine], place(network, [engine]))
    assert (found.engine is None) == bool(text)
    assert re.search(text, [*found.refused.values()][-1].reason)


def test_numbers_are_better_when_they_are_less(here, capsys):
    x = np.random.default_rng(0).random((16, 1, 4, 4)).astype(np.float32)
    np.savez("numbers.npz", x=x, y=x[:, 0, 0, :2])
    arguments = ["--model", "model.py:build", "--data", "numbers.npz", "--task", "numbers"]
    assert main(["study", *arguments, "--formats", "int8,1hot", "-o", "runs", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert {row["metric"] for row in rows} == {"mean squares"}
    assert main(["study", *arguments, "--formats", "int8,1hot", "-o", "runs"]) == 0


@pytest.mark.parametrize(("metric", "sign"), [("accuracy", 1), ("mean squares", -1)])
def test_a_line_is_best_by_a_cost_where_no_other_beats_it(metric, sign):
    draw = random.Random(3)
    lines = [
        Line(name=f"{one}", terms=draw.randrange(6), bits=draw.randrange(6), scored=Scored(
            metric=metric, value=draw.randrange(6) / 5, samples=1, stage="network"))
        for one in range(20)
    ]
    original = Line(name="float", scored=lines[0].scored)
    assert with_fronts([original])[0].fronts == ()
    for line in with_fronts([original, *lines])[1:]:
        for cost in ("terms", "bits"):
            places = [(one.cost(cost), -sign * one.scored.value) for one in lines]
            own = (line.cost(cost), -sign * line.scored.value)
            beaten = any(one != own and one[0] <= own[0] and one[1] <= own[1] for one in places)
            assert (cost in line.fronts) != beaten
        assert "time" not in line.fronts


def test_format_names_are_those_of_the_formats():
    assert format_names(["pot4", "2hot"]) == (parse("pot4").name, "2hot")

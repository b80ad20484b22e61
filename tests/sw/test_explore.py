"""Sweeps: their stages, and the command."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from nhot.cli import main
from nhot.compiler import Image
from nhot.compiler.estimates import estimate
from nhot.contract.config import EngineConfig
from nhot.errors import BuildError, NhotError
from nhot.explore import executor, work
from nhot.explore.front import front
from nhot.explore.job import Outcome
from nhot.explore.space import Space
from nhot.explore.store import Store
from nhot.explore.sweep import MARGIN, Sweep
from nhot.trials import DataSpec, Original

pytest.importorskip("torch")
pytest.importorskip("onnx")

SMALL = Space(format=("2hot", "1hot"), filters=(2, 4), inputs=(4,), requantisers=(1,))


class Here:
    """Jobs in this process; ``functions`` stand in for those of their kinds."""

    def __init__(self, **functions):
        self.functions, self.done = functions, Counter()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def each(self, store, jobs):
        for job in jobs:
            self.done[job.kind] += 1
            function = self.functions.get(job.kind) or work.function(job.kind)
            try:
                yield job, store.make(job, function)
            except BuildError as error:
                yield job, Outcome(failed=str(error))


def sweep(folder, space=SMALL, **functions):
    return Sweep(original=Original(model=f"{folder}/model.py:build"), space=space,
                 data=DataSpec(data=f"{folder}/data.npz"), executor=Here(**functions),
                 store=Store.create(folder / "sweep"))


def test_points_are_as_reference_compiler_and_estimates_have_them(here):
    from nhot.compiler import compile_network
    from nhot.contract.cycles import program_cycles
    from nhot.contract.program import unpack_program
    from nhot.network.file import load
    from nhot.trials import open_data, score_network

    found = sweep(here).estimated()
    assert len(found.points) + sum(found.left_out.values()) == 2 * 2 * 2
    assert {one.board for one in found.points} == set(Space.board)
    for one in found.points:
        network = load(one.network)
        image = compile_network(network, one.config)
        assert one.cycles == sum(program_cycles(unpack_program(image.program), one.config))
        assert one.config.format == one.rounding.format
        guess = estimate(one.config, one.board)
        assert (one.luts, one.block_memories, one.fmax_mhz) == (
            guess.luts, guess.block_memories, guess.fmax_mhz)
        data = open_data(DataSpec(data=f"{here}/data.npz"))
        assert one.scored == score_network(network, data)
    assert found.stage == "estimated"
    again = sweep(here)
    assert again.estimated() == found
    assert not again.executor.done  # all of it was there


def test_a_larger_sweep_does_what_is_new(here):
    sweep(here).estimated()
    larger = sweep(here, Space(format=("2hot", "1hot", "3hot"), filters=(2, 4), inputs=(4,),
                               requantisers=(1,)))
    larger.estimated()
    assert larger.executor.done == {"network": 1, "engine": 2}
    np.savez("data.npz", x=np.ones((8, 1, 4, 4), np.float32), y=np.zeros(8, np.int64))
    other = sweep(here)
    other.estimated()
    assert other.executor.done["network"] == 2  # other data, other networks


def test_boards_that_are_too_small_are_counted(here):
    space = Space(format=("3hot",), filters=(32,), inputs=(16,), requantisers=(1,))
    with pytest.raises(NhotError, match=r": 1 x icebreaker has too few LUTs \(5,280\)"):
        sweep(here, Space(format=("3hot",), filters=(16,), inputs=(8,), requantisers=(1,),
                          board=("icebreaker",))).estimated()
    with pytest.raises(NhotError, match="No combination is an engine: 1 x Engine weight word"):
        sweep(here, space).estimated()


def synthesis(parameters, inputs, folder):
    """Twice the estimate for four filters, half for two."""
    config = EngineConfig(**parameters["config"])
    luts = estimate(config, parameters["board"]).luts
    return {"luts": luts * 2 if config.filters == 4 else luts // 2, "block_memories": 3}


def placement(parameters, inputs, folder):
    return {"luts": 5, "block_memories": 3, "fmax_mhz": 31.5, "clock_hz": 30_000_000}


def test_stages_look_into_what_is_near_the_front(here):
    one = sweep(here, Space(format=("2hot", "1hot"), filters=(2, 4), inputs=(4,),
                            requantisers=(1,), board=("ulx3s-85f",)),
                synthesis=synthesis, placement=placement)
    found = one.estimated()
    points = list(found.points)
    near = front([one.costs for one in points], [one.hoped(MARGIN) for one in points])
    one.synthesised(found)
    assert one.executor.done["synthesis"] == len(near) > 0
    assert Counter(each.stage for each in found.points)["synthesised"] == len(near)
    assert all(each.stage == "synthesised" and each.block_memories == 3 for each in found.front)
    ahead = len(found.front)
    one.placed(found)
    assert one.executor.done["placement"] == ahead
    assert {each.stage for each in found.front} == {"placed"}
    assert one.clock_hz(found.front[0]) == 30_000_000
    assert {each.fmax_mhz for each in found.front} == {31.5}


def test_what_the_tools_refuse_is_left_out(here):
    def refuse(parameters, inputs, folder):
        raise NhotError("ulx3s-85f has too few lut4 (83,640)")

    one = sweep(here, synthesis=refuse)
    found = one.estimated()
    one.synthesised(found)
    assert found.left_out["ulx3s-85f has too few lut4 (83,640)"] == one.executor.done["synthesis"]


def test_tools_that_fail(here, caplog):
    failed = []

    def fail(parameters, inputs, folder):
        if not failed or sweep_all:
            failed.append(parameters)
            raise BuildError("the tool fell over")
        return synthesis(parameters, inputs, folder)

    sweep_all = False
    one = sweep(here, synthesis=fail)
    found = one.estimated()
    one.synthesised(found)
    assert found.left_out["the tool fell over"] == 1
    assert "left out, and tried again the next time: the tool fell over" in caplog.text
    assert found.stage == "synthesised"
    sweep_all = True
    (here / "other").mkdir()
    other = Sweep(original=one.original, data=one.data, space=one.space,
                  store=Store.create(here / "other" / "sweep"), executor=Here(synthesis=fail))
    with pytest.raises(BuildError, match=r"All of \d failed: the tool fell over"):
        other.synthesised(other.estimated())


@pytest.mark.parametrize(("damage", "reason"), [
    (lambda text: text[:-5], "JSON"),
    (lambda text: "{}", "Outcome must be a result, a refusal or a failure, one of them"),
    (lambda text: text.replace('"cycles":', '"circles":'), "must have the field 'cycles'"),
    (lambda text: re.sub('"cycles":[0-9]+', '"cycles":0', text), "cycles must be above 0, not 0"),
    (lambda text: text.replace('"filters":2', '"filters":3'), "must divide one another"),
])
def test_results_that_were_changed(here, damage, reason):
    sweep(here).estimated()
    (file, *_) = [path for path in here.glob("sweep/jobs/*/result.json")
                  if '"filters":2' in path.read_text(encoding="utf-8")]
    file.write_text(damage(file.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(NhotError, match=reason) as error:
        sweep(here).estimated()
    assert str(file.parent) in str(error.value)
    assert "\n" not in str(error.value)


def test_network_that_is_gone(here):
    sweep(here).estimated()
    (file, *_) = here.glob("sweep/jobs/*/network.onnx")
    file.unlink()
    for place in here.glob("sweep/jobs/*"):
        if not (place / "network.onnx").exists() and "cycles" in (
            place / "result.json").read_text(encoding="utf-8"):
            shutil.rmtree(place)
    with pytest.raises(NhotError, match="must be a path that all workers see"):
        sweep(here).estimated()


@pytest.fixture
def quick(monkeypatch):
    """The command with its jobs in this process."""
    monkeypatch.setattr(executor, "open_executor", lambda *_: Here(
        synthesis=synthesis, placement=placement))


ARGUMENTS = ["explore", "--model", "model.py:build", "--data", "data.npz", "-o", "sweep",
             "--formats", "2hot,1hot", "--filters", "2,4", "--inputs", "4", "--requantisers", "1"]


def test_command(here, quick, capsys):
    assert main([*ARGUMENTS, "--plot", "sweep.svg"]) == 0
    text = capsys.readouterr().out
    commands = [shlex.split(line) for line in text.splitlines() if line.startswith("nhot ")]
    (build, compile) = commands
    assert build[:3] == ["nhot", "build", "--board"]
    assert main(compile[1:]) == 0  # as it is printed
    image = Image.from_bytes(Path(compile[2]).with_suffix(".img").read_bytes())
    assert image.config == EngineConfig(**json.loads(Path(build[5]).read_text(encoding="utf-8")))
    assert Path("sweep.svg").read_text(encoding="utf-8").count("ulx3s-85f") >= 2
    assert "chosen: " in text
    table = text.splitlines()
    assert table[0].split()[:4] == ["format", "TxPxS", "R", "board"]  # what differs, and no more
    page = Path("sweep/report.html").read_text(encoding="utf-8")
    assert all(" ".join(command) in page for command in commands)
    assert "build on data.npz" in page
    assert str(here) not in page  # of which no other needs to know


def test_command_in_json(here, quick, capsys):
    assert main([*ARGUMENTS, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["metric"] == "accuracy"
    fronts = {one["name"] for one in facts["points"] if one["front"]}
    assert facts["chosen"] in fronts
    files = {path.name for path in Path("sweep/front").iterdir()}
    assert files == {f"{name}.{kind}" for name in fronts for kind in ("json", "onnx")}
    assert main([*ARGUMENTS, "--json", "--boards", "ulx3s-85f", "--formats", "1hot"]) == 0
    fewer = json.loads(capsys.readouterr().out)
    assert {one["format"] for one in fewer["points"]} == {"1hot"}
    names = {one["name"] for one in fewer["points"] if one["front"]}
    assert {path.stem for path in Path("sweep/front").iterdir()} == names  # of this front alone


def test_page_says_all_that_it_is_told(here, quick):
    assert main([*ARGUMENTS, "--bits", "6,8", "--place"]) == 0
    page = Path("sweep/report.html").read_text(encoding="utf-8")
    for text in ("on the Pareto front, placed", "Trade-offs", "icebreaker", "2hot",
                 ">bits</th>", "at 31.5 MHz"):
        assert text in page


def test_command_places(here, quick, capsys):
    assert main([*ARGUMENTS, "--place", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["stage"] == "placed"
    assert facts["commands"][0].endswith("--clock 30")


@pytest.mark.parametrize("kind", ["tflite", "onnx"])
def test_models_of_other_tools(here, quick, capsys, kind):
    """Quantised ones: the first is measured by its own interpreter, the other as what it says."""
    for package in ("tflite", "ai_edge_litert"):
        pytest.importorskip(package)
    from nhot.testing.foreign import onnx_models, tflite_models

    models = tflite_models() if kind == "tflite" else onnx_models()
    Path(f"other.{kind}").write_bytes(models[1])
    assert main([*ARGUMENTS, "--model", f"other.{kind}", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert {one["format"] for one in facts["points"]} == {"1hot", "2hot"}
    assert facts["model"] == f"other.{kind}"


def test_what_nothing_reaches(here, quick, capsys):
    assert main([*ARGUMENTS, "--least-score", "0.5", "--least-rate", "1e12"]) == 2
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith(
        "nhot: error: --least-score 0.5 and --least-rate 1e+12 must be within reach")
    assert "of them on the front" in captured.out  # which is worth its work all the same


@pytest.mark.parametrize(("more", "reason"), [
    (["--boards", "ulx3s"], "Board must be one of"),
    (["--pixels", ""], "Axis pixels must have values with commas between them, not an empty one"),
    (["--filters", "eight"], "Axis filters must have whole numbers, not 'eight'"),
    (["--formats", "apot4"], "No combination is an engine: 2 x Engine format must be n-hot"),
    (["--model", "none.py:build"], "none.py"),
    (["--model", "none.tflite"], "none.tflite"),
    (["--model", "data.npz"], "not an archive of arrays (.npz)"),
    (["--model", "model.py:none"], "none"),
    (["--model", "resnet8"], "--weights must be given for 'resnet8'"),
    (["--data", "none.npz"], "none.npz"),
    (["-o", "."], "Folder '.' must be empty or that of a sweep"),
    (["--jobs", "0"], "--jobs must be at least 1, not 0"),
    (["--jobs", "2", "--scheduler", "tcp://x:1"], "--jobs must not be given with --scheduler"),
    (["--measured", "0"], "Number of measured must be at least 1, not 0"),
    (["--least-rate", "fast"], "invalid float value: 'fast'"),
])
def test_bad_input(here, quick, capsys, more, reason):
    assert main([*ARGUMENTS, *more]) == 2
    captured = capsys.readouterr()
    assert reason in captured.err.splitlines()[-1]
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_model_that_cannot_be_quantised(here, quick, capsys):
    assert main([*ARGUMENTS, "--model", "model.py:widest"]) == 2
    assert "Softmax" in capsys.readouterr().err.splitlines()[-1]


def test_cluster_without_its_package(here, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main([*ARGUMENTS, "--scheduler", "tcp://127.0.0.1:9"]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line == ("nhot: error: this needs the Python package 'distributed'; run: "
                    "pip install 'nhot[explore]'")

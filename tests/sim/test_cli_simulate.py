"""``nhot simulate``: waveform files are what their names say, or refused before the work."""

import json

import numpy as np
import pytest

from nhot.cli import main
from nhot.compiler import EngineConfig, Image, compile_network
from nhot.network.reference import run
from nhot.report import read_report
from nhot.testing.engine_networks import extreme_inputs, sample_network


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An image, an input, and the output that is right."""
    folder = tmp_path_factory.mktemp("simulate")
    network = sample_network("2hot", size=4)
    image = compile_network(network, EngineConfig(weight_words=128, activation_words=256))
    (folder / "net.img").write_bytes(image.to_bytes())
    x = extreme_inputs(network)[:1]
    np.save(folder / "x.npy", x)
    return folder, run(network, x)


def _simulate(folder, *arguments):
    return main(["simulate", str(folder / "net.img"), "--input", str(folder / "x.npy"), *arguments])


def test_amaranth_writes_a_vcd_file(files, tmp_path, capsys):
    folder, wanted = files
    trace = tmp_path / "run.vcd"
    assert _simulate(folder, "--engine", "amaranth", "--trace", str(trace), "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    np.testing.assert_array_equal(facts["outputs"], wanted)
    text = trace.read_text(encoding="utf-8")
    assert text.startswith("$")
    assert "$enddefinitions" in text


def test_text_outputs_and_a_report(files, tmp_path, capsys):
    folder, wanted = files
    arguments = ["--engine", "amaranth", "-o", str(tmp_path / "y.npy")]
    assert _simulate(folder, *arguments, "--report", str(tmp_path / "r.json")) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), wanted)
    text = capsys.readouterr().out
    (entry,) = read_report(tmp_path / "r.json").entries
    (measured,) = entry.runs
    layers = Image.read(folder / "net.img").meta.layers
    assert (measured.place, measured.inputs, measured.answers) == ("amaranth simulation", 1, None)
    assert [(one.name, one.cycles) for one in measured.layers] == [
        (layer.name, layer.cycles) for layer in layers
    ]
    assert sum(one.stalls for one in measured.layers) == measured.stalls > 0
    for line, layer, one in zip(text.splitlines()[1:], layers, measured.layers, strict=False):
        assert line.split()[:5] == [
            layer.name, layer.operator, *2 * [f"{layer.cycles:,}"], f"{one.stalls:,}"]
    assert f"1 inputs, {measured.cycles:,} cycles each, {measured.stalls:,} of them stalls" in text
    assert f"output 0: {wanted[0].tolist()}" in text


def test_timeline_has_what_the_engine_counted(files, tmp_path, capsys):
    path = tmp_path / "run.json"
    arguments = ["--engine", "amaranth", "--json"]
    assert _simulate(files[0], *arguments, "--timeline", str(path)) == 0
    facts = json.loads(capsys.readouterr().out)
    trace = json.loads(path.read_text(encoding="utf-8"))
    *layers, end = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert [event["name"] for event in layers] == [layer["name"] for layer in facts["layers"]]
    start = 0
    for event, layer in zip(layers, facts["layers"], strict=True):
        assert (event["ts"], event["dur"]) == (start, layer["cycles"])
        assert event["args"] == {key: layer[key] for key in layer if key != "name"}
        assert layer["cycles"] == layer["predicted"]
        start += layer["cycles"]
    assert (end["ts"], end["ts"] + end["dur"]) == (start, facts["cycles"])
    assert sum(event["args"]["stalls"] for event in layers) == facts["stalls"]
    assert {(event["pid"], event["tid"]) for event in trace["traceEvents"]} == {(1, 1)}
    assert _simulate(files[0], *arguments, "--timeline", str(tmp_path / "absent" / "x")) == 2


@pytest.mark.parametrize(("engine", "name", "constraint"), [
    ("amaranth", "run.fst", "Trace file of --engine amaranth must end in .vcd"),
    ("amaranth", "run", "Trace file of --engine amaranth must end in .vcd"),
    ("verilator", "run.lxt", "Trace file must end in .fst or .vcd"),
    ("verilator", "run", "Trace file must end in .fst or .vcd"),
])
def test_a_kind_that_cannot_be_written_is_refused_before_the_work(
    files, tmp_path, capsys, monkeypatch, engine, name, constraint
):
    monkeypatch.setattr(Image, "read", lambda *_: pytest.fail("must be refused before the work"))
    trace = tmp_path / name
    assert _simulate(files[0], "--engine", engine, "--trace", str(trace)) == 2
    error = capsys.readouterr().err
    assert constraint in error
    assert repr(str(trace)) in error
    assert not trace.exists()


def test_fst_without_its_libraries_names_what_to_install(files, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("nhot_sim.verilator.has_headers", lambda *names: False)
    monkeypatch.setattr(Image, "read", lambda *_: pytest.fail("must be refused before the work"))
    assert _simulate(files[0], "--trace", str(tmp_path / "run.fst")) == 3
    assert "apt install liblz4-dev zlib1g-dev" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())

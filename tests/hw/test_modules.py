"""Which module takes how much of a design."""

import json
from types import SimpleNamespace

import pytest

from nhot.cli import main
from nhot.errors import BuildError
from nhot_hw.build import entries, flow
from nhot_hw.build.modules import Share, read_modules
from nhot_hw.families import FAMILIES, OpenFamily

SCOPES = ("engine", "engine.core", "engine.core.array", "engine.core.array.lane_0_1",
          "engine.core.lift_0", "engine.core.lift_1", "engine.link")
# Of each family: a LUT, an adder, a flip-flop, a block memory, and what is none of them.
CELLS = {
    "ecp5": ("LUT4", "CCU2C", "TRELLIS_FF", "DP16KD", "PFUMX"),
    "gowin": ("LUT3", "ALU", "DFFSE", "SDPB", "MUX2_LUT5"),
    "ice40": ("SB_LUT4", "SB_CARRY", "SB_DFFESR", "SB_RAM40_4K", "SB_GB"),
}
OPEN = [name for name, family in FAMILIES.items() if isinstance(family, OpenFamily)]
ADDER = {"ecp5": 2, "gowin": 1, "ice40": 0}


def netlist(path, kinds):
    lut, adder, flip_flop, memory, other = kinds
    cells = {
        "engine.core.array.lane_0_1.x_LUT": lut, "engine.core.array.y_Q_DI": adder,
        "engine.core.array.lane_0_1.z_Q": flip_flop,
        "engine.core.lift_0.a": lut, "engine.core.lift_1.a": lut,  # copies of one module
        "engine.link.queue.memory.0": memory, "engine.other": other,
        "pin_LUT": lut, **dict.fromkeys(SCOPES, "$scopeinfo"),
    }
    path.write_text(json.dumps({"modules": {"top": {
        "cells": {name: {"type": kind} for name, kind in cells.items()},
    }}}), encoding="utf-8")


@pytest.mark.parametrize("family", OPEN)
def test_cells_are_those_of_the_scope_that_they_are_named_by(family, tmp_path):
    netlist(tmp_path / "top.json", CELLS[family])
    shares = read_modules(tmp_path / "top.json", FAMILIES[family], "top")
    found = {share.module: tuple(share.cells.values()) for share in shares}
    assert found == {
        "engine.core.array": (1 + ADDER[family], 1, 0), "engine.core.lift": (2, 0, 0),
        "engine.link": (0, 0, 1), "top": (1, 0, 0),
    }
    assert all(tuple(share.cells) == ("lut4", "ff", "bram") for share in shares)
    assert [share.cells["lut4"] for share in shares] == sorted(
        (share.cells["lut4"] for share in shares), reverse=True)


@pytest.mark.parametrize("text", ["{}", "[]", '{"modules": {"top": 1}}', '{"modules": []}'])
def test_what_is_no_netlist_is_refused(text, tmp_path):
    (tmp_path / "top.json").write_text(text, encoding="utf-8")
    with pytest.raises(BuildError, match=r"top\.json"):
        read_modules(tmp_path / "top.json", FAMILIES["ecp5"], "top")


@pytest.mark.parametrize("options", [["--modules"], ["--modules", "--json"], []])
def test_they_are_printed_where_they_are_asked_for(options, tmp_path, monkeypatch, capsys):
    manifest = SimpleNamespace(to_dict=lambda: {"board": "icebreaker"})
    built = SimpleNamespace(bitstream="top.bin", manifest_path="m", logs="l", plan="p",
                            manifest=manifest)
    shares = [Share(module="engine", cells={"lut4": 30, "ff": 2, "bram": 0}),
              Share(module="top", cells={"lut4": 10, "ff": 0, "bram": 1})]
    monkeypatch.setattr(flow, "build", lambda *args, **options: built)
    monkeypatch.setattr(entries, "modules", lambda plan: shares if plan == "p" else None)
    assert main(["build", "--board", "icebreaker", "-o", str(tmp_path), *options]) == 0
    out = capsys.readouterr().out
    if "--json" in options:
        assert json.loads(out)["modules"][1] == {
            "module": "top", "cells": {"lut4": 10, "ff": 0, "bram": 1}}
    elif options:
        assert out.splitlines()[0] == "top.bin"
        assert out.splitlines()[3].split() == ["engine", "30", "2", "0", "75%"]
    else:
        assert out == "top.bin\n"

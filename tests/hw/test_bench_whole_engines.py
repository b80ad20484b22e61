"""Whole engines beside the one with int8 lanes, with numbers in place of the tools'."""

import json
from dataclasses import replace

import pytest

from nhot.bitstream import Resource
from nhot.cli import main
from nhot.compiler.estimates import dsp_blocks
from nhot.compiler.targets import board
from nhot_hw.bench import whole_engines

LUTS = {"int8": 1000, "2hot": 720, "1hot": 560, "ternary": 240, "binary": 300,
        "signed-binary": 251}


@pytest.fixture
def packed(monkeypatch):
    """Every design that was packed: board and sizes."""
    found = []

    def pack(plan):
        return {"lut4": Resource(used=LUTS[plan.config.format], available=0)}

    class Plan:
        def __init__(self, target):
            self.config = target.config
            found.append((target.board, target.config))

    monkeypatch.setattr(whole_engines, "plan_build", Plan)
    monkeypatch.setattr(whole_engines, "pack", pack)
    return found


def test_engines_differ_in_their_lanes_alone(packed):
    rows = whole_engines.measure()
    assert len(packed) == len(set(packed)) == len(rows)
    for name, base in whole_engines.ENGINES.items():
        of_board = [config for board_name, config in packed if board_name == name]
        assert (of_board[0].format, of_board[0].lane) == ("int8", "rows")
        assert {config.format for config in of_board} >= set(whole_engines.AIMS)
        for config in of_board:
            assert {**base.sizes(), "format": "", "lane": ""} == {
                **config.sizes(), "format": "", "lane": ""
            }


def test_rows_say_what_is_met(packed):
    rows = {row.config.format: row for row in whole_engines.measure(["ulx3s-85f"])}
    assert rows["2hot"].cells() == [
        "ulx3s-85f", "2 x 16 x 16", "2hot, chain", "720", "0.72", "0.72 met"
    ]
    assert rows["1hot"].cells()[-1] == "0.55 missed"
    assert rows["signed-binary"].cells()[-2:] == ["0.25", "0.25 missed"]  # not by rounding
    assert rows["binary"].cells()[-1] == ""
    assert rows["int8"].ratio == 1


def test_the_command_measures_a_family(packed, capsys):
    assert main(["bench", "engines", "--family", "ice40", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {board(name).family for name, _ in packed} == {"ice40"}
    assert {row["config"]["format"]: row["of_int8"] for row in result["rows"]}["2hot"] == 0.72
    assert any("without DSPs" in line for line in result["legend"])


def test_rows_of_adder_cells_take_no_multipliers():
    base = whole_engines.ENGINES["ulx3s-85f"]
    assert dsp_blocks(replace(base, format="int8", lane="rows"), "ecp5") == 0
    assert dsp_blocks(replace(base, format="int8"), "ecp5") == base.macs

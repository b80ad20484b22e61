"""Which engine of the boards holds a network."""

import pytest

from nhot.cli import main
from nhot.compiler.holders import engines, holds, smallest_holder
from nhot.compiler.targets import BOARDS, target
from nhot.network.file import save
from nhot.testing.engine_networks import sample_network
from nhot.testing.networks import random_network


def test_the_smallest_of_those_that_hold_it():
    small = sample_network("2hot")
    assert smallest_holder(small) == target("icebreaker", "2hot")
    wide = random_network(1, layers=1, shape=(30, 30, 8), operators=("max",))  # 1,800 words of 4
    engines_there = BOARDS["icebreaker"].configurations
    held = {name: holds(wide, config) for name, (_, config) in engines_there.items()}
    assert held == {"2hot": False, "signed-binary": False, "signed-binary-large": True}
    assert smallest_holder(wide) == target("colorlight-i5", "2hot")


def test_what_several_boards_come_with_is_there_once():
    found = [engine.config for engine in engines()]
    assert len(set(found)) == len(found)
    assert set(found) == {config for board in BOARDS.values()
                          for _, config in board.configurations.values()}
    for name, board in BOARDS.items():
        assert {engine.configuration for engine in engines(name)} == set(board.configurations)
        assert {engine.board for engine in engines(name)} == {name}


def test_no_board_has_lanes_for_it():
    assert smallest_holder(sample_network("int8")) is None


@pytest.mark.parametrize(("fmt", "end"), [
    ("2hot", "; icebreaker with --configuration 2hot holds it"),
    ("int8", "; no engine that comes with a board holds it (--fit FILE makes one)"),
])
def test_a_refusal_says_so(tmp_path, capsys, fmt, end):
    save(sample_network(fmt), tmp_path / "net.onnx")
    (tmp_path / "small.json").write_text(
        f'{{"activation_words": 16, "format": "{fmt}", "inputs": 2, "filters": 2}}',
        encoding="utf-8",
    )
    arguments = [str(tmp_path / "net.onnx"), "--config", str(tmp_path / "small.json")]
    assert main(["compile", *arguments]) == 2
    assert capsys.readouterr().err.rstrip().endswith(end)

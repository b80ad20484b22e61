"""Estimates beside the tools, and how they are fitted, to numbers in place of the tools'."""

from __future__ import annotations

import json

import pytest

from nhot.bitstream import Resource
from nhot.cli import main
from nhot.compiler.estimates import coefficients, has_estimates, parts, period_parts, weighted
from nhot.compiler.targets import BOARDS
from nhot.report.collect import bitstreams
from nhot_hw.bench import estimates
from nhot_hw.bench.random_engines import drawn
from nhot_hw.boards import make_platform


@pytest.mark.parametrize("family", ["ecp5", "ice40"])
def test_engines_are_drawn_again_and_of_all_kinds(family):
    engines = drawn(family, 42)
    assert engines[:10] == drawn(family, 10)
    assert len(set(engines)) == 42
    assert {one.lane for one in engines} == {"parallel", "chain", "serial"}
    assert {one.pixels for one in engines} >= {1, 2}
    assert drawn(family, 5, seed=1) != engines[:5]
    taken = {json.dumps(configuration.to_json()) for board in BOARDS.values()
             for _, configuration in board.configurations.values()}
    assert not any(json.dumps(one.to_json()) in taken for one in engines)


def test_a_sum_of_parts_is_found_again(monkeypatch):
    """Engines that are just what the coefficients say give these coefficients."""
    known = coefficients()

    def pack(plan):
        config, family = plan
        return {"lut4": Resource(used=weighted(parts(config, family), known[family].luts),
                                 available=0)}

    def fmax(board, config):
        luts = weighted(parts(config, board.family), known[board.family].luts)
        return 1000 / weighted(period_parts(luts), {"logic": 9.0, "wires": 0.02})

    monkeypatch.setattr(estimates, "_plan", lambda board, config: (config, board.family))
    monkeypatch.setattr(estimates, "pack", pack)
    monkeypatch.setattr(estimates, "_fmax", fmax)
    for family, one in estimates.fit().items():
        packed = estimates.packed_engines(family)
        assert one.engines == len(packed)
        assert one.placed == len(estimates.PLACED[family])
        for config in packed:
            wanted, made = (weighted(parts(config, family), which.luts)
                            for which in (known[family], one))
            assert made == pytest.approx(wanted, rel=0.01)
        assert one.period == pytest.approx({"logic": 9.0, "wires": 0.02}, rel=0.01)
    assert json.loads(estimates.to_json(known))["ecp5"]["luts"] == known["ecp5"].luts


def test_the_package_has_what_is_fitted():
    """All drawn engines that are to be, and costs of the parts that these have."""
    for family, known in coefficients().items():
        chosen = estimates.packed_engines(family)
        assert (known.engines, known.placed) == (len(chosen), len(estimates.PLACED[family]))
        assert known.luts.keys() == {name for one in chosen for name in parts(one, family)}
        assert known.period.keys() == period_parts(1).keys()


def test_the_table(capsys):
    assert main(["bench", "estimates", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert {row["board"] for row in made["rows"]} == {
        manifest.board for manifest in bitstreams() if has_estimates(manifest.board)
    }
    assert "Median of the errors" in made["legend"][-1]


@pytest.mark.parametrize("name", BOARDS)
def test_boards_are_of_the_family_that_they_say(name):
    """By the maker's name of the part, which place and route is given."""
    begin = {"ecp5": "LFE5U", "gowin": "GW", "ice40": "iCE40", "series7": "xc7"}
    assert make_platform(name).part.startswith(begin[BOARDS[name].family])

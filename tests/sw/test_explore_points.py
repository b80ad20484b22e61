"""Points of a sweep: the axes they are on, their front, and the choice among them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from nhot.compiler.targets import BOARDS
from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.explore.front import front
from nhot.explore.point import Point
from nhot.explore.space import Space
from nhot.explore.sweep import Found
from nhot.trials import Rounding, Scored


def point(luts=100, fmax_mhz=100.0, value=0.5, cycles=1000, **others):
    return Point(**{
        "board": "ulx3s-85f", "rounding": Rounding(format="2hot"), "network": "net.onnx",
        "config": EngineConfig(), "cycles": cycles, "luts": luts, "block_memories": 1,
        "fmax_mhz": fmax_mhz,
        "scored": Scored(metric="accuracy", value=value, samples=10, stage="network"), **others,
    })


def test_candidates_are_all_combinations_but_those_that_are_no_engine():
    space = Space(format=("2hot", "apot4", "signed-binary/8"), filters=(4, 6), inputs=(4, 8),
                  requantisers=(1, 4))
    candidates, refused = space.candidates()
    assert len(candidates) + sum(refused.values()) == 3 * 2 * 2 * 2
    found = {(one.config.format, one.config.filters, one.config.inputs, one.config.requantisers)
             for one in candidates}
    assert found == {
        *(("2hot", 4, inputs, r) for inputs in (4, 8) for r in (1, 4)),
        *(("signed-binary/8", 4, inputs, r) for inputs in (4, 8) for r in (1, 4)),
    }
    assert refused["Engine filters and inputs must divide one another, not 6 and 4"] == 4
    assert sum(count for reason, count in refused.items() if "'apot4'" in reason) == 8


def test_axes_as_text():
    space = Space.parse({"pixels": "1, 2,1", "format": "2hot,2hot@6", "board": None,
                         "depthwise": "no,yes"})
    assert (space.pixels, space.format) == ((1, 2), ("2hot", "2hot@6"))
    assert space.depthwise == (False, True)
    assert space.board == Space.board == ("icebreaker", "ulx3s-85f")


@pytest.mark.parametrize(("axis", "text", "reason"), [
    ("pixels", "", "Axis pixels must have values with commas between them, not an empty one"),
    ("pixels", "1,,2", "Axis pixels must have values with commas between them"),
    ("pixels", "two", "Axis pixels must have whole numbers, not 'two'"),
    ("pixels", "1.5", "Axis pixels must have whole numbers, not '1.5'"),
    ("pixels", "\u0663", "Axis pixels must have whole numbers"),
    ("pixels", "9" * 100000, "Axis pixels must have whole numbers"),
    ("pixels", "0", "Axis pixels must have values from 1 to 64, not 0"),
    ("filters", "-4", "Axis filters must have values from 1 to 256, not -4"),
    ("requantisers", "65", "Axis requantisers must have values from 1 to 64, not 65"),
    ("bits", "9", "Axis bits must have values from 2 to 8, not 9"),
    ("requant_terms", "3", "Axis requant_terms must have values of 1, 2, 4, not 3"),
    ("multiplier_terms", "3", "Axis multiplier_terms must have values of 1, 2, 4, not 3"),
    ("lane", "fast", "Axis lane must have values of parallel, chain, serial, rows, not 'fast'"),
    ("depthwise", "maybe", "Axis depthwise must have values of no, yes, not 'maybe'"),
    ("format", "5cold", "5cold"),
    ("board", "tangnano9k", "Estimates must be of an FPGA of ecp5 or ice40, not of gowin"),
    ("board", "icebraker", "Board must be one of .*did you mean icebreaker"),
])
def test_axes_that_are_none(axis, text, reason):
    with pytest.raises(NhotError, match=reason):
        Space.parse({axis: text})


def test_an_axis_without_a_value():
    with pytest.raises(NhotError, match="Axis inputs must have at least one value, not none"):
        Space(inputs=())


def test_front_is_what_nothing_beats():
    random = np.random.default_rng(3)
    points = [tuple(map(int, one)) for one in random.integers(0, 4, (40, 3))]
    found = front(points)
    for place, one in enumerate(points):
        beaten = any(other != one and all(np.less_equal(other, one)) for other in points)
        assert (place in found) != beaten


def test_hopes_keep_what_is_near():
    points = [(10, 10), (11, 10), (12, 10), (10, 10)]
    assert front(points) == [0, 3]
    hopes = [(one * 0.9, other) for one, other in points]
    assert front(points, hopes) == [0, 1, 3]


def test_hopes_are_of_estimates_alone():
    for stage, luts, fmax in (("estimated", 100 / 1.5, 150), ("synthesised", 100, 150),
                              ("placed", 100, 100)):
        one = point(stage=stage)
        assert one.hoped(0.5) == pytest.approx((-0.5, 1000 / (1e6 * fmax), luts))


def test_names_of_points_are_configurations_and_differ():
    from nhot.compiler.targets import Target

    space = Space(format=("2hot", "2hot+", "2hot@6"), multiplier_terms=(2, 4), bits=(6, 8),
                  lane=("parallel", "chain"), requant_terms=(1, 2), pixels=(1, 2),
                  depthwise=(False, True), requantisers=(1,))
    candidates, _ = space.candidates()
    names = [point(rounding=one.rounding, config=one.config, board=board).name
             for one, board in itertools.product(candidates, BOARDS)]
    assert len(set(names)) == len(names)
    for name in names:
        Target(board="icebreaker", configuration=name, clock_hz=10**7, config=EngineConfig())


def test_choice_is_the_smallest_that_will_do():
    small, fast, good = point(10, 50.0, 0.5), point(20, 100.0, 0.5), point(30, 60.0, 0.9)
    found = Found(original=good.scored, points=[small, fast, good])
    assert found.front == [good, fast, small]
    assert found.choose(None, None) == good
    assert found.choose(0.5, None) == small
    assert found.choose(None, 90_000) == fast
    assert found.choose(0.6, None) == good
    assert found.choose(0.9, 90_000) is None
    assert Found(original=good.scored).choose(None, None) is None


def test_choice_where_less_is_better():
    def of(value):
        return Scored(metric="mean squares", value=value, samples=1, stage="network")

    worse, better = point(10, scored=of(2.0)), point(20, scored=of(1.0))
    found = Found(original=of(0.5), points=[worse, better])
    assert found.choose(None, None) == better
    assert found.choose(3.0, None) == worse
    assert found.choose(1.5, None) == better
    assert found.choose(0.5, None) is None

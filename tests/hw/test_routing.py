"""A router that will not come to its end is told from one that will."""

from threading import Event
from types import SimpleNamespace

import pytest

from nhot.errors import BuildError
from nhot_hw.build import seeds
from nhot_hw.build.routing import diverging

# Overused wires by round of two placements of an engine of 256 lanes: the first was broken off.
LOST = [
    71171, 42510, 26020, 16774, 10862, 7697, 6151, 5566, 4883, 3937, 3419, 3032, 2788, 2490,
    2288, 1983, 1806, 1733, 1731, 1701, 1633, 1528, 1576, 1675, 1673, 1788, 1771, 1876, 1815,
    2038, 2066, 2327, 2368, 2399, 2509, 2728, 2779, 3060, 3243, 3456, 3730, 3976, 4344, 4726,
    5157, 5785
]
FOUND = [
    70812, 41305, 24617, 14416, 9315, 6596, 4628, 3496, 2643, 2048, 1524, 1086, 880, 666, 615,
    520, 386, 350, 268, 230, 225, 178, 148, 160, 195, 136, 104, 101, 84, 64, 57, 47, 46, 33, 43,
    39, 40, 38, 35, 24, 24, 19, 21, 21, 21, 20, 20, 13, 12, 12, 10, 9, 7, 6, 5, 7, 5, 6, 5, 4,
    2, 2, 5, 5, 3, 4, 7, 3, 3, 2, 0,
]


def log_of(rounds):
    lines = [
        f"Info:     iter={number} wires=1030713 overused={count} overuse={count} archfail=NA\n"
        for number, count in enumerate(rounds, 1)
    ]
    return "".join(["Info: Running router2...\n", *lines]).encode()


def test_one_whose_overused_wires_have_doubled_is_lost():
    assert diverging(log_of(LOST)) == (
        "router does not come to an end, with 1,528 overused wires in round 22 and 5,785 in "
        "round 46; another --seed may"
    )
    assert diverging(log_of(LOST[:30])) is None


def test_one_with_a_few_wires_more_now_and_then_is_not():
    assert all(diverging(log_of(FOUND[:i])) is None for i in range(len(FOUND) + 1))
    assert diverging(b"Info: Routing complete.\n") is None


def test_such_a_seed_is_ended_and_named(tmp_path):
    log = tmp_path / "nextpnr.log"
    run = seeds._Run(SimpleNamespace(seed=1), Event())
    log.write_bytes(log_of(LOST[:30]))
    run._watch(log)
    log.write_bytes(log_of(LOST))
    with pytest.raises(BuildError, match=r"from seed 1 failed: router does not .*nextpnr\.log"):
        run._watch(log)

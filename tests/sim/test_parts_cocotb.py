"""The generated Verilog of array, requantiser and top against the reference."""

from dataclasses import asdict

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.network.reference import run
from nhot.testing.networks import random_input, random_network
from nhot_hw.engine.array import array_for
from nhot_hw.engine.requantiser import Requantiser
from nhot_hw.io import Top
from nhot_sim.benches.tb_requantiser import _cases
from nhot_sim.runner import run_bench

SIMULATORS = ["icarus", pytest.param("verilator", marks=pytest.mark.slow)]


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("config", [
    EngineConfig(pixels=3, filters=2, inputs=4, requantisers=2),
    EngineConfig(pixels=2, filters=4, inputs=2, lane="serial"),
    EngineConfig(format="signed-binary", pixels=2, filters=4, inputs=4),
    EngineConfig(format="signed-binary/8", pixels=2, filters=2, inputs=4),
    EngineConfig(format="int8", filters=2, inputs=2),
    EngineConfig(format="signed-binary", pixels=3, filters=8, inputs=16),
], ids=lambda c: f"{c.format}-{c.lane}-{c.macs}")
def test_array(config, simulator, tmp_path):
    run_bench(
        array_for(config), "nhot_sim.benches.tb_array", build_dir=tmp_path, simulator=simulator,
        name="array", parameters={"config": asdict(config), "seed": 3},
    )


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_requantiser(simulator, at_once, tmp_path):
    config = EngineConfig(accumulator_bits=22, product_bits=52, requant_terms=at_once)
    run_bench(
        Requantiser(config), "nhot_sim.benches.tb_requantiser", build_dir=tmp_path,
        simulator=simulator, name="requantiser",
        parameters={
            "accumulator_bits": config.accumulator_bits, "requant_terms": at_once, "seed": 4,
        },
    )


def test_a_requantiser_is_given_the_extremes_and_no_more():
    limit = 1 << 21
    cases = _cases(22, np.random.default_rng(4))
    for values in ([value for _, value, _ in cases], [value + bias for _, value, bias in cases]):
        assert (min(values), max(values)) == (-limit, limit - 1)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_top_through_its_pins(simulator, tmp_path):
    config = EngineConfig(weight_words=128, activation_words=256)
    # Each byte takes 40 cycles on the wire: two layers and few weights will do.
    network = random_network(3, layers=2, shape=(4, 4, 2), operators=("conv", "max"), widest=4)
    (tmp_path / "net.img").write_bytes(compile_network(network, config).to_bytes())
    np.savez(tmp_path / "wanted.npz", **run(network, random_input(network.input, 1, 3), trace=True))
    run_bench(
        Top(config, clock_hz=4_000_000, baud=1_000_000), "nhot_sim.benches.tb_top",
        build_dir=tmp_path / "bench", simulator=simulator, name="top",
        parameters={
            "image": str(tmp_path / "net.img"), "wanted": str(tmp_path / "wanted.npz"),
            "divisor": 4, "seed": 0, "count": 0,
        },
    )

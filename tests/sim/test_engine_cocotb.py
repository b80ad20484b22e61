"""The generated Verilog of the engine against the reference, on networks with every operator."""

from dataclasses import asdict

import pytest

from nhot.compiler import EngineConfig
from nhot_hw.engine import Engine
from nhot_sim.runner import run_bench

SMALL = [
    EngineConfig(weight_words=512, activation_words=256),
    EngineConfig(format="signed-binary", filters=8, inputs=4, requantisers=4, pixels=2),
    EngineConfig(format="1hot", filters=6, inputs=3, requantisers=3, pixels=3),
]
MORE = [
    EngineConfig(pixels=3, filters=2, inputs=4, lane="serial"),
    EngineConfig(format="int8", filters=1, inputs=2),
    EngineConfig(format="ternary", filters=16, inputs=8, requantisers=8),
    EngineConfig(format="3hot", filters=4, inputs=8, requantisers=2, pixels=2),
    EngineConfig(format="3hot", lane="serial", pixels=5),
]


def _name(config):
    return f"{config.format}-{config.lane}-{config.pixels}x{config.filters}x{config.inputs}"


def _run(config, tmp_path, *, simulator, inputs, seed):
    run_bench(
        Engine(config), "nhot_sim.tb_engine", build_dir=tmp_path, simulator=simulator,
        name="engine",
        parameters={"config": asdict(config), "seed": seed, "pause": 0.3, "inputs": inputs},
    )


@pytest.mark.parametrize("config", SMALL, ids=_name)
def test_engine_in_icarus(config, tmp_path):
    _run(config, tmp_path, simulator="icarus", inputs=1, seed=0)


def test_engine_in_verilator(tmp_path):
    _run(EngineConfig(), tmp_path, simulator="verilator", inputs=2, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("config", SMALL + MORE, ids=_name)
def test_every_kind_of_engine(config, tmp_path, simulator):
    _run(config, tmp_path, simulator=simulator, inputs=4, seed=2)

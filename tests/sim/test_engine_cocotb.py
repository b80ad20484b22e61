"""The generated Verilog of the engine against the reference, on networks with every operator."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.errors import MismatchError
from nhot.testing.depthwise import depthwise_network
from nhot.testing.engine_networks import extreme_inputs, sample_network
from nhot_sim.chain import check_verilog
from nhot_sim.runner import require

SMALL = [
    EngineConfig(weight_words=512, activation_words=256),
    EngineConfig(format="signed-binary", filters=8, inputs=4, requantisers=4, pixels=2),
    EngineConfig(format="signed-binary/4", filters=4, inputs=2, requantisers=2, pixels=2),
    EngineConfig(format="1hot", filters=6, inputs=3, requantisers=3, requant_terms=2, pixels=3),
    EngineConfig(format="signed-binary", filters=8, inputs=4, lane="chain", single_port=True),
    EngineConfig(format="binary", filters=4, inputs=2, requantisers=2, pixels=2),
    EngineConfig(format="signed-binary", filters=8, inputs=16, pixels=3, requantisers=4),
]
MORE = [
    EngineConfig(pixels=3, filters=2, inputs=4, lane="serial"),
    EngineConfig(format="int8", filters=1, inputs=2),
    EngineConfig(format="int4", filters=4, inputs=4, lane="rows"),
    EngineConfig(format="ternary", filters=16, inputs=8, requantisers=8, requant_terms=4),
    EngineConfig(format="3hot", filters=4, inputs=8, requantisers=2, pixels=2),
    EngineConfig(format="3hot", lane="serial", pixels=5),
    EngineConfig(requantisers=4, requant_terms=4, single_port=True),
    EngineConfig(format="binary", filters=2, inputs=2, lane="chain", single_port=True),
]


def _name(config):
    return f"{config.format}-{config.lane}-{config.pixels}x{config.filters}x{config.inputs}"


def _run(config, tmp_path, *, simulator, inputs, seed):
    network = sample_network(config.format, seed=seed)
    check_verilog(
        network, compile_network(network, config), extreme_inputs(network)[:inputs],
        simulator=simulator, pause=0.3, seed=seed, testcase=None, build_dir=tmp_path,
    )


@pytest.mark.parametrize("config", SMALL, ids=_name)
def test_engine_in_icarus(config, tmp_path):
    require("iverilog")
    _run(config, tmp_path, simulator="icarus", inputs=1, seed=0)


def test_engine_in_verilator(tmp_path):
    require("verilator")
    _run(EngineConfig(), tmp_path, simulator="verilator", inputs=2, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
@pytest.mark.parametrize("config", SMALL + MORE, ids=_name)
def test_every_kind_of_engine(config, tmp_path, simulator):
    _run(config, tmp_path, simulator=simulator, inputs=4, seed=2)


def test_a_difference_is_named(tmp_path):
    """A network with one other weight than the image: the report names layer, place and values."""
    require("iverilog")
    network = sample_network("2hot")
    image = compile_network(network, EngineConfig())
    linear = network.nodes[-2]
    weights = linear.weights.copy()
    weights[3] = -weights[3]
    other = replace(network, nodes=(*network.nodes[:-2], replace(linear, weights=weights),
                                    network.nodes[-1]))
    message = r"Layer 'scores' of input 0 at \(y, x, channel\) \(0, 0, 3\) must be -?\d+, not -?\d+"
    with pytest.raises(MismatchError, match=message):
        check_verilog(other, image, extreme_inputs(network)[:1], build_dir=tmp_path)


def test_depthwise_layer_with_random_stalls(tmp_path):
    config = EngineConfig(
        format="ternary", filters=9, inputs=9, requantisers=9, requant_terms=4, depthwise=True,
        pixels=2, weight_words=64, activation_words=1024,
    )
    rng = np.random.default_rng(2)
    network = depthwise_network(rng, config, stride=(1, 2))
    x = rng.integers(network.input.low, network.input.high + 1, (1, *network.input.shape))
    check_verilog(
        network, compile_network(network, config), x, simulator="verilator", pause=0.3,
        seed=2, testcase=None, build_dir=tmp_path,
    )

"""The engines that boards come with, simulated: what ``--port virtual:BOARD`` opens."""

import numpy as np
import pytest

from nhot.cli.ports import open_port
from nhot.compiler import compile_network
from nhot.compiler.profile import profile
from nhot.compiler.targets import BOARDS, target
from nhot.network.reference import run
from nhot.testing.engine_networks import extreme_inputs, sample_network
from nhot_sim.runner import require


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=() if name == "icebreaker" else pytest.mark.slow) for name in BOARDS
])
def test_the_default_engine_of_every_board_runs(name):
    """A network of every operator, to the bit and to the cycle."""
    for tool in ("verilator", "g++"):
        require(tool)
    chosen = target(name)
    network = sample_network(chosen.config.format)
    image = compile_network(network, chosen.config)
    x = extreme_inputs(network)
    with open_port(f"virtual:{name}", chosen.config) as board:
        board.load(image)
        result = board.run(x)
    np.testing.assert_array_equal(result.outputs, run(network, x))
    assert set(result.cycles) == {profile(image).cycles}

"""The engine in Amaranth's simulator, and its requantiser alone."""

import numpy as np
import pytest
from amaranth.back import rtlil

from nhot.compiler import EngineConfig, compile_network
from nhot.contract.cycles import program_cycles
from nhot.contract.program import unpack_program
from nhot.errors import MismatchError
from nhot.network import Requant
from nhot.network.reference import run
from nhot.testing.engine_networks import extreme_inputs, sample_network
from nhot.testing.networks import random_input, random_network
from nhot_hw.engine import Engine
from nhot_hw.io import Top
from nhot_sim.engine_simulation import EngineSimulation
from nhot_sim.requantise import requantise


@pytest.mark.parametrize(("config", "direct"), [
    (EngineConfig(weight_words=128), False),
    (EngineConfig(pixels=2, filters=2, inputs=4, requantisers=2, lane="serial"), True),
    (EngineConfig(format="signed-binary/4", filters=2, inputs=2, weight_words=256), False),
    (EngineConfig(pixels=2, inputs=8, requantisers=2, lane="chain"), True),
], ids=["parallel", "serial", "regions", "chain"])
def test_network_equals_reference(config, direct):
    network = sample_network(config.format, size=5)
    x = extreme_inputs(network)[:1]
    simulation = EngineSimulation(compile_network(network, config), direct=direct)
    (outputs,) = simulation.run(list(x))
    wanted = run(network, x, trace=True)
    assert "answer" in outputs
    for name, values in outputs.items():
        np.testing.assert_array_equal(values, wanted[name][0], err_msg=name)
    assert_cycles_are_predicted(simulation)


@pytest.mark.parametrize("config", [
    EngineConfig(
        pixels=3, filters=8, inputs=2, requantisers=2, format="3hot", lane="serial",
        weight_words=1024,
    ),
    EngineConfig(filters=8, inputs=8, requantisers=4, format="signed-binary", weight_words=1024),
    EngineConfig(filters=8, requantisers=4, format="signed-binary/4", weight_words=1024),
    EngineConfig(pixels=2, inputs=8, requantisers=4, format="int8", weight_words=1024),
    EngineConfig(inputs=8, requantisers=4, format="int8", lane="rows", weight_words=1024),
    EngineConfig(filters=16, requantisers=4, requant_terms=2, format="1hot", weight_words=1024),
    EngineConfig(pixels=2, inputs=8, format="signed-binary", lane="chain", weight_words=1024),
    EngineConfig(pixels=2, requantisers=4, requant_terms=4, format="2hot", weight_words=1024),
    EngineConfig(inputs=2, filters=2, format="3hot", lane="chain", weight_words=2048),
    # Groups of filters that work one after the other.
    EngineConfig(pixels=5, inputs=8, filters=8, requantisers=8, format="signed-binary"),
    EngineConfig(pixels=3, inputs=32, requantisers=2, format="1hot", lane="chain"),
], ids=lambda config: f"{config.format}-{config.macs}")
def test_cycles_are_predicted(config):
    network = random_network(5, formats=(config.weight_format,), widest=9, argmax=True)
    simulation = EngineSimulation(compile_network(network, config), direct=True)
    simulation.run([random_input(network.input, 1, 0)[0]])
    assert_cycles_are_predicted(simulation)


def assert_cycles_are_predicted(simulation):
    """Of every layer, of the end of the program, and thus of the run."""
    image = simulation.image
    predicted = program_cycles(unpack_program(image.program), image.config)
    assert np.diff([0, *simulation.layer_ends, simulation.cycles]).tolist() == predicted
    assert [layer.cycles for layer in image.meta.layers] == predicted[:-1]


def test_a_run_without_end_is_reported():
    network = sample_network("2hot", size=5)
    simulation = EngineSimulation(compile_network(network, EngineConfig()), limit=50, direct=True)
    with pytest.raises(MismatchError, match="Run must end within 50 cycles"):
        simulation.run(list(extreme_inputs(network)[:1]))


@pytest.mark.parametrize("make", [
    lambda: Engine(EngineConfig(pixels=2)),
    lambda: Top(EngineConfig(), clock_hz=12_000_000, baud=1_000_000),
], ids=["engine", "top"])
def test_elaborates_twice(make):
    component = make()
    assert rtlil.convert(component) == rtlil.convert(component)


@pytest.mark.parametrize("at_once", [1, 2, 4])
def test_requantiser_equals_its_reference(at_once):
    """Random and extreme sums, multipliers, biases, zero points and clamps."""
    rng = np.random.default_rng(7)
    config = EngineConfig(accumulator_bits=24, product_bits=56, requant_terms=at_once)
    count = 300
    scale = rng.choice([-1, 1], count) * 2.0 ** rng.uniform(-14, 2, count)
    requants = [
        Requant.from_scale(s, zero_point=int(z), low=int(min(a, b)), high=int(max(a, b)))
        for s, z, a, b in zip(
            scale, rng.choice([-128, 0, 127, 5], count),
            rng.integers(-128, 128, count), rng.integers(-128, 128, count), strict=True,
        )
    ]
    # Halves of an output unit, where rounding decides, are as likely as anything else.
    sums = rng.integers(-(2**22), 2**22, count)
    halves = np.array([int((k + 0.5) / abs(s)) for k, s in zip(rng.integers(-99, 99, count), scale,
                                                               strict=True)])
    sums = np.where(rng.random(count) < 0.5, np.clip(halves, -(2**22), 2**22), sums)
    biases = rng.integers(-(2**22), 2**22, count)
    sums -= biases // 2
    wanted = [int(r.compute([s + b])[0]) for r, s, b in zip(requants, sums, biases, strict=True)]
    cases = [(r, int(s), int(b)) for r, s, b in zip(requants, sums, biases, strict=True)]
    assert requantise(config, cases) == wanted

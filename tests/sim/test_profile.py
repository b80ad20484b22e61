"""Where cycles go: what is predicted of each layer is what the engine counts of it."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.profile import profile
from nhot.contract.breakdown import Breakdown
from nhot.network.counts import count_layer
from nhot.testing.engine_networks import extreme_inputs, sample_network
from nhot.testing.networks import random_input, random_network
from nhot_sim.engine_simulation import EngineSimulation


def measured(network, config):
    """The profile of a network on an engine, and the simulation that has run it."""
    image = compile_network(network, config)
    simulation = EngineSimulation(image, direct=True)
    simulation.run([random_input(network.input, 1, 0)[0]])
    return profile(image), simulation


@pytest.mark.parametrize("direct", [False, True])
def test_inputs_go_through_the_port_or_right_into_the_memory(direct, monkeypatch):
    placed = []
    place = EngineSimulation._place
    monkeypatch.setattr(EngineSimulation, "_place",
                        lambda *arguments: (placed.append(1), place(*arguments))[1])
    network = random_network(3, layers=1, shape=(3, 3, 2), operators=("conv",), widest=2)
    image = compile_network(network, EngineConfig(weight_words=128))
    EngineSimulation(image, direct=direct).run([random_input(network.input, 1, 0)[0]])
    assert bool(placed) == direct


@pytest.mark.parametrize("config", [
    EngineConfig(weight_words=128),
    EngineConfig(requantisers=4, weight_words=128),
    EngineConfig(pixels=2, filters=2, inputs=4, requantisers=2, lane="serial"),
    EngineConfig(pixels=3, filters=4, inputs=2, weight_words=256),
], ids=["one", "four", "serial", "pixels"])
def test_stalls_are_those_that_the_engine_counts(config):
    known, simulation = measured(sample_network("2hot", size=5), config)
    stalls = [layer.parts.stalls for layer in known.layers]
    assert stalls == np.diff([0, *simulation.layer_stalls]).tolist()
    assert sum(stalls) == simulation.stalls
    assert known.cycles == simulation.cycles
    for layer in known.layers:
        assert layer.parts.cycles == layer.cycles
        assert min(asdict(layer.parts).values()) >= 0


def test_stalls_of_random_networks():
    config = EngineConfig(pixels=2, filters=4, inputs=4, requantisers=2, weight_words=2048,
                          activation_words=4096)
    for seed in range(3):
        network = random_network(seed, formats=(config.weight_format,), widest=9)
        known, simulation = measured(network, config)
        assert [layer.parts.stalls for layer in known.layers] == np.diff(
            [0, *simulation.layer_stalls]).tolist()


def test_ideal_cycles_are_those_of_an_array_that_is_always_full():
    network = sample_network("2hot", size=5)
    config = EngineConfig(weight_words=128)
    known = {layer.name: layer for layer in profile(compile_network(network, config)).layers}
    node = next(node for node in network.nodes if node.name == "strided")
    macs = count_layer(node, *network.inputs(node)).macs
    layer = known["strided"]
    assert layer.ideal == -(-macs // config.macs)
    assert layer.utilisation == round(layer.ideal / layer.cycles, 4)
    assert layer.parts.steps > layer.ideal  # six channels and six filters do not fill it
    assert (known["max"].ideal, known["max"].utilisation) == (None, None)
    serial = profile(compile_network(network, replace(config, lane="serial")))
    assert {layer.name: layer for layer in serial.layers}["strided"].ideal == -(-2 * macs // 16)


def test_the_largest_part_is_named():
    parts = Breakdown(fetch=1, steps=2, stalls=3, tail=2)
    assert parts.cycles == 8
    assert parts.bound == "requantiser"
    assert replace(parts, fetch=9).bound == "fetch"
    assert replace(parts, steps=9).bound == "steps"
    assert replace(parts, tail=9).bound == "tail"


def test_inputs_do_not_change_the_cycles():
    network = sample_network("2hot", size=4)
    image = compile_network(network, EngineConfig(weight_words=128))
    simulation = EngineSimulation(image, direct=True)
    simulation.run(list(extreme_inputs(network)[:2]))
    times = simulation.layer_times()
    assert [time.name for time in times] == [layer.name for layer in image.meta.layers]
    assert np.diff([0, *(time.end for time in times)]).tolist() == [
        layer.cycles for layer in image.meta.layers]

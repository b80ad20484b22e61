"""Every tensor on the engine in Verilator: small networks, and the four of MLPerf Tiny."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.fit import fit
from nhot.contract.program import Descriptor, Operation, Region, unpack_program
from nhot.errors import DeviceError, MismatchError, NhotError
from nhot.testing.engine_networks import extreme_inputs, sample_network
from nhot.testing.networks import random_input, random_network
from nhot_hw.bench.networks import NAMES
from nhot_sim.engine_simulation import surviving_layers
from nhot_sim.runner import require
from nhot_sim.tensors import check_tensors, segments
from nhot_sim.verilated_engine import VerilatedEngine

CONFIG = EngineConfig(weight_words=128)
NETWORK = sample_network("2hot", size=6)
IMAGE = compile_network(NETWORK, CONFIG)
INPUTS = extreme_inputs(NETWORK)


@pytest.fixture(scope="module")
def engine():
    for tool in ("verilator", "g++"):
        require(tool)
    with VerilatedEngine(CONFIG) as running:
        yield running


def test_every_tensor_of_every_input_is_compared(engine):
    layers = IMAGE.meta.layers
    sizes = {layer.name: int(np.prod(layer.output.shape)) for layer in layers}
    assert check_tensors(engine, NETWORK, IMAGE, INPUTS) == len(INPUTS) * sum(sizes.values())
    cycles, seconds = engine.time()
    assert cycles > 2 * len(INPUTS) * sum(layer.cycles for layer in layers)
    assert seconds > 0


def test_an_image_of_another_engine_is_refused(engine):
    other = compile_network(NETWORK, EngineConfig(weight_words=256))
    with pytest.raises(NhotError, match="Engine must be the one that the image is for"):
        check_tensors(engine, NETWORK, other, INPUTS)


def test_parts_leave_every_tensor():
    parts = segments(IMAGE)
    assert len(parts) > 1
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]
    assert (parts[0].start, parts[-1].stop) == (0, len(IMAGE.meta.layers))
    for part in parts:
        names = dict.fromkeys(layer.name for layer in IMAGE.meta.layers[part])
        assert [layer.name for layer in surviving_layers(IMAGE, part)] == list(names)
        if part is not parts[-1]:  # with one tensor more, a tensor is missing
            every = [layer.name for layer in IMAGE.meta.layers]
            end = len(every) - every[::-1].index(every[part.stop])
            assert len(surviving_layers(IMAGE, slice(part.start, end))) <= len(names)
    assert {layer.name for layer in surviving_layers(IMAGE)} < {
        layer.name for layer in IMAGE.meta.layers}


def test_a_layer_in_parts_is_one_tensor():
    """A depthwise layer in four parts, with what it reads, and what it makes whole at the end."""
    config = EngineConfig(filters=2, inputs=4, program_words=512, weight_words=4096)
    network = random_network(
        2, layers=2, shape=(3, 3, 16), widest=16, operators=("depthwise",),
    )
    image = compile_network(network, config)
    names = [layer.name for layer in image.meta.layers]
    assert len(names) > len(set(names)) == 2
    for part in segments(image):
        assert [layer.name for layer in surviving_layers(image, part)] == sorted(
            set(names[part]), key=names.index)
        assert part.start == 0 or names[part.start - 1] != names[part.start]


def test_a_tensor_that_is_overwritten_later_is_named(engine):
    layers, kept = IMAGE.meta.layers, surviving_layers(IMAGE)
    index = next(i for i, layer in enumerate(layers) if layer not in kept)
    damaged = bytearray(IMAGE.requant)
    damaged[4 * unpack_program(IMAGE.program)[index].requant_address + 1] ^= 0xFF  # of a bias
    with pytest.raises(
        MismatchError, match=rf"Layer '{layers[index].name}' of input 0 at .* in the Verilog"
    ):
        check_tensors(engine, NETWORK, replace(IMAGE, requant=bytes(damaged)), INPUTS[:1])


def test_a_run_that_takes_other_cycles_is_named(engine, monkeypatch):
    monkeypatch.setattr("nhot_sim.tensors.program_cycles", lambda steps, config: [7])
    last = segments(IMAGE)[0].stop - 1
    with pytest.raises(MismatchError, match=f"Run of layers 0 to {last} must take 7 cycles, not"):
        check_tensors(engine, NETWORK, IMAGE, INPUTS[:1])


def test_a_run_that_the_engine_stops_is_named(engine, monkeypatch):
    beyond = Descriptor(operation=Operation.MAX, output_address=CONFIG.activation_words)
    monkeypatch.setattr("nhot_sim.tensors._END", beyond.pack())
    with pytest.raises(MismatchError, match=r"must reach its END, but stopped after .*: PROGRAM"):
        check_tensors(engine, NETWORK, IMAGE, INPUTS[:1])


def test_memories_keep_what_is_written(engine):
    data = np.random.default_rng(0).bytes(4 * CONFIG.activation_words)
    engine.write(Region.ACTIVATIONS, 0, data)
    assert engine.read(Region.ACTIVATIONS, 0, len(data)) == data
    assert engine.read(Region.ACTIVATIONS, 9, 40) == data[36:76]
    engine.write(Region.ACTIVATIONS, 9, bytes(4))
    assert engine.read(Region.ACTIVATIONS, 8, 12) == data[32:36] + bytes(4) + data[40:44]


def test_a_simulation_that_has_ended_is_an_error():
    for tool in ("verilator", "g++"):
        require(tool)
    with VerilatedEngine(CONFIG) as engine:
        engine._send(b"?" + bytes(12))
        with pytest.raises(DeviceError, match="but it stopped"):
            engine.time()
    engine.close()


def check_exact(networks, array):
    """All of them on one engine with ``array`` that holds them all, in every tensor."""
    for tool in ("verilator", "g++"):
        require(tool)
    fitted = [fit(network, array) for network in networks]
    config = replace(array, **{
        size: max(getattr(one, size) for one in fitted) for size in (
            "accumulator_bits", "product_bits", "activation_words", "weight_words",
            "requant_words", "program_words")
    })
    with VerilatedEngine(config) as engine:
        for network in networks:
            image = compile_network(network, config)
            check_tensors(engine, network, image, random_input(network.input, 1, 0))


@pytest.mark.slow
def test_networks_of_mlperf_tiny_are_exact_in_every_tensor():
    """At 2-hot, rounded after training, on one engine of 256 lanes that holds all four."""
    from nhot_hw.bench.networks.mlperf_tiny import integer_network

    networks = [integer_network(name, "2hot")[0] for name in NAMES]
    check_exact(networks, EngineConfig(filters=16, inputs=16, requantisers=16))


@pytest.mark.slow
def test_detectors_are_exact_in_every_tensor():
    """A CenterNet with untrained weights: concatenations, and both ways to double a map."""
    import torch

    from nhot.experiments.models import build
    from nhot.quant import quantize, to_network

    torch.manual_seed(0)
    networks = []
    for method in ("nearest", "transposed"):
        model = build(
            "centernet", classes=3, width=0.25, filters=(32, 16, 16), head=16, upsample=method
        )
        x = torch.rand(2, 3, 32, 32)
        with torch.no_grad():
            model.train()(x)
        model = quantize(model.eval(), "2hot", x, input_range=(0.0, 1.0))
        networks.append(to_network(model, method))
    check_exact(networks, EngineConfig(
        pixels=2, filters=8, inputs=8, requantisers=8, requant_terms=4
    ))

"""Every format on its way from a float model to the engine, and limits of accumulators."""

import numpy as np
import pytest
import torch
from torch import nn

from nhot.compiler import EngineConfig, Machine, compile_network
from nhot.errors import NhotError
from nhot.formats import parse
from nhot.network import Conv2d, Linear
from nhot.network.bounds import accumulator_bits
from nhot.network.reference import run
from nhot.quant import quantize, to_network
from nhot.testing.networks import random_input

SIZES = {
    "activation_words": 1024, "weight_words": 2048, "requant_words": 256, "program_words": 256,
    "accumulator_bits": 24,
}


def model():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2),
        nn.ReLU(), nn.Flatten(), nn.Linear(8 * 3 * 3, 5),
    )
    with torch.no_grad():
        for _ in range(20):
            net(torch.rand(16, 3, 8, 8))
    return net.eval()


def samples():
    return torch.rand(32, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def same_as_the_reference(network, config):
    machine = Machine(compile_network(network, config))
    inputs = random_input(network.input, 3, 0)
    wanted = run(network, inputs)
    for x, output in zip(inputs, wanted, strict=True):
        np.testing.assert_array_equal(machine.run(x)[network.output.name], output)


@pytest.mark.parametrize(("format", "engine"), [
    ("binary", "ternary"), ("signed-binary/4", "ternary"), ("ternary", "1hot"), ("pot3", "1hot"),
    ("pot4", "2hot"), ("apot4", "2hot"), ("apot5", "2hot"), ("2hot+", "2hot"), ("int4", "2hot"),
    ("apot6", "3hot"), ("int6", "3hot"), ("signed-binary", "ternary"), ("2hot/16", "2hot"),
    ("2hot@6/8", "2hot@6"),
])
def test_each_format_runs_on_an_engine_that_has_its_levels(format, engine):
    network = to_network(quantize(model(), format, samples(), input_range=(0, 1)), "net")
    config = EngineConfig(format=engine, **SIZES)
    same_as_the_reference(network, config)


def test_formats_of_single_layers():
    quantized = quantize(
        model(), "1hot", samples(), formats={"0": "int8", "6": "2hot"}, input_range=(0, 1)
    )
    assert [one.name for one in quantized.formats.values()] == ["int8", "1hot", "2hot"]
    network = to_network(quantized, "net")
    x = random_input(network.input, 3, 0)
    ours = quantized.integers((torch.from_numpy(x).permute(0, 3, 1, 2) / 255).float())
    values = ours[quantized.output].permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(values, run(network, x))
    with pytest.raises(NhotError, match="Layer must be one of 0, 3, 6, not 'conv'"):
        quantize(model(), "1hot", samples(), formats={"conv": "int8"})


def test_the_format_of_one_layer_changes_alone():
    quantized = quantize(model(), "1hot", samples(), input_range=(0, 1))
    before = [layer.weights(layer.weight).clone() for layer in quantized.filters]
    quantized.set_format({"3": parse("int8")})
    assert [one.name for one in quantized.formats.values()] == ["1hot", "int8", "1hot"]
    after = [layer.weights(layer.weight) for layer in quantized.filters]
    same = [torch.equal(one, other) for one, other in zip(before, after, strict=True)]
    assert same == [True, False, True]


@pytest.mark.parametrize("bits", [12, 14, 16])
@pytest.mark.parametrize("format", ["2hot", "int8", "ternary", "signed-binary", "apot5", "2hot/16"])
def test_no_sum_is_wider_than_the_limit(format, bits):
    quantized = quantize(
        model(), format, samples(), accumulator_bits=bits, input_range=(0, 1)
    )
    for stage in (format, "3hot", format):  # the limit outlives a change of the format
        quantized.set_format(parse(stage))
        network = to_network(quantized, "net")
        for node in network.nodes:
            if isinstance(node, Conv2d | Linear):
                (x,) = network.inputs(node)
                assert accumulator_bits(node, x) <= bits


def test_limited_network_fits_a_narrow_engine():
    """One bit more than the limit holds the bias and the ones that lanes leave out."""
    narrow = EngineConfig(format="2hot", **{**SIZES, "accumulator_bits": 15})
    free = to_network(quantize(model(), "2hot", samples(), input_range=(0, 1)), "free")
    with pytest.raises(NhotError, match="Accumulator of the engine must have at least"):
        compile_network(free, narrow)
    limited = quantize(model(), "2hot", samples(), accumulator_bits=14, input_range=(0, 1))
    network = to_network(limited, "limited")
    same_as_the_reference(network, narrow)


def test_limits_that_a_format_cannot_keep():
    with pytest.raises(NhotError, match="Layer '0': Accumulator bits must be 10 to 32 for inp"):
        quantize(model(), "2hot", samples(), accumulator_bits=9)
    for bits in (-1, 0, 33, 10**30):
        with pytest.raises(NhotError, match=f"must be 10 to 32 for inputs of 8 bits, not {bits}"):
            quantize(model(), "2hot", samples(), accumulator_bits=bits)
    with pytest.raises(NhotError, match="Layer '0': Format with an accumulator limit must have"):
        quantize(model(), "binary", samples(), accumulator_bits=16)


def test_activations_of_few_terms():
    quantized = quantize(model(), "2hot", samples(), activation_terms=2, input_range=(0, 1))
    network = to_network(quantized, "net")
    kinds = [type(node).__name__ for node in network.nodes]
    assert kinds.count("RoundTerms") == 3
    x = random_input(network.input, 4, 0)
    ours = quantized.integers((torch.from_numpy(x).permute(0, 3, 1, 2) / 255).float())
    values = ours[quantized.output].permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(values, run(network, x))

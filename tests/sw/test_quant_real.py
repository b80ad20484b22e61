"""Real activations, and the block of PLUM, in training: what is rounded, what is trained."""

import numpy as np
import pytest
import torch
from torch import nn

from nhot.compiler import Machine, compile_network
from nhot.compiler.targets import target
from nhot.errors import NhotError
from nhot.experiments.data import to_integers
from nhot.experiments.models.resnet_plum import ShortcutConv
from nhot.experiments.training import Settings, mean_loss
from nhot.formats import parse
from nhot.network import reference
from nhot.network.additions import layer_additions, network_additions
from nhot.network.operators import Filters
from nhot.quant import quantize, to_network
from nhot.quant.layers import QuantAffine
from nhot.quant.recipes import recipe, run_recipe


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 3),
        nn.Flatten(), nn.Linear(4 * 16, 3),
    ).eval()


def block() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        ShortcutConv(8, 8), ShortcutConv(8, 8, stride=2), nn.Flatten(), nn.Linear(8 * 9, 3),
    ).eval()


X = torch.rand(40, 3, 6, 6, generator=torch.Generator().manual_seed(1))
Y = torch.arange(40) % 3


def test_real_activations_leave_the_weights_rounded():
    """The float network with its weights on their levels, and nothing else changed."""
    model = small()
    rounded = quantize(model, "2hot", X, bits=None, input_range=(0.0, 1.0))
    for layer, name in zip(rounded.filters, ("0", "3", "5"), strict=True):
        weight = layer.weights(layer.weight).detach()
        own = model.get_submodule(name).weight
        assert not torch.allclose(weight.reshape(own.shape), own, atol=1e-6)
        with torch.no_grad():
            own.copy_(weight.reshape(own.shape))
    expected = model(X)
    torch.testing.assert_close(rounded(X), expected, atol=1e-5, rtol=1e-5)
    integers = quantize(small(), "2hot", X, input_range=(0.0, 1.0))(X)
    assert not torch.allclose(integers, expected, atol=1e-4)


def test_real_activations_have_an_integer_network():
    """Its ranges are those that were seen, as with activations that are rounded."""
    real = quantize(small(), "2hot", X, bits=None, input_range=(0.0, 1.0))
    whole = quantize(small(), "2hot", X, input_range=(0.0, 1.0))
    for one, other in zip(real.grids().values(), whole.grids().values(), strict=True):
        assert (one.bits, one.signed, one.zero_point) == (8, other.signed, other.zero_point)
        assert one.scale == pytest.approx(other.scale, rel=1e-5)
    network = to_network(real, "real")
    found = reference.run(network, to_integers(network.input, X.numpy()))
    np.testing.assert_array_equal(
        found.transpose(0, 3, 1, 2), real.integers(X)[network.output_name].numpy())


def test_bits_that_are_none():
    with pytest.raises(NhotError, match="Bits of activations must be given with a number of their"):
        quantize(small(), "2hot", X, bits=None, activation_terms=2)
    with pytest.raises(NhotError, match="Bits of an activation must be 2 to 8, not 0"):
        quantize(small(), "2hot", X, bits=0)


@pytest.mark.parametrize("bits", [8, None])
@pytest.mark.parametrize("format", ["signed-binary", "signed-binary/4", "2hot"])
def test_slopes_and_shifts_of_a_block_are_trained_from_where_they_were(format, bits):
    model = quantize(block(), format, X, bits=bits, input_range=(0.0, 1.0))
    gains = [layer for layer in model.filters if isinstance(layer, QuantAffine)]
    assert len(gains) == 4  # a shift before each convolution, a slope behind each
    settings = Settings(epochs=1, lr=1e-9, batch=20, optimizer="adam")
    run_recipe(model, (X, Y), recipe("from-scratch", model.formats, settings))
    slopes = [layer.norm.weight.abs() for layer in gains]  # of a weight that may be minus one
    for found, expected in zip(slopes, (1.0, 0.25, 1.0, 0.25), strict=True):
        torch.testing.assert_close(found, torch.full((8,), expected), atol=1e-5, rtol=0)
    settings = Settings(epochs=20, lr=3e-2, batch=20, optimizer="adam")
    before = mean_loss(model, (X, Y))
    run_recipe(model, (X, Y), recipe("from-scratch", model.formats, settings))
    for layer in gains:
        assert float(layer.norm.bias.detach().abs().mean()) > 1e-3
    assert mean_loss(model, (X, Y)) < before
    network = to_network(model, "block")
    found = reference.run(network, to_integers(network.input, X.numpy()))
    np.testing.assert_array_equal(
        found.transpose(0, 3, 1, 2), model.integers(X)[network.output_name].numpy())


def test_an_engine_of_signed_binary_runs_a_block():
    network = to_network(quantize(block(), "signed-binary", X, input_range=(0.0, 1.0)), "block")
    machine = Machine(compile_network(network, target("ulx3s-85f", "signed-binary").config))
    x = to_integers(network.input, X[:4].numpy())
    expected = reference.run(network, x)
    for sample, output in zip(x, expected, strict=True):
        np.testing.assert_array_equal(machine.run(sample)[network.output_name], output)


def test_gains_are_no_sums_that_are_counted():
    network = to_network(quantize(block(), "signed-binary", X), "block")
    layers = [node for node in network.nodes if isinstance(node, Filters)]
    sums = [layer for layer in layers if layer.weights[0].size > 1]
    assert len(layers) == len(sums) + 4
    counted = network_additions(network, parse("signed-binary"))
    assert counted.sums == sum(
        layer_additions(layer).sums * layer.output.size // layer.filters for layer in sums)

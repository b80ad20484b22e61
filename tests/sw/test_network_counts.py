"""What the weights of a network come to."""

import numpy as np
import pytest

from nhot.formats import Uniform, naf_terms, parse
from nhot.network import Conv2d, Filters, Linear, Network, Requant, Tensor, Window
from nhot.network.counts import Counts, count, count_layer, shift_adds
from nhot.testing.networks import EVERY_OPERATOR, random_network

UNIT = {"zero_point": 0, "low": 0, "high": 255}


def conv(weights, format):
    weights = np.asarray(weights)
    shape = (2, 2, weights.shape[0])
    return Conv2d(
        inputs=("x",), output=Tensor(name="conv", shape=shape), weights=weights,
        bias=np.zeros(len(weights), int), format=parse(format), window=Window(kernel=(1, 1)),
        requant=Requant(multiplier=np.full(len(weights), 1 << 20), **UNIT),
    )


X = Tensor(name="x", shape=(2, 2, 4))


def test_one_layer():
    counts = count_layer(conv([[[[0, 1, -2, 96]]], [[[0, 0, 7, 5]]]], "2hot"), X)
    assert (counts.weights, counts.effectual, counts.bits, counts.macs) == (8, 5, 56, 32)
    assert counts.terms == 0 + 1 + 1 + 2 + 0 + 0 + 2 + 2
    assert (counts.shift_adds, counts.mean_shift_adds) == (64, 32)
    assert counts.density == 5 / 8
    assert counts.terms_per_weight == 1.0
    assert counts.bits_per_weight == 7.0


@pytest.mark.parametrize(("format", "bits"), [
    ("signed-binary", 8 + 2), ("signed-binary/2", 8 + 4), ("ternary", 16), ("int8", 64),
])
def test_bits(format, bits):
    weights = [[[[0, 1, 0, 1]]], [[[0, -1, -1, 0]]]]
    counts = count_layer(conv(weights, format), X)
    assert counts.bits == bits
    assert counts.effectual == counts.terms == 4


@pytest.mark.parametrize(("name", "adds"), [
    ("1hot", 1), ("2hot", 2), ("3hot", 3), ("int8", 8), ("int4", 4), ("ternary", 1),
    ("signed-binary", 1), ("binary", 1), ("apot5", 2), ("2hot/0-1-6-24", 2),
])
def test_shifted_additions_as_the_sources_count_them(name, adds):
    assert shift_adds(parse(name)) == adds


def test_a_network_is_the_sum_of_its_layers():
    first = conv([[[[0, 1, -2, 96]]], [[[0, 0, 7, 5]]]], "2hot")
    dense = Linear(
        inputs=("conv",), output=Tensor(name="dense", shape=(1, 1, 3)),
        weights=np.ones((3, 8), int), bias=np.zeros(3, int), format=Uniform(bits=8),
        requant=Requant(multiplier=np.full(3, 1 << 20), **UNIT),
    )
    network = Network(name="two", input=X, nodes=(first, dense))
    parts = [count_layer(first, X), count_layer(dense, first.output)]
    assert count(network) == parts[0] + parts[1]
    assert count(network, ["dense"]) == parts[1]
    assert count(network).macs == 32 + 24


@pytest.mark.parametrize("seed", range(8))
def test_counts_one_weight_after_the_other(seed):
    formats = tuple(parse(name) for name in ("2hot", "signed-binary", "int4", "ternary", "binary"))
    network = random_network(seed, layers=4, formats=formats, operators=EVERY_OPERATOR)
    total = count(network)
    layers = [node for node in network.nodes if isinstance(node, Filters)]
    weights = [int(w) for node in layers for w in node.weights.reshape(-1)]
    assert total.weights == len(weights)
    assert total.effectual == sum(w != 0 for w in weights)
    assert total.terms == sum(len(naf_terms(w)) for w in weights)
    assert total.macs == sum(node.macs(*network.inputs(node)) for node in layers)
    assert total.shift_adds == sum(
        node.macs(*network.inputs(node)) * shift_adds(node.format) for node in layers
    )
    assert total.mean_shift_adds == sum(
        node.macs(*network.inputs(node)) * sum(
            len(naf_terms(int(w))) for w in node.weights.reshape(-1)
        ) // node.weights.size for node in layers
    )
    assert total.density == (total.effectual / total.weights if weights else 0)


def test_a_network_without_weights_counts_nothing():
    counts = count(random_network(1, layers=2, operators=("clamp",)))
    assert counts == Counts()
    assert (counts.density, counts.bits_per_weight, counts.terms_per_weight) == (0, 0, 0)


def test_a_transposed_convolution_works_for_each_pixel_of_its_input():
    network = random_network(4, layers=1, operators=["transposed"])
    (node,), (height, width, _) = network.nodes, network.input.shape
    assert count(network).macs == node.weights.size * height * width

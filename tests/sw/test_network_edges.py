"""Edges of what a network may hold, each one from both sides."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.formats import parse
from nhot.network import ArgMax, Filters, Linear, Network, Requant, Tensor
from nhot.network.file import from_bytes, to_bytes
from nhot.network.manifest import from_manifest, parse_manifest, to_manifest
from nhot.network.names import listed
from nhot.network.reference import run
from nhot.testing.networks import random_network


@pytest.mark.parametrize(("count", "text"), [
    (1, "n0"), (12, "n11"), (13, "n11, ... (1 more)"), (20, "n11, ... (8 more)"),
])
def test_long_lists_of_names_are_cut(count, text):
    assert listed(f"n{i}" for i in range(count)).endswith(text)


def argmax_of(channels, bits=8):
    source = Tensor(name="x", shape=(1, 1, channels), bits=bits, signed=True)
    output = Tensor(name="best", shape=(1, 1, 1), bits=16)
    return Network(name="n", input=source, nodes=(ArgMax(inputs=("x",), output=output),))


def test_argmax_finds_every_index_there_is():
    network = argmax_of(2**16)
    values = np.full((1, 1, 1, 2**16), -128)
    for place in (0, 255, 256, 32767, 32768, 2**16 - 1):
        one = values.copy()
        one[..., place] = -127
        assert run(network, one).item() == place
    assert run(network, values).item() == 0  # the first of equals
    with pytest.raises(NhotError, match="Layer 'best'"):
        argmax_of(2**16 + 1)
    with pytest.raises(NhotError, match="must have 2 to 8 bits, not 9"):
        argmax_of(4, bits=9)


@pytest.mark.parametrize("multiplier", [1, -1, 2**31, -(2**31)])
def test_the_least_and_the_largest_multipliers_survive_a_file(multiplier):
    """Filters of negative multipliers are kept with the other sign: none may be taken for one."""
    source = Tensor(name="x", shape=(1, 1, 3), signed=True)
    weights = np.array([[1, -2, 4], [0, 8, -1]])
    node = Linear(
        inputs=("x",), output=Tensor(name="y", shape=(1, 1, 2), signed=True), weights=weights,
        bias=np.array([5, -6]), format=parse("2hot"),
        requant=Requant(multiplier=np.array([multiplier, 64]), zero_point=0, low=-128, high=127),
    )
    network = Network(name="n", input=source, nodes=(node,))
    loaded = from_bytes(to_bytes(network)).nodes[0]
    assert loaded.requant.multiplier.tolist() == [multiplier, 64]
    assert loaded.weights.tolist() == weights.tolist()
    assert loaded.bias.tolist() == [5, -6]


@pytest.mark.parametrize("number", [2**31 + 1, 0b10101010101, 2**63])
def test_a_multiplier_that_cannot_be_names_its_layer(number):
    network = random_network(1, layers=1, operators=("conv",))
    values = to_manifest(network)
    values["initializers"] = {network.nodes[0].name: ["w", "b"]}
    values["nodes"][0]["requant"]["multiplier"][0] = number
    manifest = parse_manifest(json.dumps(values))
    node = network.nodes[0]
    assert isinstance(node, Filters)
    with pytest.raises(NhotError, match=f"^Layer {node.name!r}: "):
        from_manifest(manifest, {node.name: (node.weights, node.bias)})


@pytest.mark.parametrize("scale", [np.float32(0.25), np.float64(0.25), 1])
def test_scales_are_floats_whatever_they_came_as(scale):
    tensor = Tensor(name="x", shape=(1, 1, 1), scale=scale)
    assert type(tensor.scale) is float
    assert replace(tensor, scale=float(scale)) == tensor
    for beyond in (2.0**-127, 2.0**128, 0.0, -1.0, float("nan")):
        with pytest.raises(NhotError, match="Scale of tensor 'x' must be"):
            replace(tensor, scale=beyond)
    for end in (2.0**-126, 2.0**127):
        assert replace(tensor, scale=end).scale == end


@pytest.mark.parametrize(("bias", "fits"), [(2**31 - 1 - 100, True), (2**31 - 100, False)])
def test_a_bias_and_its_share_of_the_zero_point_have_32_bits(bias, fits):
    """ONNX sums inputs less their zero point, so that the bias takes 100 more here."""
    made = Network(
        name="bias", input=Tensor(name="x", shape=(1, 1, 1), zero_point=50),
        nodes=(Linear(
            inputs=("x",), output=Tensor(name="y", shape=(1, 1, 1)), weights=np.array([[2]]),
            bias=np.array([bias]), format=parse("2hot"),
            requant=Requant(multiplier=np.array([1]), zero_point=0, low=0, high=255),
        ),),
    )
    if fits:
        assert from_bytes(to_bytes(made)).nodes[0].bias.tolist() == [bias]
    else:
        with pytest.raises(NhotError, match=r"^Layer 'y': bias less the zero point's share must"):
            to_bytes(made)

"""Stages of one road: equal where they must be, and otherwise named where they begin to differ."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, compile_network
from nhot.errors import MismatchError, NhotError
from nhot.formats import parse
from nhot.network import Conv2d, Filters, Linear, Network, Requant, Tensor, Window
from nhot.network.reference import run
from nhot.stages import BoardStage, ImageStage, NetworkStage, Stage, Traced
from nhot.stages.advice import ADDED, advice
from nhot.stages.compare import compare, sqnr
from nhot.stages.stage import as_maps, real
from nhot.testing.machine_board import MachineBoard
from nhot.testing.networks import random_network

CONFIG = EngineConfig(
    filters=8, inputs=4, activation_words=4096, weight_words=4096, requant_words=4096,
    program_words=1024,
)
NETWORKS = [random_network(seed, layers=5) for seed in range(8)]


def samples(network, count=6, seed=0):
    """Real numbers a little beyond the input's range. (samples, channels, height, width)"""
    tensor = network.input
    random = np.random.default_rng(seed)
    x = random.integers(tensor.low - 9, tensor.high + 10, (count, *tensor.shape))
    return ((x - tensor.zero_point) * tensor.scale).transpose(0, 3, 1, 2).astype(np.float32)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda one: one.name)
def test_integers_are_the_same_at_every_stage(network):
    image, x = compile_network(network, CONFIG), samples(network)
    board = MachineBoard()
    board.load(image)
    stages = [NetworkStage(network), ImageStage(image, network), BoardStage(board, image, network)]
    for stage in stages[1:]:
        np.testing.assert_array_equal(stage.outputs(x), stages[0].outputs(x))
        found = compare(stages[0], stage, x)
        assert found.exact
        assert found.first is None
        assert advice(stages[0], stage, found) == []
        # A clamp that is one with the layer before leaves that one no tensor of its own.
        names = {one.layer for one in found.layers}
        assert {network.input.name, network.output_name} <= names <= set(network.tensors)
        assert names == {network.input.name, *(one.name for one in image.meta.layers)}
        assert all(one.sqnr == math.inf and one.largest == 0 for one in found.layers)
    assert board.loads == 2 + len({layer.name for layer in image.meta.layers})
    assert board.image == image


def test_values_are_what_integers_stand_for():
    network = NETWORKS[0]
    stage, x = NetworkStage(network), samples(network)
    made = run(network, stage.integers(x), trace=True)
    traced = stage.trace(x)
    assert [one.names[0] for one in traced][-1] == network.output_name
    for one in traced:
        (name,) = one.names
        np.testing.assert_array_equal(one.values, real(network.tensors[name], made[name]))


def changed(network, index):
    """``network`` with other weights in its layer ``index``."""
    nodes = list(network.nodes)
    node = nodes[index]
    nodes[index] = replace(node, weights=node.weights[::-1] * 0 + node.format.levels[-1])
    return replace(network, nodes=tuple(nodes))


@pytest.mark.parametrize("network", NETWORKS, ids=lambda one: one.name)
def test_the_first_layer_that_differs_is_named(network):
    weighted = [i for i, node in enumerate(network.nodes) if isinstance(node, Filters)]
    for index in weighted:
        other, x = changed(network, index), samples(network)
        a, b = NetworkStage(network), NetworkStage(other)
        found = compare(a, b, x, least=200.0)
        truth = [node.name for node in network.nodes
                 if (run(network, a.integers(x), trace=True)[node.name]
                     != run(other, a.integers(x), trace=True)[node.name]).any()]
        if not truth:  # limited to the same numbers
            continue
        assert not found.exact
        assert truth[0] == network.nodes[index].name
        first = next(one for one in found.layers if one.sqnr != math.inf)
        assert first.layer == network.nodes[index].name
        # Given what the other made before, no other layer is at fault.
        assert [one.layer for one in found.layers if one.own not in {None, math.inf}] == [
            network.nodes[index].name]


def test_a_board_that_lost_a_bit():
    network = random_network(3, layers=3, operators=("conv",))
    image, x = compile_network(network, CONFIG), samples(network, 16)
    board = MachineBoard(flip=True)
    board.load(image)
    stage = BoardStage(board, image, network)
    found = compare(NetworkStage(network), stage, x)
    assert found.first is not None
    assert found.first.layer == network.nodes[0].name
    first, second = advice(NetworkStage(network), stage, found)
    assert network.nodes[0].name in first
    assert "clock" in second


def test_an_image_of_other_weights_is_refused():
    network = random_network(3, layers=3, operators=("conv",))
    with pytest.raises(MismatchError, match=f"Weight of layer {network.nodes[1].name!r}"):
        ImageStage(compile_network(network, CONFIG), changed(network, 1))


class Written(Stage):
    """Values as they are written down."""

    kind = "written"

    def __init__(self, *tensors):
        self.tensors = list(tensors)

    def outputs(self, x):
        return self.tensors[-1].values

    def trace(self, x):
        return self.tensors


def dense(weights, *, scale=0.01, bits=8, multiplier=1 << 24, bias=0, format="int8"):
    """One layer over two numbers in units of ``scale``."""
    weights = np.array(weights, np.int64)
    output = Tensor(name="dense", shape=(1, 1, len(weights)), bits=bits, signed=True, scale=scale)
    node = Linear(
        inputs=("input",), output=output, weights=weights, format=parse(format),
        bias=np.full(len(weights), bias),
        requant=Requant(multiplier=np.full(len(weights), multiplier), zero_point=0,
                        low=output.low, high=output.high),
    )
    source = Tensor(name="input", shape=(1, 1, 2), signed=True, scale=0.01)
    return Network(name="one", input=source, nodes=(node,))


def against(network, x, wanted):
    a = Written(Traced(names=("input",), values=as_maps(x)),
                Traced(names=("dense",), values=as_maps(wanted)))
    b = NetworkStage(network)
    found = compare(a, b, x)
    return found.layers[-1], advice(a, b, found)


X = (np.random.default_rng(0).integers(-60, 60, (200, 2)) / 100).astype(np.float32)


def test_a_layer_that_agrees_needs_no_advice():
    layer, hints = against(dense([[1, 0], [0, 1]]), X, X)
    assert (layer.differs, hints) == (False, [])
    assert layer.sqnr > 60


def test_values_beyond_the_range():
    layer, hints = against(dense([[8, 0], [0, 8]]), X, 8 * X)
    assert layer.clipped > 0.9
    assert "beyond the range" in hints[0]


def test_a_constant_of_each_channel():
    layer, hints = against(dense([[1, 0], [0, 1]], bias=20), X, X)
    assert layer.shift == pytest.approx(1, abs=0.01)
    assert layer.clipped == 0
    assert "bias correction" in hints[0]


def test_few_bits():
    twentieth = (1 << 24) // 20 // 65536 * 65536
    network = dense([[1, 0], [0, 1]], bits=3, scale=0.2, multiplier=twentieth)
    wanted = np.clip(X, -0.8, 0.6)
    layer, hints = against(network, X, wanted)
    assert layer.rounding > 0.5
    (hint,) = hints
    assert hint == ("dense: the rounding of activations is what is left: more than 3 bits (nhot "
                    "quantize --bits) would help")


def test_coarse_weights():
    _, (hint,) = against(dense([[2, 0], [0, 1]], format="1hot"), X, X * [1.4, 1])
    assert hint == ("dense: weights in 1hot are too coarse: --layer NAME=2hot, or --budget to "
                    "choose formats for all layers, --adaptive-rounding, --finetune")


def test_differences_that_add_up():
    """Each layer is good by itself, and all together are not."""
    layers, source = [], Tensor(name="input", shape=(1, 1, 2), signed=True, scale=0.01)
    names = [f"dense{place}" for place in range(5)]
    for name in names:
        (node,) = dense([[1, 0], [0, 1]], multiplier=(1 << 24) + (1 << 20)).nodes
        layers.append(replace(node, inputs=(layers[-1].name if layers else "input",),
                              output=replace(node.output, name=name)))
    network = Network(name="deep", input=source, nodes=tuple(layers))
    x = X / 2
    a = Written(*(Traced(names=(name,), values=as_maps(x)) for name in ("input", *names)))
    b = NetworkStage(network)
    found = compare(a, b, x, least=15.0)
    assert found.first is not None
    assert found.first.layer == "dense2"
    assert advice(a, b, found) == [ADDED]


def test_decibels():
    assert sqnr(np.array([3.0, 4.0]), np.array([0.0, 0.5])) == pytest.approx(20)
    assert sqnr(np.ones(2), np.zeros(2)) == math.inf
    assert sqnr(np.zeros(2), np.ones(2)) == -math.inf


def test_one_unit_is_allowed_on_a_common_grid():
    network = dense([[1, 0], [0, 1]])
    grid = network.output
    for off, differs in ((0, False), (1, False), (2, True)):
        integers = np.rint(X * 100).astype(np.int64)
        integers[7] += off
        a = Written(Traced(names=("input",), values=as_maps(X), grid=network.input),
                    Traced(names=("dense",), values=real(grid, integers[:, None, None]),
                           grid=grid))
        found = compare(a, NetworkStage(network), X)
        assert (found.layers[-1].differs, found.layers[-1].own_units) == (
            differs, pytest.approx(off))


def test_nothing_in_common():
    a = Written(Traced(names=("input",), values=np.zeros((2, 1, 1, 3))))
    b = Written(Traced(names=("input",), values=np.zeros((2, 1, 1, 2))))
    with pytest.raises(NhotError, match="outputs of one shape"):
        compare(a, b, np.zeros((2, 3)))
    # Outputs of two float models without a common name are compared all the same.
    c = Written(*a.tensors, Traced(names=("x",), values=np.ones((2, 1, 1, 2))))
    d = Written(*a.tensors, Traced(names=("y",), values=np.zeros((2, 1, 1, 2))))
    found = compare(c, d, np.zeros((2, 3)))
    assert [one.layer for one in found.layers] == ["input", "y"]
    assert advice(c, d, found) == [
        "y: neither is a network of integers; it is where to look at what each computes"]


def test_operators_are_told():
    network = Network(
        name="n", input=Tensor(name="input", shape=(2, 2, 1), signed=True), nodes=(Conv2d(
            inputs=("input",), output=Tensor(name="c", shape=(2, 2, 1), signed=True),
            weights=np.ones((1, 1, 1, 1), np.int64), bias=np.zeros(1, np.int64),
            format=parse("int8"), window=Window(kernel=(1, 1)),
            requant=Requant(multiplier=[1 << 24], zero_point=0, low=-128, high=127)),))
    stage = NetworkStage(network)
    found = compare(stage, stage, np.ones((1, 1, 2, 2), np.float32))
    assert [(one.layer, one.operator) for one in found.layers] == [("input", ""), ("c", "Conv2d")]

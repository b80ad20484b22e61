"""Networks are checked when they are built, and the text names the layer."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.formats import NHot, SignedBinary, Uniform, parse
from nhot.network import (
    Add,
    ArgMax,
    AvgPool,
    Clamp,
    Concat,
    Conv2d,
    ConvTranspose2d,
    Linear,
    MaxPool,
    Network,
    Node,
    Requant,
    RoundTerms,
    Tensor,
    Upsample,
    Window,
)
from nhot.network.file import to_bytes
from nhot.network.reference import run
from nhot.testing.networks import random_network

X = Tensor(name="x", shape=(6, 5, 4))
TWO_HOT = NHot(bits=8, n=2)


def requant(channels=1, zero_point=0, low=0, high=255):
    return Requant(
        multiplier=np.full(channels, 1 << 16), zero_point=zero_point, low=low, high=high
    )


def conv(**changes):
    values = {
        "inputs": ("x",), "output": Tensor(name="y", shape=(6, 5, 2)),
        "weights": np.ones((2, 3, 3, 4), int), "bias": np.zeros(2, int), "format": TWO_HOT,
        "requant": requant(2), "window": Window(kernel=(3, 3), padding=(1, 1, 1, 1)),
    }
    return Conv2d(**{**values, **changes})


def linear(**changes):
    values = {
        "inputs": ("x",), "output": Tensor(name="y", shape=(1, 1, 3)),
        "weights": np.ones((3, 120), int), "bias": np.zeros(3, int), "format": TWO_HOT,
        "requant": requant(3),
    }
    return Linear(**{**values, **changes})


def transposed(**changes):
    values = {
        "inputs": ("x",), "output": Tensor(name="y", shape=(13, 11, 2)),
        "weights": np.ones((2, 3, 3, 4), int), "bias": np.zeros(2, int), "format": TWO_HOT,
        "requant": requant(2), "window": Window(kernel=(3, 3), stride=(2, 2)),
    }
    return ConvTranspose2d(**{**values, **changes})


def concat(*inputs, channels=8, **changes):
    return Concat(**{
        "inputs": inputs, "output": Tensor(name="y", shape=(6, 5, channels)),
        "requant": requant(len(inputs)), **changes,
    })


def network(*nodes, **changes):
    return Network(**{"name": "test", "input": X, "nodes": nodes, **changes})


def test_a_network_knows_its_tensors():
    first, last = conv(), Clamp(
        inputs=("y",), output=Tensor(name="z", shape=(6, 5, 2)), low=3, high=9
    )
    net = network(first, last)
    assert list(net.tensors) == ["x", "y", "z"]
    assert net.output is last.output
    assert net.tensor("y") is first.output
    assert net.node("y") is first
    assert net.inputs(last) == (first.output,)
    assert net.consumers("x") == (first,)
    assert net.consumers("z") == ()
    assert network(first, last, output_name="y").output is first.output


def test_unknown_names():
    net = network(conv())
    for look_up in (net.tensor, net.node):
        with pytest.raises(NhotError, match=r"must be one of .*y, not 'q'"):
            look_up("q")
    with pytest.raises(NhotError, match="must be one of x, y, not 'q'"):
        network(conv(), output_name="q")


def test_order_and_names():
    second = conv(inputs=("y",), output=Tensor(name="z", shape=(6, 5, 2)))
    with pytest.raises(NhotError, match=r"Layer 'z': input must be .*\(x\), not 'y'"):
        network(second, conv())
    with pytest.raises(NhotError, match="Layer 'y': its name must be unique"):
        network(conv(), conv())
    with pytest.raises(NhotError, match="Layer 'x': its name must be unique"):
        network(conv(output=Tensor(name="x", shape=(6, 5, 2))))
    with pytest.raises(NhotError, match="must have at least one layer"):
        network()
    with pytest.raises(TypeError, match="must be a tuple of Node"):
        network("conv")
    with pytest.raises(NhotError, match="Input 'x' must have 2 to 8 bits, not 16"):
        network(conv(), input=replace(X, bits=16))


WRONG = {
    "channels": (lambda: conv(weights=np.ones((2, 3, 3, 3), int)), "must have 3 channels, not 4"),
    "shape": (lambda: conv(output=Tensor(name="y", shape=(6, 4, 2))),
              r"output must have shape \(6, 5, 2\), not \(6, 4, 2\)"),
    "filters": (lambda: conv(output=Tensor(name="y", shape=(6, 5, 3))),
                r"output must have shape \(6, 5, 2\), not \(6, 5, 3\)"),
    "window": (lambda: conv(window=Window(kernel=(3, 3), dilation=(3, 3))),
               r"Window of \(7, 7\) must fit its padded input, not \(6, 5\)"),
    "kernel": (lambda: conv(window=Window(kernel=(3, 2))), r"must have kernel \(3, 2\)"),
    "groups": (lambda: conv(groups=3), "groups must be at least 1 and divide 2 filters, not 3"),
    "no groups": (lambda: conv(groups=0), "groups must be at least 1"),
    "level": (lambda: conv(weights=np.full((2, 3, 3, 4), 11)),
              r"Weight at index \(0, 0, 0, 0\) must be a level of 2hot, not 11"),
    "sign": (lambda: conv(weights=np.resize([1, -1], (2, 3, 3, 4)), format=SignedBinary()),
             "Filter 0 of a signed-binary layer must have one sign"),
    "region": (lambda: conv(weights=np.resize([1, -1], (2, 3, 3, 4)),
                            format=SignedBinary(tile=2)),
               "Channels 0 to 1 of filter 0 must have one sign in signed-binary/2"),
    "axes": (lambda: conv(weights=np.ones((2, 3, 3), int)), "must have 4 axes"),
    "empty": (lambda: conv(weights=np.ones((2, 3, 3, 0), int)), "not be empty"),
    "bias": (lambda: conv(bias=np.zeros(3, int)), r"bias must be one a filter \(2\)"),
    "bias width": (lambda: conv(bias=np.array([0, 2**31])), "at most 32 bits"),
    "multipliers": (lambda: conv(requant=requant(3)), "multipliers must be 2, not 3"),
    "zero point": (lambda: conv(requant=requant(2, zero_point=1)),
                   "must be the output's, 0, not 1"),
    "clamp": (lambda: conv(requant=requant(2, low=-1)),
              "must lie within the output's 0 to 255, not -1 to 255"),
    "products": (lambda: conv(bias=np.array([0, 2**31 - 1]),
                              requant=replace(requant(2), multiplier=np.array([1, 2**31]))),
                 "at most 62 bits"),
    "wide output": (lambda: conv(output=Tensor(name="y", shape=(6, 5, 2), bits=9)),
                    "tensor 'y' must have 2 to 8 bits, not 9"),
    "features": (lambda: linear(weights=np.ones((3, 100), int)), "must have 100 elements, not 120"),
    "dense shape": (lambda: linear(output=Tensor(name="y", shape=(1, 3, 1))),
                    r"output must have shape \(1, 1, 3\)"),
    "average": (lambda: AvgPool(inputs=("x",), output=Tensor(name="y", shape=(6, 5, 4)),
                                window=Window(kernel=(1, 1)), requant=requant(4)),
                "multipliers must be 1, not 4"),
    "pool type": (lambda: MaxPool(inputs=("x",), window=Window(kernel=(1, 1)),
                                  output=Tensor(name="y", shape=(6, 5, 4), zero_point=2)),
                  "output zero_point must be that of its input, 0, not 2"),
    "pool padding": (lambda: MaxPool(inputs=("x",), output=Tensor(name="y", shape=(8, 5, 4)),
                                     window=Window(kernel=(1, 1), padding=(2, 0, 0, 0))),
                     "must not lie in padding"),
    "arity": (lambda: Add(inputs=("x",), output=replace(X, name="y"), requant=requant(2)),
              "must read 2 tensors, not 1"),
    "limits": (lambda: Clamp(inputs=("x",), output=replace(X, name="y"), low=9, high=3),
               "not 9 to 3"),
    "scale": (lambda: Clamp(inputs=("x",), output=replace(X, name="y", scale=2.0), low=0, high=3),
              "output scale must be that of its input, 1.0, not 2.0"),
    "transposed shape": (lambda: transposed(output=Tensor(name="y", shape=(13, 10, 2))),
                         r"output must have shape \(13, 11, 2\), not \(13, 10, 2\)"),
    "transposed channels": (lambda: transposed(weights=np.ones((2, 3, 3, 3), int)),
                            "must have 3 channels, not 4"),
    "output padding": (lambda: transposed(output_padding=(0, 2)),
                       r"each at least 0 and below .* \(2, 2\), not \(0, 2\)"),
    "one output padding": (lambda: transposed(output_padding=(1,)), "must be 2 numbers"),
    "all padding": (lambda: transposed(window=Window(kernel=(3, 3), padding=(9, 0, 9, 0))),
                    "must leave something of the output, not -10 x 7"),
    "factors": (lambda: Upsample(inputs=("x",), output=replace(X, name="y"), factors=(0, 1)),
                r"must be 2 numbers, each at least 1, not \(0, 1\)"),
    "upsampled shape": (lambda: Upsample(inputs=("x",), output=replace(X, name="y"),
                                         factors=(2, 1)),
                        r"output must have shape \(12, 5, 4\)"),
    "upsampled type": (lambda: Upsample(inputs=("x",), factors=(1, 1),
                                        output=replace(X, name="y", bits=4)),
                       "output bits must be that of its input, 8, not 4"),
    "no terms": (lambda: RoundTerms(inputs=("x",), output=replace(X, name="y"), n=0),
                 "Terms of an activation must be 1 to 8, not 0"),
    "rounded type": (lambda: RoundTerms(inputs=("x",), output=replace(X, name="y", zero_point=1),
                                        n=2),
                     "output zero_point must be that of its input, 0, not 1"),
    "alone": (lambda: concat("x", channels=4), "must read at least 2 tensors, not 1"),
    "joined shape": (lambda: concat("x", "x", channels=4), r"output must have shape \(6, 5, 8\)"),
    "joined multipliers": (lambda: concat("x", "x", requant=requant(3)),
                           "multipliers must be 2, not 3"),
    "argmax": (lambda: ArgMax(inputs=("x",), output=Tensor(name="y", shape=(6, 5, 1))),
               "must have 16 bits, unsigned"),
    "argmax shape": (lambda: ArgMax(inputs=("x",),
                                    output=Tensor(name="y", shape=(6, 5, 2), bits=16)),
                     r"output must have shape \(6, 5, 1\)"),
}


@pytest.mark.parametrize(("make", "text"), WRONG.values(), ids=WRONG)
def test_layers_that_cannot_be(make, text):
    with pytest.raises(NhotError, match=rf"Layer 'y': .*{text}"):
        network(make())


def test_operands_of_an_addition_have_one_shape():
    add = Add(inputs=("x", "y"), output=Tensor(name="z", shape=(6, 5, 4)), requant=requant(2))
    with pytest.raises(NhotError, match="Layer 'z': Inputs 'x' and 'y' must have one shape"):
        network(conv(), add)


def test_what_is_joined_has_one_size():
    small = conv(window=Window(kernel=(3, 3)), output=Tensor(name="small", shape=(4, 3, 2)))
    with pytest.raises(
        NhotError, match=r"Layer 'y': Inputs must have one height and width, not 'x' \(6, 5, 4\),"
    ):
        network(small, concat("x", "small", channels=6))


def test_nothing_computes_with_an_index():
    index = ArgMax(inputs=("x",), output=Tensor(name="y", shape=(6, 5, 1), bits=16))
    limit = Clamp(
        inputs=("y",), output=Tensor(name="z", shape=(6, 5, 1), bits=16), low=0, high=3
    )
    with pytest.raises(NhotError, match="Layer 'z': tensor 'y' must have 2 to 8 bits"):
        network(index, limit)
    second = ArgMax(inputs=("y",), output=Tensor(name="z", shape=(6, 5, 1), bits=16))
    with pytest.raises(NhotError, match="Layer 'z': tensor 'y' must have at most 8 bits"):
        network(index, second)


def test_arrays_are_sealed_and_integers():
    weights = np.ones((3, 120), int)
    node = linear(weights=weights)
    weights[:] = 5
    assert (node.weights == 1).all()
    with pytest.raises(ValueError, match="read-only"):
        node.weights[0, 0] = 3
    with pytest.raises(NhotError, match=r"^Layer 'y': Weights must be below 2\^63, not 184"):
        linear(weights=np.full((3, 120), 2**64 - 1, np.uint64))
    with pytest.raises(TypeError, match="Weights must be integers, not float64"):
        linear(weights=np.ones((3, 120)))
    with pytest.raises(TypeError, match="Bias must be integers"):
        linear(bias=np.ones(3))
    with pytest.raises(TypeError, match="must be a tuple of names"):
        linear(inputs="x")


def test_samples_are_reproducible():
    formats = (TWO_HOT, Uniform(bits=4), SignedBinary())
    first, again, other = (random_network(seed, formats=formats) for seed in (7, 7, 8))
    assert [type(n) for n in first.nodes] == [type(n) for n in again.nodes]
    assert list(first.tensors.values()) == list(again.tensors.values())
    assert list(first.tensors.values()) != list(other.tensors.values())


class Foreign(Node):
    """An operator that is none of ours."""

    def infer_shape(self, *inputs):
        return inputs[0].shape


def test_operators_are_those_of_the_package():
    made = network(Foreign(inputs=("x",), output=replace(X, name="y")))
    with pytest.raises(NhotError, match=r"^Layer 'y': operator must be Conv2d, .* not Foreign$"):
        run(made, np.zeros((1, *X.shape), int))
    with pytest.raises(NhotError, match=r"^Layer 'y': operator must be one ONNX has, not Foreign$"):
        to_bytes(made)


@pytest.mark.parametrize("sign", [1, -1])
def test_biases_are_held_to_32_bits(sign):
    """A filter's sign may be folded into its bias, so that the least is the negative of the most.
    """
    most = 2**31 - 1
    assert conv(bias=np.array([0, sign * most])).bias[1] == sign * most
    with pytest.raises(NhotError, match="bias must have at most 32 bits"):
        conv(bias=np.array([0, sign * (most + 1)]))


@pytest.mark.parametrize(("size", "fits"), [(66_311, True), (66_312, False)])
def test_products_are_held_to_62_bits(size, fits):
    """255 * 127 * 66,311 is the most below 2^31, and the multiplier is 2^31."""
    source = Tensor(name="x", shape=(1, 1, size))
    node = Linear(
        inputs=("x",), output=Tensor(name="y", shape=(1, 1, 1)), format=parse("int8"),
        weights=np.full((1, size), 127), bias=np.zeros(1, np.int64),
        requant=replace(requant(1), multiplier=np.array([2**31])),
    )
    if fits:
        Network(name="wide", input=source, nodes=(node,))
    else:
        with pytest.raises(NhotError, match="must have at most 62 bits"):
            Network(name="wide", input=source, nodes=(node,))

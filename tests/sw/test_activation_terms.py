"""n-hot activations on an engine: what rounding becomes of a byte, and where it is done."""

from dataclasses import replace

import numpy as np
import pytest

from nhot.compiler import EngineConfig, Machine, compile_network
from nhot.compiler.fit import fit
from nhot.contract.program import Operation, unpack_program
from nhot.errors import NhotError
from nhot.network import Clamp, Network, RoundTerms, Tensor
from nhot.network.reference import run
from nhot.network.terms import rounded_bytes, terms_table
from nhot.testing.networks import random_input, random_network

CONFIG = EngineConfig(
    filters=2, inputs=2, requantisers=2, activation_terms=4, accumulator_bits=32, product_bits=64,
    activation_words=8192, weight_words=16384, requant_words=4096, program_words=4096,
)
OPERATORS = ("conv", "round", "max", "add", "concat", "linear", "clamp", "round", "transposed")


@pytest.mark.parametrize("n", range(1, 6))
@pytest.mark.parametrize(("bits", "signed"), [(8, True), (8, False), (5, True), (3, False)])
def test_between_the_ends_of_its_table_a_byte_is_rounded_as_its_tensor(bits, signed, n):
    """Sums that the tensor cannot hold need no table of their own: a clamp comes first."""
    any_tensor = Tensor(name="x", shape=(1, 1, 1), bits=bits, signed=signed)
    for zero_point in range(any_tensor.low, any_tensor.high + 1):
        table = terms_table(replace(any_tensor, zero_point=zero_point), n)
        values = np.arange(any_tensor.low, any_tensor.high + 1)
        clamped = np.clip(values, table[0], table[-1])
        np.testing.assert_array_equal(rounded_bytes(clamped, zero_point, n), table)


@pytest.mark.parametrize("seed", range(24))
def test_the_image_equals_the_reference(seed):
    network = random_network(seed, layers=6, widest=6, operators=OPERATORS)
    machine = Machine(compile_network(network, CONFIG))
    x = random_input(network.input, 2, seed)
    wanted = run(network, x, trace=True)
    for index in range(len(x)):
        for name, values in machine.run(x[index]).items():
            np.testing.assert_array_equal(values, wanted[name][index], err_msg=name)


def made(seed=0, *, n=2, clamped=False):
    """A convolution, its rounding, and perhaps a clamp of that."""
    network = random_network(seed, layers=1, operators=("conv",))
    (conv,) = network.nodes
    rounded = RoundTerms(inputs=(conv.name,), output=replace(conv.output, name="r"), n=n)
    nodes = [conv, rounded]
    if clamped:
        output, middle = replace(conv.output, name="c"), conv.output.zero_point
        nodes.append(Clamp(inputs=("r",), output=output, low=middle, high=conv.output.high))
    return Network(name="made", input=network.input, nodes=tuple(nodes))


def program(network):
    *steps, _ = unpack_program(compile_network(network, CONFIG).program)
    return [(step.operation, step.activation_terms) for step in steps]


def test_a_rounding_is_done_by_the_layer_before_it():
    assert program(made(n=2)) == [(Operation.ARRAY, 2)]
    assert program(made(n=5)) == [(Operation.ARRAY, 0)]  # which rounds nothing
    assert program(made(clamped=True)) == [(Operation.ARRAY, 2), (Operation.MAX, 0)]


def test_what_others_read_unrounded_is_rounded_in_a_copy():
    network = made()
    other = replace(network.nodes[1], output=replace(network.nodes[1].output, name="s"), n=1)
    both = Network(name="both", input=network.input, nodes=(*network.nodes, other))
    assert program(both) == [(Operation.ARRAY, 0), (Operation.MAX, 2), (Operation.MAX, 1)]


def test_an_engine_without_refuses_by_name():
    text = "Layer 'r': Engine activation_terms must be at least 2 for RoundTerms, not "
    for terms in (0, 1):
        config = replace(CONFIG, activation_terms=terms)
        for refuse in (compile_network, fit):
            with pytest.raises(NhotError, match=f"^{text}{terms}$"):
                refuse(made(), config)

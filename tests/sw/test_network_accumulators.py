"""Accumulators: the bounds of their sums, and the number types and bits that hold them."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhot.errors import NhotError
from nhot.formats import SignedBinary, Uniform, parse
from nhot.network import AvgPool, Clamp, Linear, Requant, Tensor, Window
from nhot.network.bounds import accumulator_bits, accumulator_bound, sum_bound
from nhot.network.reference import exact_type, window_sums
from nhot.testing.networks import random_input, random_network

FORMATS = (parse("2hot"), parse("1hot"), parse("int8"), parse("ternary"), parse("signed-binary"))
NUMBERS = (np.float32, np.float64, np.int64)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_number_types_agree(seed):
    for operator in ("conv", "grouped", "depthwise", "linear", "transposed"):
        network = random_network(seed, layers=1, operators=[operator], formats=FORMATS)
        (node,) = network.nodes
        x = random_input(network.input, 3, seed)
        sums = [window_sums(node, network.input, x, number) for number in NUMBERS]
        assert (sums[0] == sums[2]).all()
        assert (sums[1] == sums[2]).all()


def test_number_types_are_chosen_by_the_bound():
    x = Tensor(name="x", shape=(1, 1, 1))

    def dense(features, level, fmt):
        return Linear(
            inputs=("x",), output=Tensor(name="y", shape=(1, 1, 1)),
            weights=np.full((1, features), level), bias=np.zeros(1, int), format=fmt,
            requant=Requant(multiplier=np.array([1]), zero_point=0, low=0, high=255),
        )

    def choose(features, level, bits=16):
        return exact_type(dense(features, level, Uniform(bits=bits)), x)

    assert choose(518, 127) is np.float32  # 518 * 127 * 255 < 2**24
    assert choose(519, 127) is np.float64
    assert choose(600_000, 32767) is np.float64


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_accumulator_bounds_are_reached(seed):
    """The inputs that drive every weight to its end give exactly the bound."""
    network = random_network(seed, layers=1, operators=["linear"], formats=FORMATS)
    (node,), x = network.nodes, network.input
    levels, signs = node.format.fold_signs(node.weights)
    low, high = accumulator_bound(node, x)
    for filter_, row in enumerate(levels):
        for least, bound in ((True, low), (False, high)):
            worst = np.where((row > 0) == least, x.low, x.high).reshape(1, *x.shape)
            sums = window_sums(node, x, worst)[0, 0, 0] * signs
            assert sums[filter_] == bound[filter_]
    sums = window_sums(node, x, random_input(x, 5, seed)) * signs
    assert (low <= sums).all()
    assert (sums <= high).all()


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_transposed_accumulator_bounds_hold(seed):
    network = random_network(
        seed, layers=1, operators=["transposed"], formats=FORMATS, bits=(8, 4)
    )
    (node,), x = network.nodes, network.input
    _, signs = node.format.fold_signs(node.weights)
    low, high = accumulator_bound(node, x)
    sums = window_sums(node, x, random_input(x, 6, seed)) * signs
    assert (low <= sums).all()
    assert (sums <= high).all()


@pytest.mark.parametrize(("low", "high"), [(-128, 127), (0, 255), (-8, 7), (0, 3)])
def test_bounds_are_the_ends_of_all_sums(low, high):
    """Of all inputs at their ends, where a sum has its own."""
    weights = np.random.default_rng(high).integers(-127, 128, (20, 5))
    weights[:4] = [[-1] * 5, [1] * 5, [0] * 5, [-127, 127, 0, -1, 1]]
    inputs = np.array(list(product([low, high], repeat=5)))
    sums = weights @ inputs.T
    least, most = sum_bound(weights, low, high)
    np.testing.assert_array_equal(least, sums.min(axis=1))
    np.testing.assert_array_equal(most, sums.max(axis=1))


def test_accumulator_bits():
    def bits(weights, fmt, signed, width=8):
        x = Tensor(name="x", shape=(1, 1, len(weights)), signed=signed, bits=width)
        node = Linear(
            inputs=("x",), output=Tensor(name="y", shape=(1, 1, 1)), weights=np.array([weights]),
            bias=np.zeros(1, int), format=fmt,
            requant=Requant(multiplier=np.array([1]), zero_point=0, low=0, high=255),
        )
        return accumulator_bits(node, x)

    int8, binary = Uniform(bits=8), SignedBinary()
    assert bits([1], int8, signed=False) == 8  # 0 to 255, never negative
    assert bits([1], int8, signed=True) == 8  # -128 to 127
    assert bits([-1], int8, signed=True) == 9  # -127 to 128
    assert bits([-1], int8, signed=False) == 9  # -255 to 0
    assert bits([1, 1, 1, 1, 1], binary, signed=False) == 11  # 1275
    assert bits([-1, -1, 0, -1, -1], binary, signed=False) == 10  # the sign is folded: 1020
    assert bits([0, 0], int8, signed=True) == 1
    assert bits([127] * 4, int8, signed=True) == 17  # -65024
    assert bits([-43], int8, signed=False, width=2) == 9  # -129: one beyond a power of two
    assert bits([-127, -44], int8, signed=False, width=2) == 11  # -513
    assert bits([1] * 4, int8, signed=True) == 10  # -512 to 508: just within
    assert bits([-1] * 4, int8, signed=True) == 11  # -508 to 512: just beyond


def test_accumulators_of_other_layers():
    x = Tensor(name="x", shape=(2, 2, 1), zero_point=5)
    pool = AvgPool(
        inputs=("x",), output=Tensor(name="y", shape=(1, 1, 1)), window=Window(kernel=(2, 2)),
        requant=Requant(multiplier=np.array([1]), zero_point=0, low=0, high=255),
    )
    low, high = accumulator_bound(pool, x)
    assert (low.tolist(), high.tolist()) == ([-20], [1000])
    assert accumulator_bits(pool, x) == 11
    clamp = Clamp(inputs=("x",), output=replace(x, name="y"), low=0, high=9)
    with pytest.raises(NhotError, match="Layer 'y': operator must have an accumulator"):
        accumulator_bound(clamp, x)

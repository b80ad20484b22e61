"""The reference against plain loops over Python's integers."""

from dataclasses import replace
from functools import cache
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhot.formats import NHot, Uniform, parse
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
    Requant,
    RoundTerms,
    Tensor,
    Upsample,
    Window,
    reference,
)
from nhot.network.bounds import accumulator_bound
from nhot.network.reference import run, window_sums
from nhot.testing.networks import EVERY_OPERATOR, random_input, random_network

FORMATS = (parse("2hot"), parse("1hot"), parse("int8"), parse("ternary"), parse("signed-binary"))


def taps(x, window, row, column):
    """The inputs (y, x, vector or None where padding) that an output position sees."""
    for ky, kx in product(range(window.kernel[0]), range(window.kernel[1])):
        y = row * window.stride[0] + ky * window.dilation[0] - window.padding[0]
        z = column * window.stride[1] + kx * window.dilation[1] - window.padding[1]
        inside = 0 <= y < len(x) and 0 <= z < len(x[0])
        yield ky, kx, x[y][z] if inside else None


def scattered(x, node, row, column):
    """The taps (y, x, vector) of the inputs that a transposed convolution adds to an output."""
    window = node.window
    for ky, kx in product(range(window.kernel[0]), range(window.kernel[1])):
        y, up = divmod(row + window.padding[0] - ky * window.dilation[0], window.stride[0])
        z, left = divmod(column + window.padding[1] - kx * window.dilation[1], window.stride[1])
        if not up and not left and 0 <= y < len(x) and 0 <= z < len(x[0]):
            yield ky, kx, x[y][z]


@cache
def short_sums(n):
    """All sums of at most n signed powers of two up to 2**9."""
    if n == 0:
        return frozenset([0])
    powers = [sign << shift for shift in range(10) for sign in (1, -1)]
    return short_sums(n - 1) | {one + power for one in short_sums(n - 1) for power in powers}


@cache
def nearest_sum(value, n, low, high):
    """The sum from low to high nearest to a value, of equally near ones that nearer to zero."""
    sums = [v for v in short_sums(n) if low <= v <= high]
    return min(sums, key=lambda v: (abs(v - value), abs(v)))


def rescale(requant, value, channel):
    product_ = value * int(requant.multiplier[channel])
    rounded = (product_ + 2**23) // 2**24 + requant.zero_point
    return min(max(rounded, requant.low), requant.high)


def slow_element(node, tensors, values, row, column, channel):
    """One output integer of ``node`` for one image, by the definition."""
    x, zero_point = values[0], tensors[0].zero_point
    match node:
        case Conv2d():
            size = node.weights.shape[3]
            first = channel // (node.filters // node.groups) * size
            total = int(node.bias[channel])
            for ky, kx, seen in taps(x, node.window, row, column):
                for c in range(size):
                    value = zero_point if seen is None else seen[first + c]
                    total += int(node.weights[channel, ky, kx, c]) * value
            return rescale(node.requant, total, channel)
        case ConvTranspose2d():
            size = node.weights.shape[3]
            first = channel // (node.filters // node.groups) * size
            total = int(node.bias[channel]) + zero_point * int(node.weights[channel].sum())
            for ky, kx, seen in scattered(x, node, row, column):
                for c in range(size):
                    weight = int(node.weights[channel, ky, kx, c])
                    total += weight * (seen[first + c] - zero_point)
            return rescale(node.requant, total, channel)
        case Linear():
            flat = [value for line in x for position in line for value in position]
            pairs = zip(node.weights[channel].tolist(), flat, strict=True)
            total = sum((w * value for w, value in pairs), int(node.bias[channel]))
            return rescale(node.requant, total, channel)
        case MaxPool():
            seen = [s[channel] for _, _, s in taps(x, node.window, row, column) if s is not None]
            return max(seen)
        case AvgPool():
            seen = [s[channel] for _, _, s in taps(x, node.window, row, column) if s is not None]
            return rescale(node.requant, sum(value - zero_point for value in seen), 0)
        case Add():
            total = sum(
                (value[row][column][channel] - tensor.zero_point) * int(multiplier)
                for value, tensor, multiplier in zip(
                    values, tensors, node.requant.multiplier, strict=True
                )
            )
            return rescale(replace(node.requant, multiplier=np.array([1])), total, 0)
        case Concat():
            joined = [
                (element - tensor.zero_point) * int(multiplier)
                for value, tensor, multiplier in zip(
                    values, tensors, node.requant.multiplier, strict=True
                )
                for element in value[row][column]
            ]
            return rescale(replace(node.requant, multiplier=np.array([1])), joined[channel], 0)
        case Upsample():
            return x[row // node.factors[0]][column // node.factors[1]][channel]
        case Clamp():
            return min(max(x[row][column][channel], node.low), node.high)
        case RoundTerms():
            low, high = tensors[0].low - zero_point, tensors[0].high - zero_point
            value = x[row][column][channel] - zero_point
            return zero_point + nearest_sum(value, node.n, low, high)
        case ArgMax():
            return x[row][column].index(max(x[row][column]))


def slow_node(node, tensors, values):
    """All of one layer for one image, nested lists in and out."""
    height, width, channels = node.output.shape
    return [
        [
            [slow_element(node, tensors, values, row, column, c) for c in range(channels)]
            for column in range(width)
        ]
        for row in range(height)
    ]


def check_against_loops(network, x):
    traced = run(network, x, trace=True)
    assert list(traced) == list(network.tensors)
    for node in network.nodes:
        for image in range(len(x)):
            values = [traced[name][image].tolist() for name in node.inputs]
            expected = slow_node(node, network.inputs(node), values)
            assert traced[node.name][image].tolist() == expected, node.name
    assert (run(network, x) == traced[network.output.name]).all()


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), argmax=st.booleans())
def test_random_networks(seed, argmax):
    network = random_network(seed, formats=FORMATS, argmax=argmax, bits=(8, 8, 8, 4, 2))
    check_against_loops(network, random_input(network.input, 3, seed))


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32))
def test_random_networks_of_every_operator(seed):
    network = random_network(
        seed, layers=3, shape=(4, 5, 3), widest=4, formats=FORMATS, operators=EVERY_OPERATOR,
        bits=(8, 8, 4),
    )
    check_against_loops(network, random_input(network.input, 3, seed))


@pytest.mark.parametrize("operator", sorted({*EVERY_OPERATOR, "argmax"}))
def test_each_operator(operator):
    for seed in range(8):
        network = random_network(
            seed, layers=1, shape=(4, 5, 4), operators=[operator], formats=FORMATS
        )
        check_against_loops(network, random_input(network.input, 3, seed))


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("level", [-127, 127])
def test_largest_sums(signed, level):
    """Every weight and every activation at its end, over a long sum."""
    x = Tensor(name="x", shape=(3, 3, 64), signed=signed)
    node = Conv2d(
        inputs=("x",), output=Tensor(name="y", shape=(1, 1, 2), signed=True),
        weights=np.full((2, 3, 3, 64), level), bias=np.array([0, -level * 576 * x.high]),
        format=NHot(bits=8, n=2), window=Window(kernel=(3, 3)),
        requant=Requant.from_scale([2.0**-17, 1], zero_point=0, low=-128, high=127),
    )
    network = Network(name="largest", input=x, nodes=(node,))
    check_against_loops(network, random_input(x, 3, 0))
    low, high = accumulator_bound(node, x)
    ends = sorted((level * 576 * x.low, level * 576 * x.high))
    assert [int(low[0]), int(high[0])] == ends


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("level", [-127, 127])
def test_largest_transposed_sums(signed, level):
    """Every weight and activation at its end; where taps meet no pixel, the zero point is."""
    x = Tensor(name="x", shape=(2, 3, 64), signed=signed, zero_point=7)
    node = ConvTranspose2d(
        inputs=("x",), output=Tensor(name="y", shape=(6, 8, 2), signed=True),
        weights=np.full((2, 3, 3, 64), level), bias=np.array([0, -level * 576 * 7]),
        format=NHot(bits=8, n=2), window=Window(kernel=(3, 3), stride=(2, 2)),
        output_padding=(1, 1),
        requant=Requant.from_scale([2.0**-17, 1], zero_point=0, low=-128, high=127),
    )
    network = Network(name="largest", input=x, nodes=(node,))
    images = random_input(x, 3, 0)
    check_against_loops(network, images)
    # Four of nine taps meet pixels at most; the last row and column lie outside all of them.
    sums = window_sums(node, x, images)
    assert (sums[:, -1, -1] == level * 576 * 7).all()
    low, high = accumulator_bound(node, x)
    ends = sorted(level * 64 * (4 * end + 5 * 7) for end in (x.low, x.high))
    assert [int(low[0]), int(high[0])] == ends == [int(sums.min()), int(sums.max())]


def test_equal_scales_are_joined_as_they_are():
    x = Tensor(name="x", shape=(2, 2, 3), signed=True, zero_point=-5)
    half = Clamp(inputs=("x",), output=replace(x, name="half"), low=-9, high=90)
    joined = Concat(
        inputs=("half", "x", "half"), output=replace(x, name="y", shape=(2, 2, 9)),
        requant=Requant.from_scale([1, 1, 1], zero_point=-5, low=-128, high=127),
    )
    network = Network(name="joined", input=x, nodes=(half, joined))
    images = np.arange(-128, 112).reshape(-1, 2, 2, 3)
    made = run(network, images, trace=True)
    expected = np.concatenate([made["half"], images, made["half"]], axis=3)
    assert (made["y"] == expected).all()


@pytest.mark.parametrize(("bits", "n", "count"), [
    (3, 1, 4), (4, 1, 5), (4, 2, 14), (5, 2, 22), (6, 2, 32), (7, 3, 104), (8, 1, 9), (8, 2, 58),
    (8, 3, 168), (8, 4, 248), (8, 5, 256),
])
def test_counts_of_rounded_activations(bits, n, count):
    """Unsigned from zero on, as in the literature on n-hot."""
    x = Tensor(name="x", shape=(1, 1, 1), bits=bits)
    table = RoundTerms(inputs=("x",), output=replace(x, name="y"), n=n).table
    assert len(np.unique(table)) == count
    assert (table[np.unique(table)] == np.unique(table)).all()  # what is rounded stays
    assert (np.diff(table) >= 0).all()


def test_rounded_activations():
    x = Tensor(name="x", shape=(1, 1, 1), bits=8)
    table = RoundTerms(inputs=("x",), output=replace(x, name="y"), n=1).table
    assert table[[0, 3, 5, 6, 7, 96, 97, 255]].tolist() == [0, 2, 4, 4, 8, 64, 128, 128]
    table = RoundTerms(inputs=("x",), output=replace(x, name="y"), n=2).table
    assert table[[44, 45, 52, 100, 255]].tolist() == [40, 48, 48, 96, 255]  # 255 is 256 - 1
    # Around the zero point, within the tensor: -228 to 27.
    signed = Tensor(name="x", shape=(1, 1, 1), signed=True, zero_point=100)
    table = RoundTerms(inputs=("x",), output=replace(signed, name="y"), n=1).table
    assert table[[0, 128, 227, 228, 229, 255]].tolist() == [-28, -28, 99, 100, 101, 116]


def test_ties_round_up():
    x = Tensor(name="x", shape=(1, 1, 1), signed=True)
    node = Linear(
        inputs=("x",), output=Tensor(name="y", shape=(1, 1, 2), signed=True),
        weights=np.array([[1], [-1]]), bias=np.zeros(2, int), format=Uniform(bits=8),
        requant=Requant(multiplier=np.full(2, 2**23), zero_point=0, low=-128, high=127),
    )
    network = Network(name="ties", input=x, nodes=(node,))
    made = run(network, np.array([-3, -1, 1, 3]).reshape(4, 1, 1, 1))[:, 0, 0]
    assert made.tolist() == [[-1, 2], [0, 1], [1, 0], [2, -1]]


def test_blocks_and_chunks_do_not_matter(monkeypatch):
    network = random_network(5, layers=5, formats=FORMATS)
    x = random_input(network.input, 7, 1)
    expected = run(network, x, trace=True)
    for chunk, block in ((1, 1), (300, 50), (1 << 30, 1 << 30)):
        monkeypatch.setattr(reference, "_CHUNK", chunk)
        monkeypatch.setattr(reference, "_BLOCK", block)
        got = run(network, x, trace=True)
        for name, values in expected.items():
            assert (got[name] == values).all(), name

"""How large sums get: every bound is reached by some input, and none goes beyond it."""

import numpy as np
import pytest

from nhot.errors import NhotError
from nhot.formats import parse
from nhot.network import AvgPool, Clamp, ConvTranspose2d, Linear, Requant, Tensor, Window
from nhot.network.bounds import accumulator_bits, accumulator_bound, sum_bound
from nhot.network.reference import window_sums
from nhot.testing.networks import random_weights

FORMATS = ("2hot", "3hot", "int8", "int4", "ternary", "signed-binary", "signed-binary/4",
           "binary", "2hot+")
RANGES = [(bits, signed) for bits in (2, 4, 8) for signed in (False, True)]


def requant(filters):
    return Requant(multiplier=np.full(filters, 1 << 10), zero_point=0, low=0, high=255)


def dense(weights, name="int8"):
    weights = np.asarray(weights)
    return Linear(
        inputs=("x",), output=Tensor(name="y", shape=(1, 1, len(weights))), weights=weights,
        bias=np.zeros(len(weights), int), format=parse(name), requant=requant(len(weights)),
    )


def vector(size, bits=8, signed=True, zero_point=0):
    return Tensor(name="x", shape=(1, 1, size), bits=bits, signed=signed, zero_point=zero_point)


def worst(levels, x):
    """The sums of the inputs that make each filter's sum the least and the greatest."""
    ends = []
    for positive, negative in ((x.low, x.high), (x.high, x.low)):
        chosen = np.where(levels > 0, positive, negative)
        ends.append([sum(int(w) * int(v) for w, v in zip(*pair, strict=True))
                     for pair in zip(levels, chosen, strict=True)])
    return ends


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("bits", "signed"), RANGES)
def test_bounds_are_reached(name, bits, signed):
    fmt, x = parse(name), vector(16, bits, signed)
    random = np.random.default_rng(bits)
    least, greatest = fmt.levels[0], fmt.levels[-1]
    rows = [np.full(16, least), np.full(16, greatest), *random_weights(random, fmt, (6, 16))]
    if not name.startswith("signed-binary"):
        rows.append(np.where(np.arange(16) % 2, least, greatest))
    node = dense(np.array(rows), name)
    levels, _ = fmt.fold_signs(node.weights)
    lows, highs = accumulator_bound(node, x)
    assert [lows.tolist(), highs.tolist()] == worst(levels, x)
    for row, low, high in zip(levels, lows, highs, strict=True):
        for values, end in ((np.where(row > 0, x.low, x.high), low),
                            (np.where(row > 0, x.high, x.low), high)):
            sums = window_sums(dense([row], "int16"), x, values.reshape(1, 1, 1, 16))
            assert sums.item() == end


def test_sixteen_weights_of_minus_one():
    """-128 * -1 is 128: the negative side reaches one further than the positive."""
    lows, highs = sum_bound(np.full((1, 16), -1), -128, 127)
    assert (lows.item(), highs.item()) == (-127 * 16, 128 * 16)
    assert accumulator_bits(dense(np.full((1, 16), -1)), vector(16)) == 13
    assert accumulator_bits(dense(np.full((1, 16), 1)), vector(16)) == 12


def fits(low, high, bits):
    """Whether a number of ``bits`` holds both; without a sign where none is needed."""
    if low >= 0:
        return high < 1 << bits
    return -(1 << (bits - 1)) <= low and high < 1 << (bits - 1)


@pytest.mark.parametrize("exponent", range(2, 9))
@pytest.mark.parametrize("off", [-2, -1, 0, 1, 2])
@pytest.mark.parametrize("signed", [False, True])
def test_bits_at_every_power_of_two(exponent, off, signed):
    """Of sums of 2 bits, any end can be had: -2 a positive weight, 1 a negative one."""
    target = (1 << exponent) + off
    positive, negative = divmod(target, 2)
    weights = [[1] * positive + [-1] * negative, [0] * (positive + negative)]
    for rows in (weights, -np.array(weights)):
        node, x = dense(rows), vector(positive + negative, 2, signed)
        lows, highs = accumulator_bound(node, x)
        bits = accumulator_bits(node, x)
        assert fits(lows.min(), highs.max(), bits)
        assert bits == 1 or not fits(lows.min(), highs.max(), bits - 1)


@pytest.mark.parametrize("zero_point", [-128, 0, 100, 127])
def test_average_pools_sum_what_is_above_the_zero_point(zero_point):
    x = Tensor(name="x", shape=(5, 4, 2), signed=True, zero_point=zero_point)
    pool = AvgPool(
        inputs=("x",), output=Tensor(name="y", shape=(3, 3, 2)), requant=requant(1),
        window=Window(kernel=(3, 2)),
    )
    lows, highs = accumulator_bound(pool, x)
    assert (lows.tolist(), highs.tolist()) == (
        [6 * (-128 - zero_point)], [6 * (127 - zero_point)]
    )


def test_what_has_no_sum_has_no_bound():
    clamp = Clamp(inputs=("x",), output=vector(4), low=0, high=3)
    with pytest.raises(NhotError, match="operator must have an accumulator, Clamp has none"):
        accumulator_bound(clamp, vector(4))


@pytest.mark.parametrize("seed", range(12))
def test_transposed_convolutions_over_all_inputs(seed):
    """Two pixels of two bits have few inputs: all are tried."""
    random = np.random.default_rng(seed)
    kernel, stride, dilation = random.integers(1, 4, 3).tolist()
    zero_point = int(random.integers(-2, 2))
    x = Tensor(name="x", shape=(1, 4, 1), bits=2, signed=True, zero_point=zero_point)
    window = Window(kernel=(1, kernel), stride=(1, stride), dilation=(1, dilation))
    shape = (*window.transposed_size(1, 4), 2)
    node = ConvTranspose2d(
        inputs=("x",), output=Tensor(name="y", shape=shape), format=parse("int8"), window=window,
        weights=random.integers(-9, 10, (2, 1, kernel, 1)), bias=np.zeros(2, int),
        requant=requant(2),
    )
    inputs = np.stack(np.meshgrid(*[np.arange(-2, 2)] * 4), axis=-1).reshape(-1, 1, 4, 1)
    sums = window_sums(node, x, inputs)
    lows, highs = accumulator_bound(node, x)
    assert (lows <= sums.min(axis=(0, 1, 2))).all()
    assert (highs >= sums.max(axis=(0, 1, 2))).all()
    if kernel * dilation <= 4:  # some output meets all taps of its phase
        assert (lows == sums.min(axis=(0, 1, 2))).all()
        assert (highs == sums.max(axis=(0, 1, 2))).all()


def test_a_transposed_bound_takes_time_by_its_weights():
    """Not by its stride, of which there may be 2^32 phases."""
    window = Window(kernel=(2, 1), stride=(1 << 16, 1 << 16))
    node = ConvTranspose2d(
        inputs=("x",), output=Tensor(name="y", shape=((1 << 16) + 1, 1, 1)), window=window,
        weights=np.array([[[[3]], [[-5]]]]), bias=np.zeros(1, int), format=parse("int8"),
        requant=requant(1), output_padding=(0, 0),
    )
    lows, highs = accumulator_bound(node, vector(1, zero_point=10))
    rest = -2 * 10
    assert lows.item() == min(rest + 3 * (-128 - 10), rest - 5 * (127 - 10))
    assert highs.item() == max(rest + 3 * (127 - 10), rest - 5 * (-128 - 10))

"""Additions of a layer: what the factorised sums take is counted by working them out."""

import numpy as np
import pytest

from nhot.formats import parse
from nhot.formats.terms import naf_terms
from nhot.network import Conv2d, Tensor, Window
from nhot.network.additions import (
    Additions,
    additions,
    groups,
    layer_additions,
    network_additions,
)
from nhot.network.counts import count
from nhot.network.operators import Filters
from nhot.network.requant import Requant
from nhot.testing.networks import random_network


class Adder:
    """Sums of terms, and how many additions they took."""

    def __init__(self):
        self.count = 0

    def sum(self, values):
        values = list(values)
        self.count += max(len(values) - 1, 0)
        return sum(values)

    def dot(self, weights, x):
        return self.sum(sign * (value << shift) for weight, value in zip(weights, x, strict=True)
                        for sign, shift in naf_terms(int(weight)))


def shared_sums(adder, weights, x, size):
    """``weights @ x``, inputs that are alike to the filters of a group added up first."""
    outputs = {}
    for group in groups(weights, size):
        patterns = {}
        for column, value in zip(weights[group].T.tolist(), x.tolist(), strict=True):
            leading = next((weight for weight in column if weight), 0)
            if leading < 0:
                column, value = [-weight for weight in column], -value
            if leading:
                patterns.setdefault(tuple(column), []).append(value)
        sums = {column: adder.sum(values) for column, values in patterns.items()}
        for place, row in enumerate(group):
            outputs[row] = adder.dot([column[place] for column in sums], sums.values())
    return np.array([outputs[row] for row in range(len(weights))])


def drawn(name, shape, seed=3):
    return np.random.default_rng(seed).choice(parse(name).levels, size=shape)


@pytest.mark.parametrize("name", ["binary", "ternary", "2hot", "1hot", "int4", "int8"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (7, 40), (12, 90)])
def test_they_are_those_of_the_sums_when_worked_out(name, shape):
    weights = drawn(name, shape)
    x = np.random.default_rng(4).integers(-128, 128, shape[1])
    counted = additions(weights)
    shared = []
    for size in range(1, min(8, len(weights)) + 1):
        adder = Adder()
        np.testing.assert_array_equal(shared_sums(adder, weights, x, size), weights @ x)
        shared.append(adder.count)
    assert counted.shared == min(shared)
    assert counted.sums == shape[0]
    adder = Adder()
    assert [adder.dot(row, x) for row in weights] == (weights @ x).tolist()
    assert counted.sparse == adder.count
    assert counted.dense == shape[0] * (shape[1] * max(naf(weights)) - 1)
    assert counted.dense >= counted.sparse
    assert bool(counted.subset) == (len(set(abs(weights).reshape(-1).tolist())) == 1)


def naf(weights):
    return [max(len(naf_terms(int(weight))), 1) for weight in weights.reshape(-1)]


def test_a_subset_is_twice_its_sum_less_that_of_all():
    weights = drawn("binary", (6, 50))
    x = np.arange(50)
    adder = Adder()
    total = adder.sum(x.tolist())
    subset = shared_sums(adder, (weights > 0).astype(np.int64), x, 6)
    adder.count += 6  # a subtraction of the total each
    np.testing.assert_array_equal(2 * subset - total, weights @ x)
    assert additions(weights).subset <= adder.count
    scaled = additions(5 * weights)
    assert scaled.subset == additions(weights).subset


@pytest.mark.parametrize(("density", "levels", "each"), [
    (1.0, (-1, 1), 122), (0.65, (-1, 1), 157), (0.35, (1, 1), 109),
])
def test_random_weights_of_576_inputs(density, levels, each):
    """Figures worked out from the number of patterns that there can be: 2^6 / 2, 3^4 / 2, 2^6."""
    source = np.random.default_rng(5)
    weights = source.choice(levels, (48, 576)) * (source.random((48, 576)) < density)
    assert additions(weights).shared / 48 == pytest.approx(each, rel=0.03)


def test_zeros_alone_take_none():
    assert additions(np.zeros((3, 5), np.int64)) == Additions(sums=3, dense=12)


def test_filters_like_one_another_are_put_together():
    two = drawn("ternary", (2, 40))
    weights = np.concatenate([two, -two])
    assert groups(weights, 2) == [[0, 2], [1, 3]]
    assert additions(weights, 2).shared == additions(two, 1).shared


def test_a_grouped_layer_is_several_matrices():
    weights = drawn("ternary", (4, 3, 3, 2))
    requant = Requant(multiplier=np.ones(4, np.int64), zero_point=0, low=-128, high=127)
    node = Conv2d(
        inputs=("x",), output=Tensor(name="y", shape=(4, 4, 4), signed=True),
        weights=weights, bias=np.zeros(4, np.int64), format=parse("ternary"),
        window=Window(kernel=(3, 3)), groups=2, requant=requant,
    )
    halves = [additions(half.reshape(2, -1)) for half in (weights[:2], weights[2:])]
    assert layer_additions(node) == halves[0] + halves[1]


def test_an_inference_has_them_at_every_place():
    ternary = parse("ternary")
    network = random_network(6, formats=[ternary], operators=("conv", "depthwise"), layers=3)
    total = network_additions(network, ternary)
    assert total.sums == sum(
        node.output.size for node in network.nodes if isinstance(node, Filters)
    )
    assert 0 < total.shared <= total.sparse <= total.dense == count(network).macs - total.sums
    assert network_additions(network, parse("2hot")) == Additions()

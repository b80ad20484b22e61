"""Ranges of activations: how they are seen, forgotten, moved, and made a grid of integers."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.quant import quantize
from nhot.quant.activations import MOMENTUM, ActivationQuant


def grid(low: float, high: float, bits: int = 8):
    return ActivationQuant(bits, fixed=(low, high)).tensor("x", (1, 1, 1))


@pytest.mark.parametrize("bits", range(2, 9))
def test_zero_points_are_the_nearest_integers(bits):
    """Half up, as all rounding; in fractions, so that no float decides."""
    steps = 2**bits - 1
    for parts in range(1, 4 * steps):  # quarters of a unit below zero
        low, high = -parts / 4, steps - parts / 4
        made = grid(low, high, bits)
        assert made.signed
        assert made.scale == 1
        exact = Fraction(-(2 ** (bits - 1))) - Fraction(low)
        assert made.zero_point == floor(exact + Fraction(1, 2)), (low, high)
        assert abs(made.zero_point - exact) <= Fraction(1, 2)
        assert made.low <= made.zero_point <= made.high


def test_ranges_of_one_sign():
    made = grid(0.0, 51.0)
    assert (made.signed, made.zero_point, made.scale) == (False, 0, 0.2)
    made = grid(-51.0, 0.0)
    assert (made.signed, made.zero_point, made.scale) == (True, 127, 0.2)


@pytest.mark.parametrize(("low", "high", "text"), [
    (0.0, 0.0, "must not all be zero"), (float("nan"), 1.0, "must be finite"),
    (0.0, float("inf"), "must be finite"),
])
def test_ranges_of_nothing(low, high, text):
    quant = ActivationQuant()
    quant.minimum.fill_(low)
    quant.maximum.fill_(high)
    with pytest.raises(NhotError, match=f"Activations of 'x' {text}"):
        quant.tensor("x", (1, 1, 1))


def test_a_range_is_known_once_it_was_seen():
    quant = ActivationQuant()
    assert not quant.known
    quant.calibrating = True
    quant(torch.zeros(1))
    quant.calibrating = False
    assert not quant.known  # nothing but zero
    quant.calibrating = True
    quant(torch.ones(1))
    assert not quant.known  # it may still change
    quant.calibrating = False
    assert quant.known


def ranges(model):
    return {
        layer.name: (float(layer.rounding.minimum), float(layer.rounding.maximum))
        for layer in model if hasattr(layer, "rounding")
    }


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1))


def samples(count: int = 600, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 2, 5, 5, generator=torch.Generator().manual_seed(seed))


def test_a_second_calibration_forgets_the_first():
    small = 0.25 * samples(seed=1)
    model = quantize(net(), "int8", 4 * samples())
    first = ranges(model)
    model.calibrate(small)
    assert ranges(model) == ranges(quantize(net(), "int8", small))
    assert all(high < first[name][1] for name, (_, high) in ranges(model).items())
    fixed = quantize(net(), "int8", samples(), input_range=(-3.0, 5.0))
    fixed.calibrate(small)
    assert ranges(fixed)["input"] == (-3.0, 5.0)


def test_calibration_sees_every_batch():
    x = samples()
    x[-1, 0, 0, 0], x[300, 1, 2, 2] = 100.0, -50.0  # of the last batch, and of one in the middle
    assert ranges(quantize(net(), "int8", x))["input"] == (-50.0, 100.0)


def test_training_moves_ranges_slowly_and_evaluation_does_not():
    model = quantize(net(), "int8", samples(), input_range=(-4.0, 4.0))
    before = ranges(model)
    x = 2 * samples(8, seed=3)
    model.eval()(x)
    assert ranges(model) == before
    with torch.no_grad():
        model.train()(x)
    after = ranges(model)
    assert after["input"] == before["input"]
    layer = next(iter(model.filters))
    with torch.no_grad():
        seen = F.conv2d(model.input.rounding(x), layer.weights(layer.weight), layer.bias).max()
    expected = before["0"][1] + MOMENTUM * (float(seen) - before["0"][1])
    assert after["0"] == pytest.approx((0.0, expected), rel=1e-6)


@pytest.mark.parametrize(("low", "high", "signed", "zero_point"), [
    (0.0, 255.0, False, 0), (-128.0, 127.0, True, 0),
    (-255.0, 0.0, True, 127), (-1.0, 254.0, True, -127),
])
def test_activation_grid(low, high, signed, zero_point):
    quant = ActivationQuant(fixed=(low, high))
    tensor = quant.tensor("x", (1, 1, 1))
    assert (tensor.scale, tensor.signed, tensor.zero_point) == (1.0, signed, zero_point)
    x = torch.tensor([low - 5, low, low + 0.5, 0.0, high - 0.6, high, high + 5], requires_grad=True)
    y = quant.eval()(x)
    assert y.tolist() == [low, low, low + 1, 0.0, high - 1, high, high]  # half up
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 1, 1, 0]


def test_ranges_move_slowly_while_training():
    quant = ActivationQuant()
    quant.calibrating = True
    quant(torch.tensor([1.0, 2.0]))
    quant(torch.tensor([-1.0, 1.0]))
    quant.calibrating = False
    assert (float(quant.minimum), float(quant.maximum)) == (-1.0, 2.0)
    quant.train()(torch.tensor([0.0, 4.0]))
    assert float(quant.maximum) == pytest.approx(2.1)
    assert float(quant.minimum) == pytest.approx(-0.95)
    quant.eval()(torch.tensor([0.0, 100.0]))
    assert float(quant.maximum) == pytest.approx(2.1)

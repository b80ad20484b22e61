"""Rounding of weights: nearest levels, scales, and straight-through gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nhot.errors import NhotError
from nhot.formats import SignedBinary, Uniform, parse
from nhot.quant.activations import ActivationQuant
from nhot.quant.weights import GridWeights, nearest, search_scale, weight_quant

FORMATS = ["1hot", "2hot", "3hot", "4hot", "2hot@6", "ternary", "int8", "int4", "signed-binary"]


@pytest.mark.parametrize("name", FORMATS)
def test_nearest_is_that_of_the_format(name):
    format = parse(name)
    # Every level, every tie between two, both sides of each, and beyond the largest.
    halves = np.arange(-600, 601) / 2
    values = np.concatenate([halves, np.nextafter(halves, 1e9), np.nextafter(halves, -1e9)])
    for dtype in (np.float64, np.float32):
        x = values.astype(dtype)
        ours = nearest(torch.from_numpy(x), format).numpy()
        np.testing.assert_array_equal(ours, format.nearest(x))


@settings(max_examples=50)
@given(st.lists(st.floats(-200, 200, width=32), min_size=1), st.sampled_from(FORMATS))
def test_nearest_on_random_values(values, name):
    x = np.array(values, np.float32)
    ours = nearest(torch.from_numpy(x), parse(name)).numpy()
    np.testing.assert_array_equal(ours, parse(name).nearest(x))


def test_ties_go_towards_zero():
    x = torch.tensor([0.5, -0.5, 1.5, -1.5, 88.0, -88.0, 104.0, -104.0])
    # 2-hot has the levels 80, 96, 112 in a row
    assert nearest(x, parse("2hot")).tolist() == [0, 0, 1, -1, 80, -80, 96, -96]


@pytest.mark.parametrize("per_channel", [True, False])
def test_gradients_pass_straight_through(per_channel):
    torch.manual_seed(0)
    weight = torch.randn(4, 3, 2, 2, requires_grad=True)
    quant = GridWeights(parse("2hot"), weight, per_channel=per_channel)
    with torch.no_grad():
        quant.log_scale -= 0.5  # so that the largest weights saturate
    out = quant(weight)
    grad = torch.randn(out.shape)
    out.backward(grad)
    scale = quant.log_scale.detach().exp().reshape(-1, 1, 1, 1)
    ratio = weight.detach() / scale
    inside = ratio.abs() <= 127
    assert inside.any()
    assert not inside.all()
    torch.testing.assert_close(weight.grad, grad * inside)
    # Scale: rounding error where inside, the largest level where not, times d scale / d log scale.
    share = (nearest(ratio, quant.format) - ratio * inside) * grad * scale
    axes = (1, 2, 3) if per_channel else (0, 1, 2, 3)
    torch.testing.assert_close(quant.log_scale.grad, share.sum(axes).reshape(-1))


def test_signed_binary_follows_its_source():
    weight = torch.tensor([[0.9, -0.8, 0.04, 0.05], [0.9, -0.8, -0.044, -0.046]]).requires_grad_()
    quant = weight_quant(SignedBinary(), weight)
    levels, scale = quant.integers(weight)
    assert levels.tolist() == [[1, 0, 0, 1], [0, -1, 0, -1]]  # thresholds 0.045, per filter
    np.testing.assert_allclose(scale, [0.475, 0.423], rtol=1e-6)
    out = quant(weight)
    torch.testing.assert_close(out, levels * torch.tensor(scale).float()[:, None])
    out.sum().backward()
    assert weight.grad.tolist() == [[1.0] * 4] * 2
    far = (3 * weight.detach()).requires_grad_()
    quant(far).sum().backward()
    assert far.grad.tolist() == [[0, 0, 1, 1]] * 2  # clipped at one


@pytest.mark.parametrize("name", FORMATS)
def test_integers_are_what_training_multiplies(name):
    torch.manual_seed(1)
    weight = torch.randn(6, 5, 3, 3)
    quant = weight_quant(parse(name), weight)
    levels, scale = quant.integers(weight)
    product = levels.double() * torch.from_numpy(scale).reshape(-1, 1, 1, 1)
    torch.testing.assert_close(quant(weight).double(), product, rtol=1e-6, atol=1e-7)
    parse(name).fold_signs(levels.numpy())  # all are levels


def test_searched_scale_is_the_best_candidate():
    torch.manual_seed(2)
    rows, format = torch.randn(5, 200), parse("2hot@6")
    best = search_scale(rows, format)
    def error(scale):
        return (scale[:, None] * nearest(rows / scale[:, None], format) - rows).square().sum(1)
    for factor in (0.5, 0.8, 0.9, 1.1, 1.3, 2.0):
        assert (error(best) <= error(best * factor) * 1.02).all()


def test_filter_of_zeros_has_a_scale():
    weight = torch.zeros(2, 4)
    weight[1, 0] = 1
    for name in FORMATS:
        levels, scale = weight_quant(parse(name), weight).integers(weight)
        assert not levels[0].any()
        assert np.isfinite(scale).all()
        assert (scale > 0).all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_must_be_finite(value):
    with pytest.raises(NhotError, match="finite"):
        weight_quant(Uniform(bits=8), torch.tensor([[1.0, value]]))


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

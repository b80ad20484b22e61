"""Rounding of weights: nearest levels, rules, limits of sums, and straight-through gradients."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nhot.errors import NhotError
from nhot.formats import SignedBinary, parse
from nhot.quant.weights import GridWeights, WeightSpec, nearest, toward_zero, weight_quant
from nhot.quant.weights.accumulator import strongest
from nhot.testing.weight_specs import spec

FORMATS = [
    "1hot", "2hot", "3hot", "4hot", "2hot@6", "ternary", "int8", "int4", "signed-binary",
    "signed-binary/2", "binary", "apot5", "2hot/0-9-18-28-40-56-72-96",
]
WITH_ZERO = [name for name in FORMATS if name != "binary"]


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
    quant = weight_quant(WeightSpec(format=SignedBinary()), weight)
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
    ends = torch.tensor([[1.0, -1.0, 1.001, -1.001]], requires_grad=True)
    quant(ends).sum().backward()
    assert ends.grad.tolist() == [[1, 1, 0, 0]]


def test_threshold_of_signed_binary():
    weight = torch.tensor([[1.0, 0.24, 0.25, -0.6], [1.0, -0.24, -0.25, -0.6]])
    quant = weight_quant(spec("signed-binary", threshold=0.25), weight)
    assert quant.integers(weight)[0].tolist() == [[1, 0, 1, 0], [0, 0, -1, -1]]
    # Without one, a weight of zero is zero still.
    weight[0, 1] = 0
    quant = weight_quant(spec("signed-binary", threshold=0), weight)
    assert quant.integers(weight)[0].tolist() == [[1, 0, 1, 0], [0, -1, -1, -1]]


def test_another_format_takes_what_it_has_a_use_for():
    assert spec("signed-binary", threshold=0.25).with_format(parse("int8")) == spec("int8")
    scheduled = spec("signed-binary", threshold=0.25, schedule=True)
    assert scheduled.with_format(parse("binary")) == spec("binary", schedule=True)
    assert scheduled.with_format(parse("signed-binary/2")) == spec(
        "signed-binary/2", threshold=0.25, schedule=True
    )
    ternary = spec("ternary", rule="twn", scale="searched")
    assert ternary.with_format(parse("2hot")) == spec("2hot", scale="searched")
    assert ternary.with_format(parse("ternary")) == ternary


@pytest.mark.parametrize("name", FORMATS)
def test_integers_are_what_training_multiplies(name):
    torch.manual_seed(1)
    weight = torch.randn(6, 5, 3, 3)
    quant = weight_quant(spec(name), weight)
    levels, scale = quant.integers(weight)
    product = levels.double() * torch.from_numpy(scale).reshape(-1, 1, 1, 1)
    torch.testing.assert_close(quant(weight).double(), product, rtol=1e-6, atol=1e-7)
    parse(name).fold_signs(levels.numpy())  # all are levels


def test_the_strongest_are_the_largest_of_those_that_count():
    magnitude = torch.tensor([[5.0, 1.0, 4.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    active = torch.tensor([[False, True, True, True, True], [True, True, False, False, False]])
    kept = strongest(magnitude, active, 2)
    assert kept.tolist() == [[False, False, True, False, True], [True, True, False, False, False]]
    assert strongest(magnitude[:1], active[:1], 1).tolist() == [[False, False, True, False, False]]


def test_of_equals_the_first_are_the_strongest():
    """On every machine: a sort that is not stable takes any of them, in rows of more than 16."""
    magnitude = torch.tensor([1.0, 2.0, 2.0, 1.0] * 25)
    active = torch.ones(2, 100, dtype=torch.bool)
    kept = strongest(magnitude.expand(2, 100), active, 60)
    places = [i for i in range(100) if i % 4 in (1, 2)] + [0, 3, 4, 7, 8, 11, 12, 15, 16, 19]
    assert kept[0].nonzero().flatten().tolist() == sorted(places)
    assert torch.equal(kept[0], kept[1])


@settings(max_examples=50)
@given(st.lists(st.floats(-200, 200, width=32), min_size=1), st.sampled_from(WITH_ZERO))
def test_toward_zero(values, name):
    format = parse(name)
    x = torch.tensor(values, dtype=torch.float32)
    levels = toward_zero(x, format)
    assert format.contains(levels.long().numpy()).all()
    for value, level in zip(x.tolist(), levels.tolist(), strict=True):
        between = [v for v in format.levels.tolist() if abs(level) < abs(v) <= abs(value)]
        assert abs(level) <= abs(value)
        assert not [v for v in between if v * value > 0]


def test_formats_of_weights_are_formats():
    with pytest.raises(TypeError, match="Format of weights must be a Format, not '2hot'"):
        WeightSpec(format="2hot")


def test_filter_of_zeros_has_a_scale():
    weight = torch.zeros(2, 4)
    weight[1, 0] = 1
    for name in FORMATS:
        levels, scale = weight_quant(spec(name), weight).integers(weight)
        assert name == "binary" or not levels[0].any()
        assert np.isfinite(scale).all()
        assert (scale > 0).all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_must_be_finite(value):
    with pytest.raises(NhotError, match="finite"):
        weight_quant(spec("int8"), torch.tensor([[1.0, value]]))


def test_ternary_thresholds():
    weight = torch.tensor([[1.0, -0.5, 0.3, -0.1, 0.0]])
    twn = weight_quant(spec("ternary", rule="twn"), weight)
    levels, scale = twn.integers(weight)
    assert levels.tolist() == [[1, -1, 1, 0, 0]]  # 0.7 of the mean is 0.266
    assert scale.tolist() == pytest.approx([0.6])
    exact = weight_quant(spec("ternary", rule="least-squares"), weight)
    levels, scale = exact.integers(weight)
    assert levels.tolist() == [[1, -1, 0, 0, 0]]  # 1.5**2 / 2 > 1.8**2 / 3 > 1**2
    assert scale.tolist() == pytest.approx([0.75])


def test_least_squares_ternary_by_brute_force():
    torch.manual_seed(5)
    weight = torch.randn(20, 12)
    levels, scale = weight_quant(spec("ternary", rule="least-squares"), weight).integers(weight)
    found = (torch.tensor(scale)[:, None] * levels - weight).square().sum(1)
    ordered = weight.abs().sort(1, descending=True).values
    for count in range(1, 13):
        best = weight.square().sum(1) - ordered[:, :count].sum(1).square() / count
        assert (found <= best + 1e-5).all()


def test_binary_is_the_mean_magnitude():
    weight = torch.tensor([[0.5, -1.5, 0.0], [-0.1, -0.2, -0.3]])
    levels, scale = weight_quant(spec("binary"), weight).integers(weight)
    assert levels.tolist() == [[1, -1, 1], [-1, -1, -1]]
    assert scale.tolist() == pytest.approx([2 / 3, 0.2])


def test_tiles_alternate_within_a_filter():
    weight = torch.ones(2, 6, 1, 1)
    weight[:, ::2] = -1
    levels, _ = weight_quant(spec("signed-binary/2"), weight).integers(weight)
    assert levels.flatten(1).tolist() == [[0, 1, -1, 0, 0, 1], [-1, 0, 0, 1, -1, 0]]


@pytest.mark.parametrize("name", ["binary", "signed-binary"])
def test_gradient_schedule(name):
    torch.manual_seed(6)
    weight = torch.randn(4, 30, requires_grad=True)
    quant = weight_quant(spec(name, schedule=True), weight)
    sign = torch.tensor([1.0, 1, -1, -1])[:, None]
    center = 0 if name == "binary" else sign * 0.05 * weight.detach().abs().amax(1, keepdim=True)
    for part, t in ((0.0, 0.1), (0.5, 1.0), (1.0, 10.0)):
        quant.progress = part
        (gradient,) = torch.autograd.grad(quant(weight).sum(), weight)
        slope = max(1 / t, 1) * t * (1 - (t * (weight.detach() - center)).tanh() ** 2)
        torch.testing.assert_close(gradient, slope)


@pytest.mark.parametrize(("name", "options", "text"), [
    ("2hot", {"rule": "twn"}, "Rule of weights must be 'nearest' unless they are ternary"),
    ("2hot", {"threshold": 0.1}, "unless they are signed-binary, not 0.1 for 2hot"),
    ("signed-binary", {"threshold": 1}, "Threshold of weights must be at least 0 and below 1"),
    ("signed-binary", {"threshold": float("nan")}, "must be at least 0 and below 1, not nan"),
    ("2hot", {"schedule": True}, "Gradient schedule must be for binary or signed-binary"),
    ("2hot", {"scale": "best"}, "Scale of weights must be one of learned, searched, power-of-two"),
    ("ternary", {"rule": "best"}, "Rule of weights must be one of nearest, twn, least-squares"),
])
def test_options_that_do_not_fit(name, options, text):
    with pytest.raises(NhotError, match=text):
        spec(name, **options)


@pytest.mark.parametrize("name", WITH_ZERO)
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_limited_filters_cannot_overflow(name, bits):
    torch.manual_seed(7)
    weight = torch.randn(6, 64, 3, 3)
    weight[0] = weight[0].abs()
    weight[1] = 0
    quant = weight_quant(spec(name), weight)
    quant.limit_accumulator(bits, 8, weight)
    levels, _ = quant.integers(weight)
    flat = levels.flatten(1)
    if name == "signed-binary":
        flat = flat.abs()
        assert (255 * flat.sum(1) < 2**bits).all()
        assert (128 * flat.sum(1) <= 2 ** (bits - 1)).all()
        return
    up, down = flat.clamp_min(0).sum(1), (-flat).clamp_min(0).sum(1)
    for low, high in ((0, 255), (-128, 127)):
        assert (up * high - down * low < 2 ** (bits - 1)).all()
        assert (up * low - down * high >= -(2 ** (bits - 1))).all()
    torch.testing.assert_close(quant(weight).double(), levels * torch.tensor(
        quant.integers(weight)[1]).reshape(-1, 1, 1, 1), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["2hot", "signed-binary", "signed-binary/4"])
@pytest.mark.parametrize(("bits", "input_bits"), [(10, 8), (16, 8), (17, 3), (32, 1)])
def test_the_limit_is_the_largest_that_is_promised(name, bits, input_bits):
    """Where all inputs are beyond their greatest by one, sums are still within the bits."""
    quant = weight_quant(spec(name), torch.ones(4, 4))
    quant.limit_accumulator(bits, input_bits, torch.ones(4, 4))
    most = 2**bits - 1 if name == "signed-binary" else 2 ** (bits - 1) - 1
    assert quant.limit << input_bits <= most < (quant.limit + 1) << input_bits


def test_filters_that_fit_are_not_touched():
    torch.manual_seed(8)
    weight = torch.randn(4, 16)
    free, limited = (weight_quant(spec("2hot"), weight) for _ in range(2))
    limited.limit_accumulator(24, 8, weight)
    assert (free.integers(weight)[0] == limited.integers(weight)[0]).all()


def test_limits_that_nothing_fits():
    with pytest.raises(NhotError, match="must be 10 to 32 for inputs of 8 bits, not 9"):
        weight_quant(spec("2hot"), torch.ones(1, 1)).limit_accumulator(9, 8, torch.ones(1, 1))
    with pytest.raises(NhotError, match="must have a zero, not binary"):
        weight_quant(spec("binary"), torch.ones(1, 1)).limit_accumulator(16, 8, torch.ones(1, 1))

"""Multipliers of few terms: chosen with the scales, in training and without it, never rounded."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from nhot.compiler import EngineConfig, compile_network
from nhot.contract.program import unpack_program
from nhot.errors import NhotError
from nhot.experiments.data import load_digits
from nhot.experiments.models.digits import digits
from nhot.formats import naf_weight, parse
from nhot.network import Add, AvgPool, Concat, Network
from nhot.network.counts import requant_terms
from nhot.network.file import to_bytes
from nhot.network.requant import SHIFT
from nhot.quant import (
    accuracy,
    adapt_rounding,
    finetune,
    fit,
    fit_ranges,
    post_train,
    quantize,
    quantize_post_training,
    to_network,
)
from nhot.quant.weights import Multipliers, search_scale
from nhot_sim.quantised import assert_exact

FORMATS = ["1hot", "2hot", "3hot", "2hot+", "2hot@6", "apot4", "pot4", "ternary", "binary", "int8",
           "int4", "signed-binary", "signed-binary/4", "2hot/16"]
TERMS = [1, 2, 4]


class Mixed(nn.Module):
    """Joins and pools of all kinds: what is joined has been pooled, clamped and passed on."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 8, 3, padding=1, groups=4)
        self.third = nn.Conv2d(8, 4, 1)
        self.up = nn.ConvTranspose2d(12, 5, 2, stride=2)
        self.dense = nn.Linear(5, 7)
        self.norm2 = nn.BatchNorm1d(7)

    def forward(self, x):
        x = F.relu6(self.norm(self.first(x)))
        y = F.hardtanh(self.second(x) + x, -0.5, 4.0)
        z = F.max_pool2d(y, 2)
        z = torch.cat([z, F.avg_pool2d(self.third(y), 2)], 1)
        return self.norm2(self.dense(self.up(z).mean((2, 3))))


def mixed(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    model = Mixed()
    for norm in (model.norm, model.norm2):
        norm.weight.data.normal_()  # negative gains too
        norm.weight.data[1] = 0.0
        norm.bias.data.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return model.eval()


def samples(count: int = 32, seed: int = 1, channels: int = 3, size: int = 12) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, channels, size, size, generator=generator)


def most(network: Network) -> int:
    return max(requant_terms(node) or 0 for node in network.nodes)


@pytest.mark.parametrize("terms", TERMS)
@pytest.mark.parametrize("format", FORMATS)
def test_no_multiplier_has_more_terms(format, terms):
    model = quantize(mixed(), format, samples(), requant_terms=terms)
    assert 1 <= most(assert_exact(model, 2 * samples(seed=2))) <= terms
    post_train(model, mixed(), samples())
    assert 1 <= most(assert_exact(model, 2 * samples(seed=2))) <= terms


@pytest.mark.parametrize("terms", [1, 2])
@pytest.mark.parametrize("format", ["2hot", "int4", "ternary", "signed-binary"])
def test_training_keeps_them(format, terms):
    model = quantize(mixed(), format, samples(), requant_terms=terms)
    labels = torch.arange(32) % 7
    before = [layer.weight.detach().clone() for layer in model.filters]
    finetune(model, samples(), labels, epochs=2, lr=1e-2)
    assert not any(map(torch.equal, before, (layer.weight for layer in model.filters)))
    assert most(assert_exact(model, samples(seed=2))) <= terms
    with torch.no_grad():  # what was trained is what the integers compute
        fake = model.floats(samples())[model.output].flatten(1)
    units = (fake - model(samples())).abs() / model.grids()[model.output].scale
    assert units.mean() < 0.5


def test_without_training_and_in_few_bits():
    options = {"adaptive": True, "steps": 20, "bits": 4, "accumulator_bits": 14}
    model = quantize_post_training(mixed(), "2hot", samples(), requant_terms=1, **options)
    assert most(assert_exact(model, samples(seed=2))) == 1


def test_four_terms_are_the_default():
    default, four = (
        to_bytes(to_network(quantize(mixed(), "2hot", samples(), **options), "n"))
        for options in ({}, {"requant_terms": 4})
    )
    assert default == four
    assert most(to_network(quantize(mixed(), "2hot", samples()), "n")) == 4


@pytest.mark.parametrize("terms", TERMS)
def test_fewer_terms_are_fewer_in_the_program(terms):
    network = to_network(quantize(digits(), "2hot", load_digits().train_x[:64],
                                  requant_terms=terms), "n")
    image = compile_network(network, EngineConfig())
    assert max(one.terms for one in unpack_program(image.program)) == terms


@pytest.mark.parametrize("terms", [0, 3, 5, -1, 1.5, "2", None])
def test_other_numbers_are_refused(terms):
    with pytest.raises(NhotError, match=f"^Requantisation terms must be 1, 2 or 4, not {terms!r}$"):
        quantize(mixed(), "2hot", samples(), requant_terms=terms)


@pytest.mark.parametrize(("options", "why"), [
    ({"per_channel": False}, "a scale for each layer"),
    ({"scale": "power-of-two"}, "scales of weights that are powers of two"),
])
def test_options_that_leave_no_scale_to_choose(options, why):
    with pytest.raises(NhotError, match=f"^Requantisation terms must be 4 with {why}, not 1: "):
        quantize(mixed(), "2hot", samples(), requant_terms=1, **options)
    quantize(mixed(), "2hot", samples(), requant_terms=4, **options)


class Joined(nn.Module):
    """A sum or concat of the input, its mean, and a layer."""

    def __init__(self, join: str, kernel: int) -> None:
        super().__init__()
        self.join, self.kernel = join, kernel
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        pooled = F.avg_pool2d(x, self.kernel, 1, self.kernel // 2) if self.kernel else x
        both = self.conv(pooled), pooled
        return torch.cat(both, 1) if self.join == "concat" else both[0] + both[1]


@pytest.mark.parametrize("input_range", [None, (0.0, 1.0), (-3.0, 2.0)])
@pytest.mark.parametrize("kernel", [0, 3])
@pytest.mark.parametrize("join", ["add", "concat"])
def test_a_known_range_is_a_unit(join, kernel, input_range):
    torch.manual_seed(0)
    model = quantize(Joined(join, kernel), "2hot", samples(), requant_terms=1,
                     input_range=input_range)
    network = assert_exact(model, samples(seed=2))
    assert most(network) == 1
    assert isinstance(network.nodes[-1], Add | Concat)


def test_what_no_scale_suits_keeps_its_terms():
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            x = self.conv(x)
            return F.avg_pool2d(x, 3, 1, 1) + x  # a ninth of the unit, and the unit

    network = assert_exact(quantize(Both(), "2hot", samples(), requant_terms=1), samples(seed=2))
    kinds = {type(node): requant_terms(node) for node in network.nodes}
    assert kinds[AvgPool] == 1
    assert kinds[Add] == 2  # 9 = 8 + 1


def test_limits_of_activations_stay():
    """ReLU6 and its kind, where the grid goes on beyond the limit."""
    model = quantize(mixed(), "int8", 20 * samples(), requant_terms=1)
    network = assert_exact(model, 20 * samples(seed=2))
    real = model.integers(20 * samples(seed=2))
    for name, high in (("first", 6.0), ("add", 4.0)):
        tensor = network.node(name).output
        largest = (int(real[name].max()) - tensor.zero_point) * tensor.scale
        assert abs(largest - high) <= tensor.scale / 2
        assert (tensor.high - tensor.zero_point) * tensor.scale > high + tensor.scale


def test_filters_of_zeros_and_weak_ones():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 6, 3)
    conv.weight.data[0] = 0
    conv.weight.data[1] *= 1e-9
    conv.weight.data[2, 0] *= 40
    for format in FORMATS:
        model = quantize(conv, format, samples(), requant_terms=1)
        assert most(assert_exact(model, samples(seed=2))) == 1


@pytest.fixture(scope="module")
def trained():
    data = load_digits()
    torch.manual_seed(0)
    model = digits()
    fit(model, data.train_x, data.train_y, epochs=8, lr=1e-2)
    return data, model


@pytest.mark.parametrize("format", ["int8", "2hot"])
def test_digits_are_as_good_without_training(trained, format):
    """As the float network, within what seeds and processors differ by."""
    data, model = trained
    test = data.test_x, data.test_y
    for terms in TERMS:
        quantized = quantize_post_training(
            model, format, data.train_x[:256], requant_terms=terms, input_range=data.input_range
        )
        assert accuracy(quantized, *test) > accuracy(model, *test) - 0.012


def test_digits_of_one_term_are_as_good_with_training(trained):
    data, model = trained
    test = data.test_x, data.test_y
    scores = {}
    for terms in TERMS:
        quantized = quantize(model, "1hot", data.train_x[:256], requant_terms=terms,
                             input_range=data.input_range)
        finetune(quantized, data.train_x, data.train_y, epochs=2)
        scores[terms] = accuracy(quantized, *test)
    assert min(scores.values()) > scores[4] - 0.03  # unstable ways lost up to 0.29


@pytest.mark.parametrize("terms", [1, 2])
def test_every_multiplier_is_a_number_of_terms_on_the_grid(terms):
    found = Multipliers(terms, torch.ones(1, dtype=torch.float64))
    scales = [float(found.scale(torch.tensor([number]))) for number in range(25 * found.octave)]
    integers = [scale * 2**SHIFT for scale in scales]
    assert all(value.is_integer() and naf_weight(int(value)) <= terms for value in integers)
    assert scales == sorted(set(scales))
    assert (scales[0], scales[-1] < 2.0**7 < 2.1 * scales[-1]) == (2.0**-18, True)
    gap = max(b / a for a, b in pairwise(scales))
    assert gap == (2 if terms == 1 else 1.2)


@given(st.sampled_from([1, 2]), st.floats(2.0**-17, 2.0**6), st.floats(1e-6, 1e6))
def test_the_nearest_multiplier(terms, multiplier, unit):
    found = Multipliers(terms, torch.tensor([unit], dtype=torch.float64))
    near = found.nearest(torch.tensor([multiplier * unit], dtype=torch.float64))
    assert torch.equal(found.nearest(near), near)
    every = found.scale(torch.arange(25 * found.octave)) / unit
    best = float((every / multiplier).log().abs().min())
    assert abs(float((near / unit / multiplier).log().abs()) - best) < 1e-9
    assert best <= np.log(2 if terms == 1 else 1.2) / 2 + 1e-9


@pytest.mark.parametrize("value", [2.0**-19, 2.0**7, np.inf, 0.0])
def test_multipliers_out_of_range_are_left_alone(value):
    found = Multipliers(1, torch.ones(1, dtype=torch.float64))
    assert float(found.nearest(torch.tensor([value]))) == value


@pytest.mark.parametrize("terms", [1, 2])
@pytest.mark.parametrize("format", ["1hot", "2hot", "int4"])
def test_the_search_finds_the_least_squared_error(format, terms):
    rows = torch.randn(20, 50, generator=torch.Generator().manual_seed(3))
    unit = torch.linspace(0.003, 3, 20, dtype=torch.float64)
    found = Multipliers(terms, unit)
    chosen = search_scale(rows, parse(format), multipliers=found).double()
    torch.testing.assert_close(found.nearest(chosen), chosen, rtol=1e-6, atol=0)

    def error(scale):
        levels = parse(format).nearest((rows.double() / scale[:, None]).numpy())
        return (torch.from_numpy(levels) * scale[:, None] - rows).square().sum(1)

    every = [error(found.scale(torch.full((20,), number))) for number in range(25 * found.octave)]
    torch.testing.assert_close(error(chosen), torch.stack(every).min(0).values, rtol=1e-5, atol=0)


def test_multipliers_are_where_their_scales_are():
    unit = torch.ones(3, dtype=torch.float64, device="meta")
    found = Multipliers(2, unit)
    assert found.nearest(torch.ones(3, device="meta")).device == unit.device


def test_adapted_weights_outlive_other_ranges():
    """Ranges move scales of activations by powers of two, so that those of weights may stay."""
    model = quantize(mixed(), "2hot", 3 * samples(), requant_terms=1)
    adapt_rounding(model, mixed(), samples(), steps=10)
    before = [layer.weights(layer.weight) for layer in model.filters]
    scales = {name: grid.scale for name, grid in model.grids().items()}
    fit_ranges(model, samples())
    factors = {grid.scale / scales[name] for name, grid in model.grids().items()}
    assert {0.5, 1.0} <= factors <= {0.25, 0.5, 1.0}
    for layer, expected in zip(model.filters, before, strict=True):
        torch.testing.assert_close(layer.weights(layer.weight), expected, rtol=1e-5, atol=0)

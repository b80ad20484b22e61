"""From float to n-hot without training: biases, rounding and ranges."""

import copy
import math
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nhot.errors import NhotError
from nhot.experiments.data import load_digits
from nhot.experiments.models.digits import digits
from nhot.formats import parse
from nhot.quant import fit, quantize
from nhot.quant.layers import QuantFilters
from nhot.quant.post_training import (
    adapt_rounding,
    correct_bias,
    fit_ranges,
    noise_ratio,
    quantize_post_training,
)
from nhot.quant.post_training.rounding import neighbours
from nhot.quant.post_training.twin import float_twin, sums
from nhot.quant.post_training.walk import walk
from nhot.quant.weights import nearest
from nhot.testing.float_models import Branches, branches
from nhot_sim.quantised import assert_exact

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trained():
    data = load_digits()
    torch.manual_seed(0)
    model = digits()
    fit(model, data.train_x, data.train_y, epochs=6, lr=1e-2)
    return model, data


def shifts(quantized, model, x):
    """The largest shift of a channel's mean sums, by layer."""
    found = {}

    def note(layer, read, other, float_read):
        error = sums(layer)(read) - sums(other)(float_read)
        found[layer.name] = float(error.mean((0, 2, 3)).abs().max())

    walk(quantized, model, x, note)
    return found


def test_twin_computes_what_the_float_model_does():
    model, x = branches()
    twin = float_twin(model, torch.from_numpy(x))
    values = {"input": torch.from_numpy(x)}
    for layer in list(twin)[1:]:
        values[layer.name] = layer(*(values[name] for name in layer.sources))
    with torch.no_grad():
        expected = model(torch.from_numpy(x))
    torch.testing.assert_close(values[twin.output].flatten(1), expected)


@pytest.mark.parametrize("format", ["1hot", "ternary", "signed-binary"])
def test_correction_leaves_no_layer_with_a_shift(format):
    model, x = branches()
    before = copy.deepcopy(model.state_dict())
    quantized = quantize(model, format, x)
    assert max(shifts(quantized, model, x).values()) > 1e-2
    correct_bias(quantized, model, x)
    assert max(shifts(quantized, model, x).values()) < 1e-5
    assert_exact(quantized, x)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("name", ["1hot", "2hot", "2hot@6", "ternary", "int4"])
def test_neighbours_are_the_levels_around_a_value(name):
    format = parse(name)
    levels = format.levels
    values = np.concatenate([levels, levels + 0.25, levels - 0.25, [-1e4, 1e4]])
    lower, upper = neighbours(torch.from_numpy(values), format)
    clipped = values.clip(levels[0], levels[-1])
    for value, low, high in zip(clipped, lower.tolist(), upper.tolist(), strict=True):
        assert low == levels[levels <= value].max()
        assert high == levels[levels >= value].min()


@pytest.mark.parametrize("format", ["1hot", "2hot@6", "ternary"])
def test_adapted_weights_are_neighbouring_levels(format):
    model, x = branches()
    quantized = quantize(model, format, x)
    start = {layer.name: layer.weight.detach().clone() for layer in quantized.filters}
    scales = {layer.name: layer.weights.integers(layer.weight)[1] for layer in quantized.filters}
    adapt_rounding(quantized, model, x, steps=30)
    moved = 0
    for layer in quantized.filters:
        levels, scale = layer.weights.integers(layer.weight)
        np.testing.assert_array_equal(scale, scales[layer.name])
        factor = torch.from_numpy(scale).float().reshape(-1, 1, 1, 1)
        lower, upper = neighbours(start[layer.name] / factor, layer.format)
        assert bool(((levels == lower) | (levels == upper)).all())
        if torch.equal(layer.weight, start[layer.name]):
            continue  # not improved: as it was
        torch.testing.assert_close(layer.weight, levels * factor, rtol=0, atol=0)
        moved += int((levels != nearest(start[layer.name] / factor, layer.format)).sum())
    assert moved > 0
    assert_exact(quantized, x)


def test_adaptation_serves_the_outputs_of_the_layer():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 8))
    x = torch.randn(64, 3) @ torch.randn(3, 16)  # features that hang together
    quantized = quantize(model, "ternary", x)
    adapted = copy.deepcopy(quantized)
    adapt_rounding(adapted, model, x, steps=200)

    def error(which):
        return float((which(x) - model(x)).detach().square().sum())

    assert error(adapted) < 0.5 * error(quantized)


def test_adaptation_is_repeatable_and_leaves_thresholds_alone():
    model, x = branches()
    first, second = (quantize(model, "1hot", x) for _ in range(2))
    for quantized in (first, second):
        adapt_rounding(quantized, model, x, steps=5)
    assert_same(first, second)
    signs = quantize(model, "signed-binary", x)
    kept = copy.deepcopy(signs)
    adapt_rounding(signs, model, x, steps=5)
    assert_same(signs, kept)


def assert_same(one, other):
    for left, right in zip(one.filters, other.filters, strict=True):
        assert torch.equal(left.weight, right.weight)


def test_adaptation_keeps_the_accumulator_limit():
    model, x = branches()
    quantized = quantize(model, "2hot", x, accumulator_bits=15)
    adapt_rounding(quantized, model, x, steps=20)
    for layer in quantized.filters:
        rows = layer.weights.integers(layer.weight)[0].flatten(1)
        assert int(rows.clamp_min(0).sum(1).max()) <= layer.weights.limit
        assert int((-rows).clamp_min(0).sum(1).max()) <= layer.weights.limit
    assert_exact(quantized, x)


def test_ranges_give_up_outliers():
    torch.manual_seed(0)
    x = torch.randn(64, 1, 8, 8)
    x[0, 0, 0, 0] = 20.0
    conv = nn.Conv2d(1, 4, 1)
    quantized = quantize(conv, "int8", x, bits=4)
    fit_ranges(quantized, x)
    assert float(quantized.input.rounding.maximum) < 15
    known = quantize(conv, "int8", x, bits=4, input_range=(-100.0, 100.0))
    fit_ranges(known, x)
    assert float(known.input.rounding.maximum) == 100
    assert_exact(quantized, x.numpy())


def test_ranges_without_outliers_hardly_change():
    x = torch.linspace(0, 1, 4096).reshape(64, 1, 8, 8)
    quantized = quantize(nn.Conv2d(1, 4, 1), "int8", x)
    fit_ranges(quantized, x)
    assert float(quantized.input.rounding.maximum) > 0.98


def test_each_part_of_post_training_helps_on_digits(trained):
    """In dB; over six seeds, with AVX2 and without, -0.4 to 3.5, 5.4 to 6.7, and 7.3 to 9.7."""
    model, data = trained
    samples = data.train_x[:128]
    options = {"input_range": data.input_range}
    rounded = noise_ratio(quantize(model, "ternary", samples, **options), model, data.test_x)
    corrected = noise_ratio(
        quantize_post_training(model, "ternary", samples, **options), model, data.test_x
    )
    made = quantize_post_training(model, "ternary", samples, adaptive=True, steps=150, **options)
    assert rounded + 1 < corrected < noise_ratio(made, model, data.test_x)
    assert not made.training
    assert_exact(made, data.test_x)


def test_single_layers_may_have_formats_of_their_own(trained):
    model, data = trained
    made = quantize_post_training(model, "1hot", data.train_x[:32], formats={"dense": "2hot"})
    assert made.formats["dense"] == parse("2hot")
    assert made.formats["conv1"] == parse("1hot")


class Renamed(Branches):
    """The same with another name for a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.other = self.first
        del self.first

    def forward(self, x):
        self_first = torch.relu(self.norm(self.other(x)))
        x = self_first + torch.nn.functional.relu6(self.bare(self.depthwise(self_first)))
        return self.dense(self.up(x).flatten(1))


def wider():
    model = Branches()
    model.up = nn.ConvTranspose2d(8, 4, 2, stride=2, groups=2)
    return model.eval()


class Longer(Branches):
    def __init__(self):
        super().__init__()
        self.after = nn.Linear(self.dense.out_features, 2)

    def forward(self, x):
        return self.after(super().forward(x))


def longer():
    return Longer().eval()


def test_weights_that_are_levels_stay():
    layer = nn.Linear(3, 2, bias=False)
    layer.weight.data = torch.tensor([[64.0, -32.0, 4.0], [64.0, 2.0, -1.0]])
    model = nn.Sequential(layer)
    x = torch.randint(256, (16, 3), generator=torch.Generator().manual_seed(3)).float()
    quantized = quantize(model, "1hot", x, scale="power-of-two", input_range=(0, 255))
    before = quantized.filters[0].weight.clone()
    adapt_rounding(quantized, model, x, steps=5)
    assert torch.equal(quantized.filters[0].weight, before)


def test_a_model_without_error_has_no_noise():
    model, silent = nn.Linear(3, 2), nn.Linear(3, 2)
    for parameter in silent.parameters():
        parameter.data.zero_()
    assert noise_ratio(model, model, np.ones((2, 3))) == math.inf
    assert noise_ratio(model, silent, np.ones((2, 3))) == -math.inf


@pytest.mark.parametrize("call", [correct_bias, adapt_rounding])
@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: Renamed().eval(), "lacks 'first'"),
        (longer, "must have the layers of the float one, but lacks 'after'"),
        (wider, r"Weights of 'up' must be \(4, 8, 2, 2\) in the float model .* not \(4, 4, 2, 2\)"),
    ],
)
def test_another_float_model_is_refused(call, other, message):
    model, x = branches()
    quantized = quantize(model, "2hot", x)
    with pytest.raises(NhotError, match=message):
        call(quantized, other(), x)


@pytest.mark.parametrize("call", [correct_bias, adapt_rounding])
def test_other_samples_are_refused(call):
    model, x = branches()
    quantized = quantize(model, "2hot", x)
    bad = x.copy()
    bad[3, 0, 0, 0] = np.nan
    with pytest.raises(NhotError, match="must be finite numbers"):
        call(quantized, model, bad)
    with pytest.raises(NhotError, match=r"must (have|run on samples of) shape"):
        call(quantized, model, x[:, :2])
    with pytest.raises(NhotError, match="must have shape"):
        fit_ranges(quantized, x[:, :2])
    with pytest.raises(NhotError, match="Steps of adaptive rounding must be at least 1, not 0"):
        adapt_rounding(quantized, model, x, steps=0)


def test_empty_and_constant_channels_stay_what_they_are():
    model, x = branches()
    with torch.no_grad():
        model.first.weight[0] = 0  # nothing but the bias of the normalisation
        model.norm.weight[1] = 0  # a constant output whatever the weights
    made = quantize_post_training(model, "1hot", x, adaptive=True, steps=10)
    first = next(layer for layer in made.filters if layer.name == "first")
    assert isinstance(first, QuantFilters)
    assert int(first.weights.integers(first.weight)[0][0].abs().sum()) == 0
    assert max(shifts(made, model, x).values()) < 1e-5
    assert_exact(made, x)


def test_one_constant_sample_is_enough():
    model, x = branches()
    made = quantize_post_training(model, "2hot", np.ones_like(x[:1]), adaptive=True, steps=2)
    assert_exact(made, x)


def test_flat_samples():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    x = torch.randn(16, 6)
    made = quantize_post_training(model, "2hot", x, adaptive=True, steps=2)
    assert made(x).shape == (16, 3)


def test_activations_of_few_terms():
    model, x = branches()
    quantized = quantize(model, "1hot", x, activation_terms=2)
    fit_ranges(quantized, x)
    adapt_rounding(quantized, model, x, steps=5)
    correct_bias(quantized, model, x)
    assert max(shifts(quantized, model, x).values()) < 1e-5
    assert_exact(quantized, x)


def test_example_prints_its_tables(capsys):
    example = runpy.run_path(str(ROOT / "examples" / "post_training.py"))
    example["main"]([0], epochs=1, steps=2, formats=["1hot"], bits=[8], percents=[60])
    lines = capsys.readouterr().out.splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert len(tables) == 6
    assert tables[2].startswith("| 1hot | 8 | ")

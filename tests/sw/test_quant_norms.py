"""Batch normalisation: in the layer before it or behind it, exactly."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.quant import finetune, quantize
from nhot.quant.recipes.run import restart
from nhot.quant.tracing.frozen import FrozenNorm
from nhot.testing.constant_models import Model, samples
from nhot_sim.quantised import assert_exact
from nhot_sim.quantised import assert_rounded as check

pytestmark = pytest.mark.usefixtures("seeded")
SEED = 4

FORMATS = ("int8", "2hot", "ternary", "signed-binary", "binary")


def norm(channels: int = 3, kind=nn.BatchNorm2d, **options) -> nn.Module:
    made = kind(channels, **options)
    made.running_mean.normal_()
    made.running_var.uniform_(0.5, 2)
    if made.affine:
        made.weight.data.normal_()
        made.bias.data.normal_()
    return made


@pytest.mark.parametrize("options", [
    {}, {"eps": 0.5}, {"eps": 0.0}, {"affine": False}, {"momentum": None}, {"momentum": 0.9},
    {"affine": False, "eps": 0.7},
])
@pytest.mark.parametrize("place", ["after", "before", "before a padded one", "alone", "function"])
def test_batch_normalisation(options, place):
    """Small variances, so that eps counts."""
    made = norm(3, **options)
    made.running_var.mul_(0.1)
    conv = nn.Conv2d(3, 3, 3)
    modules = {
        "after": [conv, made], "before": [made, conv], "alone": [made],
        "before a padded one": [made, nn.Conv2d(3, 3, 3, padding=1)],
    }
    model = nn.Sequential(*modules.get(place, [])).eval()
    if place == "function":
        model = Model(lambda m, x: F.batch_norm(
            m.parts[0](x), made.running_mean, made.running_var, made.weight, made.bias,
            eps=made.eps,
        ), conv)
    quantized, _ = check(model)
    assert len(list(quantized)) == 3 if place.startswith("before a") else 2


def test_normalisation_without_statistics_is_refused():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3, track_running_stats=False))
    with pytest.raises(NhotError, match="Module '1' must track its running statistics"):
        quantize(model, "2hot", samples())


def test_normalisation_of_flattened_features():
    model = nn.Sequential(
        nn.Conv2d(3, 2, 3), nn.Flatten(), norm(32, nn.BatchNorm1d), nn.Linear(32, 4),
        norm(4, nn.BatchNorm1d), norm(4, nn.BatchNorm1d), nn.ReLU(), nn.Linear(4, 3),
    )
    quantized, _ = check(model.eval())
    assert [layer.name for layer in quantized] == ["input", "0", "3", "7"]


class PreActivation(nn.Module):
    """BatchNorm, ReLU, convolution, and the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm, self.conv = norm(channels), nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        return x + self.conv(F.relu(self.norm(x), inplace=True))


@pytest.mark.parametrize("format", FORMATS)
def test_residual_networks_with_normalisation_first(format):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), PreActivation(4), PreActivation(4)).eval()
    quantized, network = check(model, format)
    assert [node.name for node in network.nodes] == [
        "0", "1.norm", "1.conv", "add", "2.norm", "2.conv", "add_1"
    ]
    fixed = [layer for layer in quantized.filters if isinstance(layer.norm, FrozenNorm)]
    before = [layer.weight.clone() for layer in fixed]
    labels = torch.arange(24) % 4
    model = nn.Sequential(model, nn.Flatten(), nn.Linear(64, 4))
    trained = quantize(model, format, samples())
    restart(trained, 0)
    finetune(trained, samples(), labels, epochs=1)
    fixed = [layer for layer in trained.filters if isinstance(layer.norm, FrozenNorm)]
    assert all(torch.equal(layer.weight, old) for layer, old in zip(fixed, before, strict=True))
    assert_exact(trained.eval(), samples())


def test_constants_behind_a_convolution_are_part_of_it():
    model = Model(
        lambda m, x: F.relu(m.parts[1](m.parts[0](x)) * m.std - m.mean / 3) * 2 + 0.1,
        nn.Conv2d(3, 3, 3), norm(3),
    )
    quantized, _ = check(model.eval())
    # What comes after the activation is a layer.
    assert [layer.name for layer in quantized] == ["input", "parts.0", "add"]

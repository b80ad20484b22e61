"""Modules of one's own: not registered, derived from torch's, called twice."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from nhot.quant import quantize
from nhot.testing import float_models
from nhot_sim.quantised import assert_exact

samples = partial(float_models.samples, 2, 8, 7, count=16, seed=5)


class Listed(nn.Module):
    """Keeps modules where torch does not see them, and makes others in passing."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True)]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return nn.MaxPool2d(2)(x) * np.float32(0.5)


def test_modules_that_are_not_registered():
    model = Listed()
    quantized = quantize(model, "int8", samples())
    assert_exact(quantized, samples())
    expected = model(samples()).detach()
    assert (quantized(samples()) - expected).square().mean() < 1e-3 * expected.var()


class Plain(nn.Conv2d):
    """Only builds otherwise."""

    def __init__(self, inputs, outputs, kernel):
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=False)


class Scaled(nn.Conv2d):
    def forward(self, x):
        return super().forward(x) * 0.5


class Standard(nn.Conv2d):
    """Weights of mean zero."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding)


def test_subclasses():
    torch.manual_seed(0)
    model = nn.Sequential(Plain(2, 4, 3), nn.ReLU(), Scaled(4, 4, 3), nn.ReLU(), Standard(4, 2, 3))
    quantized = quantize(model, "int8", samples())
    assert [layer.name for layer in quantized] == ["input", "0", "conv2d", "conv2d_1"]
    assert_exact(quantized, samples())
    expected = model(samples()).detach()
    assert (quantized(samples()) - expected).square().mean() < 1e-3 * expected.var()


def test_a_module_called_twice_is_two_layers():
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.conv = nn.Conv2d(2, 3, 1), nn.Conv2d(3, 3, 1)
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x):
            x = self.norm(self.conv(self.first(x))).relu()
            return self.norm(self.conv(x)) * 2

    quantized = quantize(Twice(), "int8", samples(), formats={"conv": "2hot"})
    assert [layer.name for layer in quantized.filters] == ["first", "conv", "conv_1"]
    assert [str(layer.format.name) for layer in quantized.filters] == ["int8", "2hot", "2hot"]
    assert torch.equal(quantized.filters[1].weight, quantized.filters[2].weight)
    assert_exact(quantized, samples())

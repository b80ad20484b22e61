"""Layers over (batch, channels, length), as those over maps of one row; and options of pools."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nhot.cli import main
from nhot.compiler import Machine, compile_network
from nhot.compiler.targets import target
from nhot.errors import NhotError
from nhot.experiments.data import to_integers
from nhot.network import AvgPool, Conv2d, MaxPool
from nhot.network.reference import run
from nhot.quant import adapt_rounding, correct_bias, finetune, quantize
from nhot_sim.quantised import assert_exact

pytestmark = pytest.mark.usefixtures("seeded")
SEED = 6


def samples(*shape: int, count: int = 24) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(1))


class Model(nn.Module):
    def __init__(self, function, *parts) -> None:
        super().__init__()
        self.function = function
        self.parts = nn.ModuleList(parts)

    def forward(self, x):
        return self.function(self.parts, x)


def check(model: nn.Module, x: torch.Tensor):
    """Exact, near the float model and of its shape. Gives the network."""
    quantized = quantize(model.eval(), "int8", x)
    network = assert_exact(quantized, torch.cat([x, 3 * x]))
    with torch.no_grad():
        expected = model(x.clone())
        found = quantized(x)
    assert found.shape == expected.shape
    assert (found - expected).square().mean() < 1e-3 * expected.var()
    return network


def keywords() -> nn.Module:
    """(batch, 3, 32) -> (batch, 4)"""
    return nn.Sequential(
        nn.Conv1d(3, 8, 5, padding=2, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(8, 8, 3, stride=2, groups=2), nn.ReLU6(), nn.AvgPool1d(2), nn.Dropout1d(),
        nn.Conv1d(8, 8, 1, padding="same"), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 4),
    )


def test_from_torch_to_an_image():
    x = samples(3, 32)
    check(keywords(), x)
    network = assert_exact(quantize(keywords(), "2hot", x), x)
    assert network.input.shape == (1, 32, 3)
    assert network.nodes[0].window.kernel == (1, 5)
    image = compile_network(network, target("icebreaker").config)
    integers = to_integers(network.input, x.numpy())
    expected = run(network, integers)
    assert np.array_equal(Machine(image).run(integers[0])[network.output.name], expected[0])
    assert np.array_equal(integers, to_integers(network.input, x.numpy()[:, :, None]))


def test_sequences_train():
    model, x, y = keywords(), samples(3, 32), torch.arange(24) % 4
    quantized = quantize(model, "2hot", x)
    finetune(quantized, x, y, epochs=1)
    correct_bias(quantized, model, x)
    adapt_rounding(quantized, model, x, steps=5)
    assert_exact(quantized.eval(), x)


LAYERS = {
    "convolution": lambda p, x: F.conv1d(x, p[0].weight, p[0].bias, 2, 1, 2),
    "dilated": lambda p, x: p[1](x), "transposed": lambda p, x: p[2](x),
    "max": lambda p, x: p[0](F.max_pool1d(x, 3, 2, 1, 2)),
    "mean": lambda p, x: p[0](F.avg_pool1d(x, 3, 2, 1)),
    "adaptive": lambda p, x: p[0](F.adaptive_avg_pool1d(x, 4)),
    "global": lambda p, x: p[0](x).mean(2), "last": lambda p, x: p[0](x).mean(-1, keepdim=True),
    "padded": lambda p, x: p[0](F.pad(x, (2, 1))), "zeros": lambda p, x: p[0](p[3](x)),
    "nearest": lambda p, x: F.interpolate(p[0](x), scale_factor=3),
    "up": lambda p, x: p[0](p[4](x)), "sums": lambda p, x: p[0](x) + p[0](x).relu_(),
    "joined": lambda p, x: torch.cat([p[0](x), p[0](x).relu()], 1),
    "constants": lambda p, x: p[0]((x - torch.ones(3, 1)) / 2),
    "a map": lambda p, x: p[5](p[0](x).unsqueeze(2)).squeeze(2),
    "functions": lambda p, x: F.conv_transpose1d(x, p[2].weight, None, 2, 1, 1),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    check(Model(
        LAYERS[name], nn.Conv1d(3, 4, 3), nn.Conv1d(3, 4, 3, dilation=2, padding=3),
        nn.ConvTranspose1d(3, 4, 3, stride=2, padding=1, output_padding=1), nn.ZeroPad1d((1, 3)),
        nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, (1, 3)),
    ), samples(3, 12))


@pytest.mark.parametrize(("function", "shape", "message"), [
    (lambda p, x: p[1](x), (3, 8), r"Module 'parts.1' must work on tensors of 4 axes, not 3"),
    (lambda p, x: p[0](x), (3,), r"Module 'parts.0' must work on tensors of 3 axes, not 2"),
    (lambda p, x: F.max_pool2d(p[0](x), 2), (3, 8), "'max_pool2d' must work on tensors of 4 axes"),
    (lambda p, x: p[0](x).mean(1), (3, 8), "must be over height and width"),
    (lambda p, x: F.pad(p[0](x), (0, 0, 1, 1)), (3, 8), "must pad height and width, and cut"),
    (lambda p, x: p[0](x).transpose(1, 2), (3, 8), "'transpose' must be one of"),
    (lambda p, x: p[0](x.unsqueeze(1)), (8,), r"Operation 'unsqueeze' must flatten each sample"),
])
def test_other_axes_are_refused(function, shape, message):
    channels = {(3, 8): 3, (3,): 2, (8,): 1}[shape]  # 2 is what two samples may be taken for
    model = Model(function, nn.Conv1d(channels, 3, 3), nn.Conv2d(2, 3, 3))
    with pytest.raises(NhotError, match=message):
        quantize(model, "2hot", samples(*shape))


@pytest.mark.parametrize("size", range(5, 10))
@pytest.mark.parametrize(("kernel", "stride", "padding", "dilation"), [
    (2, 2, 0, 1), (3, 2, 1, 1), (3, 2, 0, 1), (2, 3, 1, 1), (2, 2, 1, 2), (3, 1, 1, 2),
    (1, 2, 0, 1),
])
def test_options_of_max_pools(size, kernel, stride, padding, dilation):
    """All below zero, so that padding that wins is seen; ``ceil_mode`` and without."""
    first = nn.Conv2d(2, 3, 1)
    first.bias.data.fill_(-3)
    for ceil in (False, True):
        pool = nn.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil)
        network = check(nn.Sequential(first, pool), samples(2, size, size - 1))
        assert isinstance(network.nodes[1], MaxPool)


@pytest.mark.parametrize("pool", [
    nn.AvgPool2d(2, padding=1), nn.AvgPool2d(3, 2, 1), nn.AvgPool2d(2, count_include_pad=False),
    nn.AvgPool2d(3, 1), nn.AvgPool2d((1, 3), (2, 1), (0, 1)), nn.AdaptiveAvgPool2d((3, None)),
    nn.AvgPool2d(2, ceil_mode=True),  # of a size that divides: no difference
])
def test_options_of_mean_pools(pool):
    network = check(nn.Sequential(nn.Conv2d(2, 3, 1), pool), samples(2, 6, 6))
    assert isinstance(network.nodes[1], AvgPool)


@pytest.mark.parametrize(("pool", "message"), [
    (nn.AvgPool2d(2, padding=1, count_include_pad=False), "must count its padding"),
    (nn.AvgPool2d(2, divisor_override=3), "must not override the divisor"),
    (nn.AvgPool2d(4, ceil_mode=True), "must not use ceil_mode"),
    (nn.MaxPool2d(2, return_indices=True), "not one that gives many tensors"),
    (nn.AdaptiveAvgPool2d(4), "must divide its input 6 x 6"),
    (nn.AdaptiveMaxPool2d(1), "not AdaptiveMaxPool2d"),
    (nn.LPPool2d(2, 2), "not LPPool2d; MaxPool2d can"),
])
def test_other_options_of_pools_are_refused(pool, message):
    with pytest.raises(NhotError, match=message):
        quantize(nn.Sequential(nn.Conv2d(2, 3, 1), pool), "2hot", samples(2, 6, 6))


@pytest.mark.parametrize("options", [
    {}, {"bias": False}, {"groups": 2}, {"groups": 4, "bias": False}, {"padding": (2, 0)},
    {"stride": (2, 1), "padding": 1}, {"dilation": (1, 2)}, {"padding": "same", "dilation": 2},
    {"padding": "valid"},
])
@pytest.mark.parametrize("spelling", ["module", "function", "sequence"])
def test_options_of_convolutions(options, spelling):
    if spelling == "sequence":
        options = {name: value[1] if isinstance(value, tuple) else value
                   for name, value in options.items()}
        check(nn.Sequential(nn.Conv1d(4, 8, 3, **options)), samples(4, 11))
        return
    conv = nn.Conv2d(4, 8, 3, **options)
    call = {"stride": 1, **{k: v for k, v in options.items() if k != "bias"}}
    network = check(conv if spelling == "module" else Model(
        lambda p, x: F.conv2d(x, p[0].weight, p[0].bias, **call), conv
    ), samples(4, 9, 7))
    assert isinstance(network.nodes[0], Conv2d)


def test_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(
        "from torch import nn\n"
        "def build():\n"
        "    return nn.Sequential(nn.Conv1d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 2))\n",
        encoding="utf-8",
    )
    np.savez("data.npz", x=samples(2, 8).numpy(), y=np.arange(24) % 2)
    assert main(["quantize", "model.py:build", "--data", "data.npz", "-o", "net.onnx"]) == 0
    capsys.readouterr()
    assert main(["info", "net.onnx", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["input"]["shape"] == [1, 8, 2]

"""Operators beyond plain convolutions, and the ways in which models write what they do."""


import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.experiments.data import to_integers
from nhot.network import Concat, ConvTranspose2d, Tensor, Upsample, reference
from nhot.quant import quantize, to_network
from nhot.quant.layers import filters
from nhot.quant.layers.filters import exact_type
from nhot.testing.float_models import Classifier, Then, randomise, samples
from nhot_sim.quantised import assert_exact

pytestmark = pytest.mark.usefixtures("seeded")

FORMATS = ["2hot", "ternary", "signed-binary"]


def assert_quantizes(model, *shape, format="2hot", least=0.9):
    """Exact at and beyond the calibrated range, and near the float model. Gives the network."""
    x = samples(*shape, count=32)
    model.eval()
    quantized = quantize(model, format, x)
    extremes = torch.stack([torch.full(shape, value) for value in (-9.0, 9.0)])
    network = assert_exact(quantized, torch.cat([x[:4], 2 * samples(*shape, seed=2), extremes]))
    with torch.no_grad():
        pair = torch.stack([quantize(model, "int8", x)(x).flatten(), model(x).flatten()])
    assert torch.corrcoef(pair)[0, 1] > least
    return network


TRANSPOSED = [
    {"kernel_size": 2, "stride": 2},
    {"kernel_size": 4, "stride": 2, "padding": 1, "bias": False},
    {"kernel_size": 3, "stride": 2, "padding": 1, "output_padding": 1},
    {"kernel_size": (3, 2), "stride": (3, 1), "output_padding": (2, 0), "groups": 2},
    {"kernel_size": 3, "stride": 2, "dilation": 2, "padding": 3, "groups": 6},
    {"kernel_size": 1, "stride": 3},
    {"kernel_size": 3},
]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("options", TRANSPOSED)
def test_transposed_convolutions(options, format):
    model = nn.Sequential(
        nn.ConvTranspose2d(6, 12, **options), randomise(nn.BatchNorm2d(12)), nn.ReLU(),
        nn.ConvTranspose2d(12, 5, **{**options, "groups": 1}),
    )
    network = assert_quantizes(model, 6, 4, 5, format=format)
    assert [type(node) for node in network.nodes] == [ConvTranspose2d, ConvTranspose2d]
    assert not network.nodes[0].output.signed  # the ReLU is fused


@pytest.mark.parametrize("seed", range(12))
def test_random_transposed_convolutions(seed):
    random = np.random.default_rng(seed)

    def pair(low, high):
        return tuple(random.integers(low, high + 1, 2).tolist())

    groups, kernel, stride, dilation = random.integers(1, 4), pair(1, 4), pair(1, 3), pair(1, 2)
    extra = tuple(int(random.integers(size)) for size in stride)
    module = nn.ConvTranspose2d(
        2 * groups, 3 * groups, kernel, stride, pair(0, 2), extra, groups, bool(seed % 2), dilation
    )
    x = samples(2 * groups, 4, 5, seed=seed)
    quantized = quantize(nn.Sequential(module), FORMATS[seed % 3], x)
    assert_exact(quantized, torch.cat([x, 9 * torch.ones_like(x[:1]), -9 * torch.ones_like(x[:1])]))


def test_long_transposed_sums_are_exact():
    """Less a zero point far from 0, sums are twice as large as what the input itself gives."""
    model = nn.Sequential(nn.ConvTranspose2d(64, 2, 3))
    model[0].weight.data = 1 - 0.02 * torch.rand_like(model[0].weight)
    x = torch.rand(8, 64, 4, 4, generator=torch.Generator().manual_seed(2))
    quantized = quantize(model, "int8", x, input_range=(-0.01, 1.0))
    network = assert_exact(quantized, torch.cat([x, 1 - x / 50]))
    (layer,), source = quantized.filters, network.input
    assert source.zero_point < -120
    values = quantized.integers(1 - x / 50)["input"]
    levels, _, _ = layer.parameters_for(source, network.output)
    number = exact_type(levels, source)
    sums = layer._convolve(values.to(number), levels.to(number), source.zero_point)
    expected = reference.window_sums(
        network.nodes[0], source, values.permute(0, 2, 3, 1).numpy()
    )
    np.testing.assert_array_equal(sums.permute(0, 2, 3, 1).numpy(), expected)


@pytest.mark.parametrize(("weights", "exact"), [(518, True), (519, False)])
def test_one_long_filter_takes_double_precision(monkeypatch, weights, exact):
    """255 * 127 * 518 is below 2^24; one filter is enough, whichever it is."""
    monkeypatch.setattr(filters, "DIRECT", True)
    grid = Tensor(name="x", shape=(1, 1, weights))
    for place in range(2):
        levels = torch.zeros(2, weights, dtype=torch.int64)
        levels[place] = -127
        expected = torch.float32 if exact else torch.float64
        assert exact_type(levels, grid) == expected


def test_transposed_convolution_with_an_output_size():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.down = nn.Conv2d(3, 4, 3, stride=2, padding=1)
            self.up = nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1)

        def forward(self, x):
            return self.up(self.down(x), output_size=x.shape[2:])

    network = assert_quantizes(Model(), 3, 8, 7)
    assert network.output.shape == (8, 7, 3)
    assert network.nodes[1].output_padding == (1, 0)


def test_output_padding_beyond_the_stride_is_refused():
    model = nn.ConvTranspose2d(3, 2, 3, stride=1, dilation=2, output_padding=1)
    with pytest.raises(NhotError, match=r"Output padding of '0' must be below the stride \(1, 1\)"):
        quantize(model, "2hot", samples(3, 4, 4))


def test_transposed_convolutions_train():
    model = nn.Sequential(
        nn.ConvTranspose2d(4, 4, 3, stride=2, groups=2), nn.BatchNorm2d(4), nn.ReLU(),
        nn.Upsample(scale_factor=2), nn.Conv2d(4, 2, 1),
    )
    quantized = quantize(model, "2hot", samples(4, 3, 3)).train()
    quantized(samples(4, 3, 3)).square().mean().backward()
    assert all(layer.weight.grad.abs().sum() > 0 for layer in quantized.filters)
    assert_exact(quantized.eval(), samples(4, 3, 3))


class Heads(nn.Module):
    """Skips that are joined, heads of different scales, and a tensor joined with itself."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(6, 4, 2, stride=2)
        self.mix = nn.Conv2d(7, 5, 3, padding=1)
        self.one, self.two = nn.Conv2d(5, 1, 1), nn.Conv2d(5, 2, 1)
        self.two.weight.data *= 30

    def forward(self, x):
        y = F.relu(self.up(F.relu(self.down(x), inplace=True)))
        y = self.mix(torch.cat((y, x), dim=1)).relu()
        heads = torch.concat([self.one(y), self.two(y), self.one.bias.new_zeros(0)][:2], -3)
        return torch.concatenate([heads, F.max_pool2d(heads, 3, 1, 1), heads], 1)


@pytest.mark.parametrize("format", FORMATS)
def test_joined_channels(format):
    network = assert_quantizes(Heads(), 3, 6, 8, format=format)
    joined = [node for node in network.nodes if isinstance(node, Concat)]
    assert [len(node.inputs) for node in joined] == [2, 2, 3]
    # The last one joins what has one scale already: its integers stay.
    assert set(joined[-1].requant.multiplier.tolist()) == {2**24}


def test_joined_vectors():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.a = nn.Conv2d(2, 6, 3), nn.Linear(6, 5)
            self.last = nn.Linear(17, 3)

        def forward(self, x):
            x = self.conv(x).mean([2, 3])
            return self.last(torch.cat([x, F.relu(self.a(x)), x], -1))

    network = assert_quantizes(Model(), 2, 5, 5)
    assert network.nodes[3].output.shape == (1, 1, 17)


def test_a_relu_after_joining_is_fused():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(2, 3, 1), nn.Conv2d(2, 4, 1)

        def forward(self, x):
            return torch.relu(torch.cat([self.a(x), self.b(x)], 1))

    network = assert_quantizes(Model(), 2, 4, 4)
    assert [type(node).__name__ for node in network.nodes] == ["Conv2d", "Conv2d", "Concat"]
    assert not network.output.signed


UPSAMPLES = [
    nn.Upsample(scale_factor=2), nn.Upsample(scale_factor=(3, 1)), nn.Upsample(size=(10, 8)),
    nn.UpsamplingNearest2d(scale_factor=2),
    lambda x: F.interpolate(x, scale_factor=2),
    lambda x: F.interpolate(x, (5, 12), None, "nearest"),
    lambda x: F.interpolate(input=x, size=[2 * s for s in x.shape[2:]]),
]


@pytest.mark.parametrize("function", UPSAMPLES)
def test_upsampling(function):
    network = assert_quantizes(Then(function), 2, 5, 4)
    assert isinstance(network.nodes[1], Upsample)


FLATTENINGS = [
    lambda x: torch.flatten(x, 1), lambda x: x.view(x.size(0), -1),
    lambda x: x.reshape(x.shape[0], -1), lambda x: x.view(-1, x.size(1) * x.size(2) * x.size(3)),
    lambda x: x.flatten(start_dim=1), lambda x: torch.reshape(x, (len(x), -1)),
]
POOLINGS = [
    lambda x: x.mean([2, 3]), lambda x: x.mean((2, 3), keepdim=True).flatten(1),
    lambda x: torch.mean(x, dim=(-2, -1)), lambda x: x.mean(dim=[3, 2]),
    lambda x: F.avg_pool2d(x, x.size()[2:]).view(len(x), -1),
    lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1),
    lambda x: F.adaptive_avg_pool2d(x, (1, 1)).reshape(x.size(0), x.size(1)),
    lambda x: F.avg_pool2d(x, (x.shape[2], x.shape[3]))[..., 0, 0] if x.dim() == 3 else (
        F.avg_pool2d(x, kernel_size=x.shape[2]).squeeze()
    ),
]


@pytest.mark.parametrize("to_vector", FLATTENINGS)
def test_ways_to_flatten(to_vector):
    network = assert_quantizes(Classifier(to_vector, 6 * 16), 3, 6, 6)
    assert len(network.nodes) == 7


@pytest.mark.parametrize("to_vector", POOLINGS)
def test_ways_to_pool(to_vector):
    network = assert_quantizes(Classifier(to_vector, 6), 3, 6, 6)
    assert len(network.nodes) == 8


@pytest.mark.parametrize("format", ["2hot", "ternary", "signed-binary", "binary"])
def test_filters_without_weights_keep_their_offsets(format):
    """To half a step of the output: on a scale that is a fraction of one, whatever it is."""
    offsets = torch.linspace(-3, 3, 48)
    conv = nn.Conv2d(2, len(offsets), 1)
    conv.weight.data[:] = 0
    conv.bias.data[:] = offsets
    x = samples(2, 3, 3)
    network = to_network(quantize(conv, format, x), "offsets")
    given = to_integers(network.input, x)
    output = network.output
    steps = (reference.run(network, given) - output.zero_point) - offsets.numpy() / output.scale
    assert np.abs(steps).max() < 0.51

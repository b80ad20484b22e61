"""Operators beyond plain convolutions, and the ways in which models write what they do."""

import copy
import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import fx, nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.experiments.data import to_integers
from nhot.formats import naf_weight, parse
from nhot.network import Concat, ConvTranspose2d, Filters, RoundTerms, Tensor, Upsample, reference
from nhot.quant import QuantModel, quantize, to_network
from nhot.quant.exact import ExactWeights
from nhot.quant.layers import filters
from nhot.quant.layers.filters import exact_type
from nhot.quant.tracing.built import Built
from nhot.quant.tracing.graph import trace
from nhot.quant.tracing.trace import Tracer
from nhot.quant.weights import WeightSpec
from nhot_sim.quantised import assert_exact

FORMATS = ["2hot", "ternary", "signed-binary"]


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def samples(*shape, count=8, seed=1):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


def randomise(norm):
    """Statistics and gains of a batch normalisation that has seen something."""
    norm.weight.data.normal_()
    norm.bias.data.normal_()
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    return norm


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


class Then(nn.Module):
    """A convolution, something, and a convolution again."""

    def __init__(self, function):
        super().__init__()
        self.conv, self.function, self.last = nn.Conv2d(2, 3, 1), function, nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return self.last(self.function(self.conv(x)))


@pytest.mark.parametrize("function", UPSAMPLES)
def test_upsampling(function):
    network = assert_quantizes(Then(function), 2, 5, 4)
    assert isinstance(network.nodes[1], Upsample)


@pytest.mark.parametrize(("function", "message"), [
    (nn.Upsample(scale_factor=2, mode="bilinear"), "nearest, by whole factors, not bilinear from"),
    (nn.Upsample(scale_factor=1.5), r"not nearest from \(5, 4\) to \(7, 6\)"),
    (nn.Upsample(scale_factor=2.1), "whole factors"),
    (nn.Upsample(scale_factor=(2, 2.1)), "whole factors"),
    (nn.Upsample(size=(7, 8)), "whole factors"),
    (lambda x: F.interpolate(x, scale_factor=0.5), "whole factors"),
    (lambda x: torch.cat([x, x]), "join channels"),
    (lambda x: torch.cat([x, x], 2), r"join channels \(axis 1\)"),
    (lambda x: torch.cat([x], 1), "must work on the tensors of layers"),
    (lambda x: x + x.mean((2, 3), keepdim=True), "must add tensors of one shape"),
    (nn.Tanh(), "Module 'function' must be one of .*, not Tanh; Hardtanh can be trained"),
    (nn.LeakyReLU(), "Module 'function' must be .*, not LeakyReLU; ReLU or ReLU6 can be trained"),
    (nn.PReLU(), "Module 'function' must be one of .*, not PReLU"),
    (nn.Sigmoid(), r"Module 'function' must .*, not Sigmoid; Hardtanh\(0, 1\) can be trained in"),
    (nn.Softmax(1), "not Softmax$"),
    (nn.GELU(), "not GELU; ReLU or ReLU6 can be trained"),
    (lambda x: F.leaky_relu_(x), "Operation 'leaky_relu_' must be .*, not leaky_relu_; ReLU or"),
    (lambda x: torch.cat(x.chunk(3, 1), 1), "Operation 'chunk' must be one of .*, not chunk"),
    (lambda x: x if bool((x > 0).all()) else -x, "must be traceable by torch.fx"),
    (lambda x: x[:, :, 1:], "must be one of .*, not getitem"),
])
def test_what_is_refused_is_named(function, message):
    with pytest.raises(NhotError, match=message):
        quantize(Then(function), "2hot", samples(2, 5, 4))


def test_modules_of_many_tensors_are_refused():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.pool = nn.Conv2d(2, 3, 1), nn.MaxPool2d(2, return_indices=True)

        def forward(self, x):
            return self.pool(self.conv(x))[0]

    with pytest.raises(NhotError, match=r"Module 'pool' must .*, not one that gives many tensors"):
        quantize(Model(), "2hot", samples(2, 4, 4))


def test_flattened_maps_are_not_joined_nor_normalised():
    class Joined(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 3, 1)

        def forward(self, x):
            x = self.conv(x).flatten(1)
            return torch.cat([x, x], 1)

    with pytest.raises(NhotError, match="before they are flattened"):
        quantize(Joined(), "2hot", samples(2, 3, 3))
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.Flatten(), randomise(nn.BatchNorm1d(27)))
    with pytest.raises(NhotError, match="Step '_2' must work with one constant a channel, unless"):
        quantize(model, "2hot", samples(2, 3, 3))


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


class Classifier(nn.Module):
    """What classifiers of the field look like."""

    def __init__(self, to_vector, features, depth=2):
        super().__init__()
        self.depth = depth
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Sequential(
            randomise(nn.BatchNorm2d(6)), nn.ReLU(inplace=True), nn.Dropout2d(0.1),
        ))
        self.blocks = nn.ModuleList(nn.Conv2d(6, 6, 3, padding=1) for _ in range(depth))
        self.to_vector = to_vector
        self.hidden, self.norm = nn.Linear(features, 8), randomise(nn.BatchNorm1d(8))
        self.head = nn.Linear(8, 4)

    def forward(self, x, scale=None, features: bool = False):
        assert x.shape[1] == 3, "three channels"
        batch, _, height, width = x.size()
        if height != width or x.numel() == 0:
            raise ValueError("not square")
        x = self.stem(x)
        for block in self.blocks[: self.depth]:
            x = F.relu(block(x), inplace=True) + x
        x = self.to_vector(x)
        if scale is not None:
            x = x * scale
        if features:
            return x
        x = F.dropout(F.relu_(self.norm(self.hidden(x))), p=0.5, training=self.training)
        return self.head(x.view(batch, -1))


@pytest.mark.parametrize("to_vector", FLATTENINGS)
def test_ways_to_flatten(to_vector):
    network = assert_quantizes(Classifier(to_vector, 6 * 16), 3, 6, 6)
    assert len(network.nodes) == 7


@pytest.mark.parametrize("to_vector", POOLINGS)
def test_ways_to_pool(to_vector):
    network = assert_quantizes(Classifier(to_vector, 6), 3, 6, 6)
    assert len(network.nodes) == 8


def test_samples_that_the_model_refuses():
    model = Classifier(nn.Flatten(), 96).eval()
    for shape, text in (((2, 6, 6), "three channels"), ((3, 6, 7), "not square")):
        with pytest.raises(NhotError, match=f"Model must .*, but: {text}"):
            quantize(model, "2hot", samples(*shape))


def test_tracing_leaves_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    model, x = nn.Sequential(nn.ConvTranspose2d(2, 2, 2), nn.Dropout()), samples(2, 3, 3)
    torch.manual_seed(5)
    quantize(model, "2hot", x)
    assert torch.equal(torch.rand(3), expected)


def with_terms(model, x, terms, bits=8):
    """Quantised, with every activation that weights meet in at most so many terms."""
    tracer = Tracer(
        trace(model.eval(), x[:2]), spec=WeightSpec(format=parse("2hot")), formats={}, bits=bits,
        input_range=None, activation_terms=terms,
    )
    tracer.run()
    quantized = QuantModel(tracer.built.layers.values(), tracer.output, axes=tracer.axes)
    quantized.eval().calibrate(x)
    return quantized


@pytest.mark.parametrize(("terms", "bits"), [(1, 8), (2, 8), (3, 8), (2, 4)])
def test_activations_of_few_terms(terms, bits):
    x = samples(3, 6, 6, count=32)
    model = with_terms(Classifier(nn.Flatten(), 96), x, terms, bits=bits)
    network = assert_exact(model, torch.cat([x, 5 * x]))
    traced = reference.run(network, to_integers(network.input, x.numpy()), trace=True)
    rounded = [node for node in network.nodes if isinstance(node, RoundTerms)]
    # What weights meet, and nothing else: the sum of each block adds the full integers.
    assert [node.name for node in rounded] == [f"{name}/terms" for name in (
        "input", "stem.0", "add", "add_1", "hidden",
    )]
    for node in rounded:
        values = traced[node.name] - node.output.zero_point
        assert max(naf_weight(int(value)) for value in np.unique(values)) <= terms
    for node in network.nodes:
        few = all(name.endswith("/terms") for name in node.inputs)
        assert few == isinstance(node, Filters), node.name


def test_terms_are_those_of_what_passes_values_on():
    """Behind a pool, an upsampling and a clamp the grid is still that of the convolution."""
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = (nn.Conv2d(2, 2, 1) for _ in range(3))

        def forward(self, x):
            y = self.a(x)
            y = y + F.relu(y)
            z = F.interpolate(F.max_pool2d(F.relu(y), 2), scale_factor=2)
            return self.b(z) + self.c(z) + y

    x = samples(2, 4, 4)
    model = with_terms(Model(), x, 2)
    network = assert_exact(model, 2 * x)
    assert len([node for node in network.nodes if isinstance(node, RoundTerms)]) == 2


def test_few_terms_train_and_match_the_integers():
    torch.manual_seed(3)
    x = samples(3, 6, 6, count=32)
    model = with_terms(Classifier(nn.Flatten(), 96), x, 2)
    with torch.no_grad():
        fake = model.floats(x)[model.output].flatten(1)
    assert torch.corrcoef(torch.stack([fake.flatten(), model(x).flatten()]))[0, 1] > 0.99
    assert not [name for name in model.state_dict() if "_rounding" in name]
    model.train()
    model(x).square().mean().backward()
    assert all(layer.weight.grad.abs().sum() > 0 for layer in model.filters)
    copied = copy.deepcopy(model).eval()
    copied.layers[0].rounding.maximum.mul_(2)
    assert copied.grids()["input/terms"].scale > model.grids()["input/terms"].scale
    assert_exact(copied, x)
    assert copied.layers[1]._rounding[0] is copied.layers[0].rounding


@pytest.mark.parametrize("terms", [0, 9, -1])
def test_terms_out_of_range(terms):
    with pytest.raises(NhotError, match=f"Terms of an activation must be 1 to 8, not {terms}"):
        with_terms(nn.Conv2d(2, 2, 1), samples(2, 4, 4), terms)


@pytest.mark.parametrize("shape", [(2, 1, 1, 1, 1), (3, 4), (2,)])
def test_maps_and_vectors_are_all_there_is(shape):
    node = fx.Graph().placeholder("x")
    traced = SimpleNamespace(values={node: torch.zeros(shape)}, sample=torch.zeros(2, 3))
    with pytest.raises(NhotError, match=rf"^Tensor 'x' must .*, not {re.escape(str(shape))}$"):
        Built(traced).shape(node)


def test_what_has_no_integers_says_so():
    quantized = quantize(nn.Sequential(nn.Conv2d(2, 3, 1)), "2hot", samples(2, 5, 4))
    with pytest.raises(TypeError, match="input of a network is a tensor, not a node"):
        quantized.input.node((), None)
    with pytest.raises(TypeError, match="Weights that are not rounded have no integers"):
        ExactWeights(parse("2hot")).integers(torch.zeros(1, 1))


def test_what_a_step_calls_is_part_of_it():
    """Modules of torch's that call others are steps as wholes, which are refused by name then."""
    inner = nn.TransformerEncoderLayer(8, 2, dim_feedforward=4)
    model = nn.Sequential(nn.TransformerEncoder(inner, 1, enable_nested_tensor=False)).eval()
    traced = trace(model, torch.zeros(3, 8))
    assert [node.op for node in traced.values] == ["placeholder", "call_module"]
    assert all(isinstance(value, torch.Tensor) for value in traced.values.values())


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

"""Operators, modules and shapes that have no integers are named; tracing leaves the rest alone."""

import re
from types import SimpleNamespace

import pytest
import torch
from torch import fx, nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.formats import parse
from nhot.quant import quantize
from nhot.quant.exact import ExactWeights
from nhot.quant.tracing.built import Built
from nhot.quant.tracing.graph import trace
from nhot.testing.float_models import Classifier, Then, randomise, samples

pytestmark = pytest.mark.usefixtures("seeded")


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

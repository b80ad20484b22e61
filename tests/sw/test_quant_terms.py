"""Activations of few terms: rounded where weights meet them, in training and in integers."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.experiments.data import to_integers
from nhot.formats import naf_weight, parse
from nhot.network import Filters, RoundTerms, reference
from nhot.quant import QuantModel
from nhot.quant.tracing.graph import trace
from nhot.quant.tracing.trace import Tracer
from nhot.quant.weights import WeightSpec
from nhot.testing.float_models import Classifier, samples
from nhot_sim.quantised import assert_exact

pytestmark = pytest.mark.usefixtures("seeded")


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

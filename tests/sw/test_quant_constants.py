"""Constants in a model: in the layer that can have them, exactly, or a layer of their own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.formats import parse
from nhot.network import Conv2d
from nhot.quant import quantize
from nhot.quant.layers import QuantFilters
from nhot.quant.tracing.steps import Affine
from nhot.testing.constant_models import Model, samples
from nhot_sim.quantised import assert_exact
from nhot_sim.quantised import assert_rounded as check

pytestmark = pytest.mark.usefixtures("seeded")
SEED = 4

FORMATS = ("int8", "2hot", "ternary", "signed-binary", "binary")


AT_THE_INPUT = {
    "buffers": lambda m, x: m.parts[0]((x - m.mean) / m.std),
    "twice less one": lambda m, x: m.parts[0](2 * x - 1),
    "a number": lambda m, x: m.parts[0](x - 0.5),
    "a tensor": lambda m, x: m.parts[0](2.0 * x - torch.tensor([1.0])),
    "in bytes": lambda m, x: m.parts[0](x * 255 / 127.5),
    "a parameter": lambda m, x: m.parts[0](x * m.gain),
    "computed": lambda m, x: m.parts[0](x * (m.gain.abs() + 1).sqrt() - m.mean.mean()),
    "from the left": lambda m, x: m.parts[0](1 - x),
    "in place": lambda m, x: m.parts[0](x.sub_(m.mean).div_(m.std)),
    "functions": lambda m, x: m.parts[0](torch.div(torch.sub(x, m.mean), m.std)),
    "alpha": lambda m, x: m.parts[0](torch.add(x, m.mean, alpha=-2)),
    "negative": lambda m, x: m.parts[0](-x),
    "rsub": lambda m, x: m.parts[0](torch.rsub(x, 1)),
}


@pytest.mark.parametrize("name", AT_THE_INPUT)
def test_constants_at_the_input_are_in_the_first_convolution(name):
    quantized, network = check(Model(AT_THE_INPUT[name], nn.Conv2d(3, 4, 3)))
    assert [layer.name for layer in quantized] == ["input", "parts.0"]
    assert not network.input.signed  # of the samples, not of what the constants make of them


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("groups", [1, 3])
def test_constants_before_a_padded_convolution_are_a_layer(format, groups):
    model = Model(AT_THE_INPUT["buffers"], nn.Conv2d(3, 6, 3, padding=1, groups=groups))
    quantized, network = check(model, format)
    assert [layer.name for layer in quantized] == ["input", "truediv", "parts.0"]
    layer = network.node("truediv")
    assert isinstance(layer, Conv2d)
    assert (layer.groups, layer.window.kernel) == (3, (1, 1))
    assert layer.weights.all()
    # Zero is padded where the model pads it: the mean, in the input.
    expected = ((samples() - model.mean) / model.std).permute(0, 2, 3, 1)
    values = quantized.floats(samples())["truediv"].permute(0, 2, 3, 1)
    assert (values - expected).abs().max() <= 2 * layer.output.scale


@pytest.mark.parametrize("options", [{"padding": 1}, {"groups": 3}, {"groups": 3, "padding": 1}])
def test_factors_alone_need_no_layer(options):
    conv = nn.Conv2d(3, 6, 3, **options)
    _, network = check(Model(lambda m, x: m.parts[0](x / m.std), conv))
    assert len(network.nodes) == 1
    if "padding" not in options:
        _, network = check(Model(AT_THE_INPUT["buffers"], conv))
        assert len(network.nodes) == 1


def test_constants_of_each_pixel():
    model = Model(
        lambda m, x: m.parts[0](((x - m.image) * 2).flatten(1)), nn.Linear(108, 5, bias=True)
    )
    assert len(check(model)[1].nodes) == 1
    for function, modules in (
        (lambda m, x: m.parts[0](x - m.image), (nn.Conv2d(3, 4, 3),)),
        (lambda m, x: m.parts[0](x) - m.image, (nn.Conv2d(3, 3, 1),)),
    ):
        with pytest.raises(NhotError, match="Step 'sub' must work with one constant a channel"):
            quantize(Model(function, *modules), "2hot", samples())


@pytest.mark.parametrize(("function", "message"), [
    (lambda m, x: m.parts[0](x - torch.zeros(2, 1, 1, 1)), "'sub' must work with a constant that"),
    (lambda m, x: m.parts[0](x) + torch.ones(1, 1, 1, 1, 1),
     r"constants that leave its shape, not make \(1, 2, 4, 4, 4\) of it"),
    (lambda m, x: m.parts[0](x).mean((2, 3), keepdim=True) * torch.ones(4, 6, 6),
     r"'mul' must work with constants that leave its shape, not make \(2, 4, 6, 6\) of it"),
    (lambda m, x: m.parts[0](x).flatten(1) - torch.ones(1, 1, 64), "leave its shape, not make"),
    (lambda m, x: F.pad(x, (1, 1, 1, 1), mode="reflect"), "padding must be zeros, not reflect"),
    (lambda m, x: F.pad(x, (1, 1), value=0.5), r"padding must be zeros, not 0\.5"),
    (lambda m, x: F.batch_norm(x, m.mean.flatten(), m.std.flatten(), training=True),
     "'batch_norm' has unsupported arguments: it must use its running statistics"),
    (lambda m, x: m.parts[0](x).flatten(0), r"must flatten each sample, not make \(128,\)"),
    (lambda m, x: m.parts[0](x).view(4, 2, -1), r"must flatten each sample, not make \(4, 2, 16\)"),
    (lambda m, x: m.parts[0](x).to(torch.float64),
     r"must give what it reads, \(2, 4, 4, 4\) in torch.float32, not .* in torch.float64"),
    (lambda m, x: m.parts[0](x * torch.inf), "'mul' must work with finite constants"),
    (lambda m, x: m.parts[0](x / 0), "'truediv' must work with finite constants"),
    (lambda m, x: torch.cat([x, m.mean.expand(2, 3, 6, 6)], 1), "Operation 'cat' must work on the"),
    (lambda m, x: torch.cat([m.parts[0](x)], 1), "Operation 'cat' must work on the tensors of lay"),
    (lambda m, x: m.parts[0](torch.div(x, 2, rounding_mode="floor")), "rounding_mode must be None"),
    (lambda m, x: m.parts[0](x % 0.5), "Operation 'mod' must be one of"),
])
def test_other_constants_are_refused(function, message):
    with pytest.raises(NhotError, match=message):
        quantize(Model(function, nn.Conv2d(3, 4, 3)), "2hot", samples())


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("first", FORMATS)
def test_layers_of_constants_change_their_format(first, format):
    """Signed-binary has no positive weights for half of the filters."""
    model = Model(AT_THE_INPUT["buffers"], nn.Conv2d(3, 4, 3, padding=1))
    quantized = quantize(model, first, samples())
    expected = quantized.floats(samples())["truediv"].detach()
    quantized.set_format(parse(format))
    assert torch.allclose(quantized.floats(samples())["truediv"], expected, atol=1e-6)
    assert_exact(quantized, samples())


def test_sums_that_begin_with_zero():
    model = Model(lambda m, x: sum([F.relu(m.parts[0](x)), x, x]), nn.Conv2d(3, 3, 1))
    assert [layer.name for layer in check(model)[0]] == ["input", "parts.0", "add_1", "add_2"]


def test_layers_of_constants_take_formats_and_few_terms():
    model = Model(AT_THE_INPUT["buffers"], nn.Conv2d(3, 4, 3, padding=1))
    quantized = quantize(
        model, "2hot", samples(), formats={"truediv": "ternary"}, activation_terms=2,
        accumulator_bits=14,
    )
    assert quantized.formats["truediv"].name == "ternary"
    assert all(isinstance(layer, QuantFilters) for layer in quantized.filters)
    assert_exact(quantized, samples())


@pytest.mark.parametrize("constant", [0.1, torch.tensor([[[0.1]]], dtype=torch.float64)])
def test_constants_keep_all_their_digits(constant):
    gain, offset = Affine(constant, constant).over((2, 1, 4, 4), (4, 4, 1))
    assert gain.unique().tolist() == offset.unique().tolist() == [0.1]


def test_a_step_may_be_called_as_a_module_is():
    """Its layer is made after that of the module, when the sum asks for it."""
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.add = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            more = x + 1
            return self.add(x) + more

    _, network = check(Named())
    assert [node.name for node in network.nodes] == ["add", "add_", "add_2"]

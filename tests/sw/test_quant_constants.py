"""Constants, normalisation and zeros around maps: in the layer that can have them, exactly."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.formats import parse
from nhot.network import AvgPool, Clamp, Conv2d, MaxPool, Tensor
from nhot.quant import finetune, quantize
from nhot.quant.layers import QuantFilters
from nhot.quant.layers.clamp import QuantClamp
from nhot.quant.recipes.run import restart
from nhot.quant.tracing.frozen import FrozenNorm
from nhot.quant.tracing.steps import Affine
from nhot_sim.quantised import assert_exact

FORMATS = ("int8", "2hot", "ternary", "signed-binary", "binary")


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(4)


class Model(nn.Module):
    """A function of the input, and modules with weights that it may use."""

    def __init__(self, function, *modules) -> None:
        super().__init__()
        self.function = function
        self.parts = nn.ModuleList(modules)
        self.register_buffer("mean", torch.tensor([0.4, 0.5, 0.3]).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.2, 0.3, 0.25]).reshape(3, 1, 1))
        self.register_buffer("image", torch.rand(3, 6, 6))
        self.gain = nn.Parameter(torch.tensor(1.5))

    def forward(self, x):
        return self.function(self, x)


def samples() -> torch.Tensor:
    return torch.rand(24, 3, 6, 6, generator=torch.Generator().manual_seed(1))


def check(model: nn.Module, format: str = "int8", x: torch.Tensor | None = None):
    """Exact in integers; in int8 near the model. Gives the quantised model and the network."""
    x = samples() if x is None else x
    quantized = quantize(model, format, x)
    network = assert_exact(quantized, torch.cat([x, 2 * x - 0.5]))
    if format == "int8":
        with torch.no_grad():
            expected = model.eval()(x.clone())
            error = (quantized(x) - expected).square().mean().sqrt() / expected.std()
        assert error < 0.03
    return quantized, network


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


PADS = {
    "module": (lambda m, x: m.parts[0](nn.ZeroPad2d((0, 1, 2, 0))(x)), (2, 0, 0, 1)),
    "constant": (lambda m, x: m.parts[0](nn.ConstantPad2d((1, 0, 0, 2), 0.0)(x)), (0, 1, 2, 0)),
    "function": (lambda m, x: m.parts[0](F.pad(x, (1, 2, 3, 0))), (3, 1, 0, 2)),
    "two sides": (lambda m, x: m.parts[0](F.pad(x, (0, 1))), (0, 0, 0, 1)),
    "eight": (lambda m, x: m.parts[0](F.pad(x, (1, 0, 0, 1, 0, 0, 0, 0))), (0, 1, 1, 0)),
    "twice": (lambda m, x: m.parts[0](F.pad(F.pad(x, (1, 1)), (0, 1, 1, 0))), (1, 1, 0, 2)),
    "scaled": (lambda m, x: m.parts[0](F.pad(2 * x, (1, 1, 1, 1))), (1, 1, 1, 1)),
}


@pytest.mark.parametrize("name", PADS)
def test_zeros_around_are_in_the_window(name):
    function, padding = PADS[name]
    for window in (nn.Conv2d(3, 4, 3, stride=2), nn.AvgPool2d(2)):
        if name == "scaled" and isinstance(window, nn.AvgPool2d):
            continue
        model = Model(lambda m, x, f=function: m.parts[1](f(m, x)), window, nn.Conv2d(
            4 if isinstance(window, nn.Conv2d) else 3, 2, 1,
        ))
        _, network = check(model)
        assert network.nodes[0].window.padding == padding
        assert isinstance(network.nodes[0], Conv2d | AvgPool)


def test_padding_adds_to_that_of_the_convolution():
    model = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 2)), nn.Conv2d(3, 4, 3, padding=(1, 0)))
    assert check(model)[1].nodes[0].window.padding == (1, 0, 3, 1)


def test_zeros_before_a_max_pool():
    """Where all is below zero they win; where nothing is, they never do."""
    first = nn.Conv2d(3, 4, 1)
    first.bias.data.fill_(-5)
    pads = [nn.ZeroPad2d(1), nn.MaxPool2d(2), nn.Conv2d(4, 2, 1)]
    _, network = check(nn.Sequential(first, *pads))
    assert [node.name for node in network.nodes] == ["0", "1", "2", "3"]
    _, network = check(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), *pads))
    assert [type(node) for node in network.nodes] == [Conv2d, MaxPool, Conv2d]
    assert network.nodes[1].window.padding == (1, 1, 1, 1)
    # What comes between does not matter, nor does a clamp that is a layer of its own.
    between = [nn.ReLU(), nn.MaxPool2d(2, 1), nn.Upsample(scale_factor=2)]
    _, network = check(nn.Sequential(nn.Conv2d(3, 4, 1), *between, *pads))
    assert network.nodes[3].window.padding == (1, 1, 1, 1)
    for low, layers in ((0, 4), (-1, 5)):
        def both(m, x, low=low):
            a = m.parts[0](x)
            return F.max_pool2d(F.pad(a.clamp(low, 3), (1, 1, 1, 1)), 2) + F.avg_pool2d(
                F.pad(a, (1, 1, 1, 1)), 2)

        _, network = check(Model(both, nn.Conv2d(3, 4, 1)))
        assert len(network.nodes) == layers + 1
    # A window of zeros alone is no window of a pool.
    for sides, ceil in (((4, 0, 0, 0), False), ((0, 1, 0, 0), True)):
        alone = [nn.ZeroPad2d(sides), nn.MaxPool2d(2, ceil_mode=ceil), nn.Conv2d(4, 2, 1)]
        _, network = check(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), *alone))
        assert len(network.nodes) == 4


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("function", [
    lambda m, x: m.parts[1](F.pad(m.parts[0](x), (1, 1, 1, 1)) + 0.5),
    lambda m, x: m.parts[1](F.pad(m.parts[0](x) + 0.5, (1, 0, 2, 1))),
    lambda m, x: m.parts[1](F.pad(F.relu(m.parts[0](x)) + 0.5, (1, 0, 2, 1))),
    lambda m, x: F.pad(m.parts[0](x), (0, 1)).flatten(1),
    lambda m, x: F.relu(F.pad(m.parts[0](x), (1, 0)) + F.pad(m.parts[0](x), (0, 1))),
    lambda m, x: m.parts[2](F.pad(m.parts[0](x), (0, 1))),
])
def test_zeros_around_are_a_layer_where_they_must(function, format):
    check(Model(
        function, nn.Conv2d(3, 4, 3), nn.Conv2d(4, 2, 2), nn.ConvTranspose2d(4, 2, 2)
    ), format)


@pytest.mark.parametrize(("pad", "message"), [
    (nn.ConstantPad2d(1, 2.0), "Module 'parts.1' must pad with zeros, not 2.0"),
    (nn.ReflectionPad2d(1), "Module 'parts.1' must be one of .*, zero padding, .*, not Reflection"),
    (nn.ReplicationPad2d(1), "not ReplicationPad2d"), (nn.CircularPad2d(1), "not CircularPad2d"),
    (nn.ZeroPad2d((-1, 0, 0, 0)), r"must pad height and width, and cut nothing off, not \(-1"),
])
def test_other_padding_is_refused(pad, message):
    with pytest.raises(NhotError, match=message):
        quantize(Model(lambda m, x: m.parts[0](m.parts[1](x)), nn.Conv2d(3, 2, 1), pad), "2hot",
                 samples())


CLAMPS = {
    "clamp(0, 6)": (lambda x: x.clamp(0, 6), (0, 6)), "relu": (lambda x: x.clamp(min=0), (0, None)),
    "Hardtanh": (nn.Hardtanh(), (-1, 1)), "Hardtanh(0, 6)": (nn.Hardtanh(0, 6), (0, 6)),
    "one side": (lambda x: torch.clamp(x, max=0.5), (None, 0.5)),
    "minimum": (lambda x: torch.minimum(x, torch.tensor(0.25)), (None, 0.25)),
    "clip": (lambda x: torch.clip(x, -0.25, 0.25), (-0.25, 0.25)),
    "above zero": (lambda x: x.clamp(0.25, 0.75), (0.25, 0.75)),
    "below zero": (nn.Hardtanh(-0.75, -0.25), (-0.75, -0.25)),
    "integers": (lambda x: x.clamp(-1, 1), (-1, 1)),
}


@pytest.mark.parametrize("name", CLAMPS)
@pytest.mark.parametrize("shared", [False, True])
def test_clamps(name, shared):
    function, limits = CLAMPS[name]

    def forward(model, x):
        y = model.parts[0](x)
        z = model.parts[2](y) if isinstance(function, nn.Module) else function(y)
        return torch.cat([model.parts[1](z), y], 1) if shared else model.parts[1](z)

    model = Model(
        forward, nn.Conv2d(3, 8, 3), nn.Conv2d(8, 2, 1),
        function if isinstance(function, nn.Module) else nn.Identity(),
    )
    model.parts[0].weight.data *= 4
    quantized, network = check(model)
    values = quantized.integers(samples())
    clamped = [node for node in network.nodes if isinstance(node, Clamp)]
    assert len(clamped) == (shared or not (limits[0] or 0) <= 0 <= (limits[1] or 0))
    made = clamped[0].output if clamped else network.nodes[0].output
    real = (values[made.name] - made.zero_point) * made.scale
    for limit, worst in ((limits[0], -real.min()), (limits[1], real.max())):
        assert limit is None or worst <= abs(limit) * (1 if worst > 0 else -1) + made.scale


@pytest.mark.parametrize("limits", [(126.6, 200), (-200, -127.7)])
def test_a_clamp_may_leave_one_value(limits):
    """The end of the range that it reads, to the unit."""
    grid = Tensor(name="x", shape=(1, 1, 1), signed=True, scale=1.0)
    node = QuantClamp("y", "x", grid.shape, limits).node((grid,), grid)
    end = 127 if limits[0] > 0 else -128
    assert (node.low, node.high) == (end, end)


def test_a_clamp_that_leaves_nothing_is_refused():
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.Hardtanh(50, 60))
    message = r"Layer '1': Clamp must leave some of the range it reads, -?\d.* to .*, not 50 to 60"
    with pytest.raises(NhotError, match=message):
        quantize(model, "2hot", samples())(samples())


@pytest.mark.parametrize("function", [lambda x: x.clamp(1, 0), lambda x: x.clamp(0.5, 0.5)])
def test_clamps_of_nothing_are_refused(function):
    with pytest.raises(NhotError, match="Operation 'clamp' has unsupported arguments"):
        quantize(Model(lambda m, x: function(m.parts[0](x)), nn.Conv2d(3, 2, 1)), "2hot", samples())


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

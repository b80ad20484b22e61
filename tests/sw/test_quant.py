"""From a float module to an integer network that computes exactly the same."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.formats import Uniform, parse
from nhot.network import Add, Clamp, Conv2d, Linear
from nhot.quant import quantize, to_network
from nhot.quant.layers import QuantClamp, QuantFilters
from nhot_sim.quantised import assert_exact

FORMATS = ["1hot", "2hot", "3hot", "2hot@6", "ternary", "int8", "int4", "signed-binary",
           "signed-binary/4"]


class Everything(nn.Module):
    """All operators once, a tensor with two readers, and pools that pad."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.max = nn.MaxPool2d(3, 2, 1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding="same", groups=8, bias=False)
        self.relu = nn.ReLU6()
        self.drop = nn.Dropout()
        self.average = nn.AvgPool2d(2, padding=1)
        self.wide = nn.Conv2d(
            8, 6, (1, 3), stride=(1, 2), padding=(0, 2), dilation=(1, 2), groups=2
        )
        self.dense = nn.Linear(6 * 4 * 2, 7)
        self.norm2 = nn.BatchNorm1d(7)
        self.last = nn.Linear(7, 5)

    def forward(self, x):
        x = self.max(torch.relu(self.norm(self.first(x))))
        y = self.depthwise(x)
        x = self.relu(y) + y  # y has two readers: a clamp of its own
        x = self.drop(self.wide(self.average(x)))
        x = x.view(x.size(0), -1)
        return self.last(F.relu(self.norm2(self.dense(x))))


class Pooled(nn.Module):
    """A global mean, sums of other shapes, and no activation at all."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(2)

    def forward(self, x):
        x = self.conv(x)
        x = x + x
        x += F.max_pool2d(x, 3, 1, 1)
        return self.pool(x), x.mean((2, 3))


class Tail(nn.Module):
    def __init__(self, body: nn.Module, index: int) -> None:
        super().__init__()
        self.body = body
        self.index = index

    def forward(self, x):
        return self.body(x)[self.index]


def everything(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    model = Everything()
    for norm in (model.norm, model.norm2):
        norm.weight.data.normal_()  # negative gains too
        norm.bias.data.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return model.eval()


def pooled(index: int) -> nn.Module:
    torch.manual_seed(index)
    return Tail(Pooled(), index)


MODELS = {
    "everything": (everything, (3, 11, 9)),
    "adaptive": (lambda: pooled(0), (2, 9, 9)),
    "mean": (lambda: pooled(1), (2, 11, 7)),
    "vector": (lambda: nn.Sequential(nn.Linear(9, 6), nn.ReLU(), nn.Linear(6, 3)), (9,)),
}


def samples(shape: tuple[int, ...], count: int = 24, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", MODELS)
def test_integers_equal_the_reference(name, format):
    build, shape = MODELS[name]
    model = quantize(build(), format, samples(shape), input_range=(-2.0, 3.0))
    assert_exact(model, 2 * samples(shape, seed=2))  # beyond the calibrated ranges too


@pytest.mark.parametrize(("bits", "per_channel"), [(8, False), (4, True), (2, True)])
def test_other_bits_and_scales(bits, per_channel):
    x = samples((3, 11, 9))
    model = quantize(everything(), "2hot", x, bits=bits, per_channel=per_channel)
    assert {tensor.bits for tensor in to_network(model, "n").tensors.values()} == {bits}
    assert_exact(model, x)


def test_int8_is_close_to_float():
    model, x = everything(), samples((3, 11, 9), 200)
    quantized = quantize(model, "int8", x)
    with torch.no_grad():
        error = (quantized(x) - model(x)).square().mean() / model(x).var()
    assert error < 1e-3


def test_training_graph_is_close_to_the_integers():
    x = samples((3, 11, 9), 200)
    model = quantize(everything(), "2hot", x)
    with torch.no_grad():
        fake = model.floats(x)[model.output].flatten(1)
    units = (fake - model(x)).abs() / model.grids()["last"].scale
    assert units.max() <= 4  # multipliers of four terms are up to 0.58 % off
    assert units.mean() < 1


def test_layer_names_and_kinds():
    network = to_network(quantize(everything(), "2hot", samples((3, 11, 9))), "n")
    assert list(network.tensors) == [
        "input", "first", "max", "depthwise", "relu", "add", "average", "wide", "dense", "last"
    ]
    assert isinstance(network.node("relu"), Clamp)
    assert isinstance(network.node("add"), Add)
    first, wide, dense = (network.node(name) for name in ("first", "wide", "dense"))
    assert isinstance(first, Conv2d)
    assert isinstance(wide, Conv2d)
    assert isinstance(dense, Linear)
    assert wide.window.padding == (0, 2, 0, 2)
    assert wide.groups == 2
    assert (first.requant.multiplier < 0).any()
    assert not first.output.signed
    assert first.output.zero_point == 0
    assert wide.output.signed


def test_batch_norm_folds_into_scale_and_bias():
    torch.manual_seed(3)
    conv, norm = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.1, 3)
    norm.weight.data.copy_(torch.tensor([1.0, -2.0, 0.0, 1e-9]))
    norm.bias.data.normal_()
    model, x = nn.Sequential(conv, norm).eval(), samples((2, 6, 6))
    quantized = quantize(model, "int8", x)
    layer = quantized.filters[0]
    assert layer.norm is not None
    plain = quantize(conv, "int8", x).filters[0]
    levels, _, _ = layer.parameters_for(*(quantized.grids()[name] for name in ("input", "0")))
    assert (levels[:2] == plain.weights.integers(plain.weight)[0][:2]).all()
    assert not levels[2:].any()  # a gain of nothing leaves the offset alone
    with torch.no_grad():
        error = (quantized(x) - model(x)).abs().amax((0, 2, 3)) / quantized.grids()["0"].scale
    assert (error < 4).all()
    assert_exact(quantized, x)


def test_source_model_is_not_changed():
    model = everything()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    quantize(model, "2hot", samples((3, 11, 9))).train()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not model.training


def test_set_format_searches_anew():
    x = samples((3, 11, 9))
    model = quantize(everything(), "2hot", x)
    model.set_format(Uniform(bits=3))
    assert set(model.formats.values()) == {Uniform(bits=3)}
    assert_exact(model, x)


def test_signed_binary_has_one_sign_a_filter():
    network = to_network(quantize(everything(), "signed-binary", samples((3, 11, 9))), "n")
    for node in network.nodes:
        if isinstance(node, Conv2d | Linear):
            half = node.filters // 2
            assert set(np.unique(node.weights[:half])) <= {0, 1}
            assert set(np.unique(node.weights[half:])) <= {-1, 0}


def test_flattened_features_are_reordered():
    weight = torch.arange(12.0).reshape(1, 12)  # (channels, height, width) = (3, 2, 2)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 1, bias=False))
    model[1].weight.data = weight
    x = torch.rand(4, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    node = to_network(quantize(model, "int8", x), "n").nodes[0]
    assert isinstance(node, Linear)
    expected = weight.reshape(3, 2, 2).permute(1, 2, 0).reshape(-1).numpy()
    assert np.array_equal(np.argsort(node.weights[0]), np.argsort(expected))


class Traced(nn.Module):
    """A convolution and then a function."""

    def __init__(self, function) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)
        self.function = function

    def forward(self, x):
        return self.function(self.conv(x), self)


@pytest.mark.parametrize(("function", "message"), [
    (lambda x, m: torch.sigmoid(x), r"Operation 'sigmoid' must be one of Conv2d, .*, not sigmoid"),
    (lambda x, m: x * x, "Operation 'mul' has unsupported arguments: one of the two must be a con"),
    (lambda x, m: x - x, "Operation 'sub' has unsupported arguments: one of the two must be a con"),
    (lambda x, m: torch.maximum(x, x), "'maximum' has .*: one of the two must be a constant"),
    (lambda x, m: 1 / x, "Operation 'truediv' has unsupported arguments: a tensor must not be a"),
    (lambda x, m: x ** 2, "Operation 'pow_1' must be one of"),
    (lambda x, m: torch.add(x, x, alpha=2), "Operation 'add' has unsupported arguments: alpha"),
    (lambda x, m: torch.cat([x, x], 2), "Operation 'cat' must join channels"),
    (lambda x, m: x + m.conv.weight.mean() * np.nan, "'add' must work with finite constants"),
    (lambda x, m: x * x.max().item(), "Operation 'max_1' must be one of"),
    (lambda x, m: x.mean(1), "must be over height and width"),
    (lambda x, m: F.avg_pool2d(x, 2, padding=1, count_include_pad=False), "count its padding"),
    (lambda x, m: F.avg_pool2d(x, 2, ceil_mode=True), "must not use ceil_mode"),
    (lambda x, m: F.avg_pool2d(x, 2, divisor_override=3), "must not override the divisor"),
    (lambda x, m: F.adaptive_avg_pool2d(x, 3), "must divide its input"),
    (lambda x, m: x.reshape(-1, 10, 5), "must flatten each sample"),
    (lambda x, m: x if x.sum() > 0 else -x, "must be traceable by torch.fx"),
    (lambda x, m: (x, x), "Model must give one tensor"),
    (lambda x, m: m.conv.weight, "Model must give one tensor that it computed"),
    (lambda x, m: F.conv2d(x, x), "Operation 'conv2d' has unsupported arguments: .*'weight'"),
])
def test_unsupported_operations_are_refused_by_name(function, message):
    with pytest.raises(NhotError, match=message):
        quantize(Traced(function), "2hot", samples((2, 5, 5)))


@pytest.mark.parametrize(("modules", "message"), [
    ([nn.Conv2d(2, 2, 1), nn.Sigmoid()],
     r"Module '1' must be one of Conv2d, .*, not Sigmoid; as the last step it can be left out, as"),
    ([nn.Conv2d(2, 2, 1), nn.LogSoftmax(1)], "left out where it is over the classes"),
    ([nn.Conv2d(2, 2, 1), nn.Softmax2d()], "not Softmax2d$"),
    ([nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2, track_running_stats=False)], "running statistics"),
    ([nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect")], "Padding of '0' must be with zeros"),
    ([nn.Linear(5, 5)], "Module '0' must work on flat samples"),
    ([nn.Conv2d(3, 2, 1)], r"Model must run on samples of shape \(2, 2, 5, 5\), but"),
    ([nn.ReLU()], "at least one Conv2d or Linear"),
    ([nn.Identity()], "must give one tensor that it computed"),
    ([nn.Conv3d(2, 2, 1)], "must be one of|must run on"),
])
def test_unsupported_modules_are_refused_by_name(modules, message):
    with pytest.raises(NhotError, match=message):
        quantize(nn.Sequential(*modules), "2hot", samples((2, 5, 5)))


def test_bad_numbers_are_refused():
    model, x = nn.Sequential(nn.Conv2d(2, 2, 1)), samples((2, 5, 5))
    bad = x.clone()
    bad[3, 0, 0, 0] = torch.nan
    for wrong, message in ((bad, "finite"), (x[:0], "shape"), (x[0, 0, 0], "shape")):
        with pytest.raises(NhotError, match=f"Samples must .*{message}"):
            quantize(model, "2hot", wrong)
    with pytest.raises(NhotError, match="Activations of 'input' must not all be zero"):
        quantize(model, "2hot", 0 * x)
    with pytest.raises(NhotError, match="Range of an activation must hold 0, not 1 to 2"):
        quantize(model, "2hot", x, input_range=(1, 2))
    with pytest.raises(NhotError, match="Bits of an activation"):
        quantize(model, "2hot", x, bits=9)
    with pytest.raises(TypeError, match="Model must be"):
        quantize("digits", "2hot", x)
    model[0].weight.data[0] = torch.nan
    with pytest.raises(NhotError, match="Layer '0': Weights must be finite"):
        quantize(model, "2hot", x)


def test_activation_that_never_fires_is_refused():
    model = nn.Sequential(nn.Conv2d(2, 2, 1), nn.ReLU())
    model[0].weight.data.zero_()
    model[0].bias.data.fill_(-1)
    with pytest.raises(NhotError, match="Activations of '0' must not all be zero"):
        quantize(model, "2hot", samples((2, 5, 5)))


def test_constant_activation_is_kept():
    model = nn.Sequential(nn.Conv2d(2, 2, 1))
    model[0].weight.data.zero_()
    model[0].bias.data.copy_(torch.tensor([0.5, -0.25]))
    quantized = quantize(model, "2hot", samples((2, 5, 5)))
    y = quantized(samples((2, 5, 5)))
    assert torch.allclose(y[:, 0], torch.tensor(0.5), atol=0.003)
    assert torch.allclose(y[:, 1], torch.tensor(-0.25), atol=0.003)
    assert_exact(quantized, samples((2, 5, 5)))


def test_scale_out_of_range_names_the_layer():
    model = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU())
    model[0].weight.data.fill_(1.0)
    quantized = quantize(model, "int8", torch.rand(4, 1, 3, 3))
    quantized.filters[0].rounding.maximum.fill_(1e-7)
    with pytest.raises(NhotError, match="Layer '0': Scale of channel 0"):
        to_network(quantized, "n")


def test_wrong_input_shape_is_refused():
    model = quantize(nn.Sequential(nn.Conv2d(2, 2, 1)), "2hot", samples((2, 5, 5)))
    with pytest.raises(NhotError, match=r"Input must have shape \(batch, 2, 5, 5\)"):
        model(samples((2, 5, 6)))


def test_relu_is_fused_only_where_nothing_else_reads():
    model = quantize(everything(), parse("2hot"), samples((3, 11, 9)))
    kinds = {layer.name: layer for layer in model}
    assert isinstance(kinds["relu"], QuantClamp)
    assert isinstance(kinds["first"], QuantFilters)
    assert isinstance(kinds["first"].activation, nn.ReLU)
    assert isinstance(kinds["depthwise"].activation, nn.Identity)

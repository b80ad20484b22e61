"""Zeros around maps: in the window that reads them, or a layer of their own."""

from __future__ import annotations

import pytest
from torch import nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.network import AvgPool, Conv2d, MaxPool
from nhot.quant import quantize
from nhot.testing.constant_models import Model, samples
from nhot_sim.quantised import assert_rounded as check

pytestmark = pytest.mark.usefixtures("seeded")
SEED = 4

FORMATS = ("int8", "2hot", "ternary", "signed-binary", "binary")


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

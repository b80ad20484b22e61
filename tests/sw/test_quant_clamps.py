"""Clamps: in the layer before them, or layers of their own."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nhot.errors import NhotError
from nhot.network import Clamp, Tensor
from nhot.quant import quantize
from nhot.quant.layers.clamp import QuantClamp
from nhot.testing.constant_models import Model, samples
from nhot_sim.quantised import assert_rounded as check

pytestmark = pytest.mark.usefixtures("seeded")
SEED = 4

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

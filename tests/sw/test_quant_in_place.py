"""What torch writes in place: traced right, or refused by the name of the step that writes."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nhot.errors import NhotError
from nhot.quant import quantize
from nhot_sim.quantised import assert_exact


class Written(nn.Module):
    """A convolution, a function of its result, and the sum of both."""

    def __init__(self, function) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.function = function
        self.register_buffer("buffer", torch.full((1, 4, 1, 1), 0.25))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        x = self.conv(x)
        y = self.function(self, x)
        return x if y is None else x + y


def samples() -> torch.Tensor:
    return torch.randn(16, 2, 7, 6, generator=torch.Generator().manual_seed(3))


def check(model: nn.Module) -> None:
    """Exact in integers, near in float, and nothing of the caller's changed."""
    x = samples()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    quantized = quantize(model, "int8", x)
    assert torch.equal(x, samples())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert_exact(quantized, x)
    with torch.no_grad():
        expected = model.eval()(x.clone())
        error = (quantized(x) - expected).square().mean().sqrt() / expected.std()
    assert error < 0.03


def whole(model, x):
    x[:] = x.relu()


def ellipsis(model, x):
    x[...] = F.hardtanh(x)


def augmented(model, x):
    y = x
    y += x.relu()
    y *= 0.5


def viewed(model, x):
    flat = x.view(len(x), -1)
    flat -= 0.125
    flat.relu_()


WHOLE = {
    "module": lambda m, x: m.relu(x),
    "module, unread": lambda m, x: (m.relu(x), None)[1],
    "function": lambda m, x: F.relu(x, inplace=True),
    "relu_": lambda m, x: torch.relu_(x),
    "hardtanh_": lambda m, x: F.hardtanh_(x, -0.5, 0.25),
    "relu6": lambda m, x: F.relu6(x, inplace=True),
    "clamp_": lambda m, x: x.clamp_(-0.5, 0.5),
    "clamp_min_": lambda m, x: x.clamp_min_(0.0),
    "add_": lambda m, x: x.add_(x),
    "add_ of a buffer": lambda m, x: x.add_(m.buffer),
    "mul_": lambda m, x: x.mul_(2.0),
    "sub_ and div_": lambda m, x: x.sub_(m.buffer).div_(0.5),
    "neg_": lambda m, x: x.neg_().clone(),
    "out": lambda m, x: torch.add(x, x.relu(), out=x),
    "clamp to out": lambda m, x: torch.clamp(x, 0, out=x),
    "copy_": lambda m, x: x.copy_(x.relu()),
    "dropout": lambda m, x: F.dropout(x, training=m.training, inplace=True),
    "view": viewed,
    "flatten": lambda m, x: (x.flatten(1).relu_(), None)[1],
    "reshape back": lambda m, x: x.flatten(1).relu_().view(x.shape),
    "detach": lambda m, x: (x.detach().relu_(), None)[1],
    "data": lambda m, x: (x.data.relu_(), None)[1],
    "of a view of a view": lambda m, x: (x.view(-1, 80).view(x.shape).clamp_(0, 0.5), None)[1],
    "twice": lambda m, x: x.relu_().add_(-0.5).clamp_(-0.25, 0.25),
    "assigned": whole, "assigned all": ellipsis, "augmented": augmented,
    "read before": lambda m, x: x.clone() + x.mul_(0.5),
}


@pytest.mark.parametrize("name", WHOLE)
def test_later_steps_read_what_was_written(name):
    torch.manual_seed(1)
    check(Written(WHOLE[name]))


def rows(model, x):
    x[:, :2] = 0


def indexed(model, x):
    x[:, torch.tensor([0, 2])] = 1.0


def masked(model, x):
    x[x < 0] = 0.0


PART = {
    "mask": (masked, "setitem"),
    "chunk": (lambda m, x: (x.chunk(2, 1)[0].relu_(), None)[1], "relu_"),
    "split": (lambda m, x: (torch.relu_(x.split(1, 1)[2]), None)[1], "relu_"),
    "slice": (lambda m, x: (x[:, 1:].clamp_(0, 1), None)[1], "clamp_"),
    "select": (lambda m, x: (x.select(1, 0).zero_(), None)[1], "zero_"),
    "narrow": (lambda m, x: (x.narrow(1, 0, 1).mul_(2), None)[1], "mul_"),
    "permute": (lambda m, x: (x.permute(0, 2, 3, 1).relu_(), None)[1], "relu_"),
    "rows": (rows, "setitem"), "index": (indexed, "setitem"),
    "unbind": (lambda m, x: (x.unbind(1)[0].add_(1), None)[1], "add_"),
    "view read later": (lambda m, x: [x[:, :1], x.relu_()][0], "relu_"),
}


@pytest.mark.parametrize("name", PART)
def test_writes_into_parts_are_refused(name):
    function, step = PART[name]
    message = f"Operation '{step}' must not work in place on a part of '.*', which is read after it"
    with pytest.raises(NhotError, match=message):
        quantize(Written(function), "2hot", samples())


def emptied(model, x):
    x[:] = 0.0
    return x


def test_a_constant_over_all_is_refused():
    with pytest.raises(NhotError, match="Operation 'fill_' must be one of"):
        quantize(Written(emptied), "2hot", samples())


@pytest.mark.parametrize("method", [
    lambda x: x.zero_(), lambda x: x.fill_(2), lambda x: x.index_fill_(1, torch.tensor([0]), 1.0),
    lambda x: x.masked_fill_(torch.ones(1, dtype=torch.bool), 1.0), lambda x: x.pow_(2),
    lambda x: x.sigmoid_(), lambda x: F.elu_(x), lambda x: F.leaky_relu_(x), lambda x: x.round_(),
    lambda x: x.normal_(), lambda x: F.silu(x, inplace=True), lambda x: x.cumsum_(1),
])
def test_other_writes_are_refused(method):
    with pytest.raises(NhotError, match=r"Operation '\w+' must be one of"):
        quantize(Written(lambda m, x: method(x)), "2hot", samples())


@pytest.mark.parametrize("function", [
    lambda m, x: m.buffer.add_(x.mean((0, 2, 3), keepdim=True)),
    lambda m, x: m.buffer.copy_(x[:1, :, :1, :1]),
    lambda m, x: torch.add(x, x, out=torch.zeros(2, 4, 5, 4)),
])
def test_writes_into_constants_are_refused(function):
    with pytest.raises(NhotError, match=r"Operation '\w+' must not write into the constant '\w+'"):
        quantize(Written(function), "2hot", samples())


class Standardised(nn.Module):
    """Works on its input in place."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3, padding=1)

    def forward(self, x):
        x -= 0.5
        return self.conv(x.mul_(2.0)) + x.relu_()[:, :3] if x.shape[1] > 2 else self.conv(x)


def test_samples_are_not_written():
    check(Standardised())


class Counting(nn.Module):
    """Counts its calls in a buffer, which does nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return self.conv(x)


def test_buffers_of_the_caller_stay():
    check(Counting())


class Residual(nn.Module):
    """The ReLU works on what the skip connection reads."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=inplace)
        self.first = nn.Conv2d(4, 4, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        out = self.second(self.relu(self.first(self.relu(x))))
        out += x
        return out


@pytest.mark.parametrize("inplace", [False, True])
def test_residual_blocks(inplace):
    torch.manual_seed(0)
    check(nn.Sequential(nn.Conv2d(2, 4, 3), *(Residual(inplace) for _ in range(3))))

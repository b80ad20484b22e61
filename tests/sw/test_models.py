"""The float networks: their shapes and sizes."""

import pytest
import torch
from torch import nn

from nhot.errors import NhotError
from nhot.models.blocks import divisible
from nhot.models.resnet import resnet8, resnet18, resnet20


def parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize(("factory", "count"), [
    (resnet8, 78_042), (resnet20, 272_474), (resnet18, 11_689_512),
])
def test_parameters_are_those_documented(factory, count):
    assert parameters(factory()) == count
    assert f"{count:,} parameters" in factory.__doc__


def test_resnet18_is_named_as_in_torchvision():
    model = resnet18(classes=3, width=8).eval()
    names = set(model.state_dict())
    assert len(names) == 122
    assert {
        "conv1.weight", "bn1.running_var", "layer1.1.bn2.num_batches_tracked",
        "layer2.0.downsample.0.weight", "layer4.0.downsample.1.bias", "fc.weight", "fc.bias",
    } <= names
    assert model(torch.zeros(1, 3, 64, 96)).shape == (1, 3)


def test_initial_weights_keep_the_variance():
    torch.manual_seed(0)
    found = []
    model = resnet20()
    model.layer1[0].conv2.register_forward_hook(lambda module, x, y: found.append(y))
    model(torch.randn(4, 3, 32, 32))
    assert 0.5 < float(found[0].detach().var()) < 4


@pytest.mark.parametrize(("channels", "expected"), [(1, 8), (12, 16), (11.9, 16), (18, 24), (8, 8)])
def test_divisible(channels, expected):
    assert divisible(channels) == expected


def test_width_must_be_positive():
    with pytest.raises(NhotError, match="Width of a network must be positive, not one of -4"):
        divisible(-4)

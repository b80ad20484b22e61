"""The float networks: the catalogue, their shapes, sizes and names."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from nhot.errors import MissingToolError, NhotError
from nhot.experiments.models import CATALOGUE, NAMES, build, entry
from nhot.experiments.models.blocks import divisible
from nhot.experiments.models.resnet_plum import ShiftedPReLU, ShortcutConv

CLASSES = {
    "digits": 10, "resnet8": 10, "resnet20": 10, "resnet20-plum": 10, "resnet18": 1000,
    "ds-cnn": 12, "mobilenet-v1-0.25": 2, "mobilenet-v1-0.25-32": 10, "autoencoder": 640,
    "jet-mlp": 5, "mobilenet-v2": 1000,
}


@pytest.mark.parametrize("name", CLASSES)
def test_shapes(name):
    model, shape = build(name).eval(), entry(name).input_shape
    with torch.no_grad():
        assert model(torch.zeros(2, *shape)).shape == (2, CLASSES[name])
        if shape[1:] == (1, 1):
            assert model(torch.zeros(2, shape[0])).shape == (2, CLASSES[name])


def test_options_reach_the_factory():
    model = build("resnet8", classes=3, width=4).eval()
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 3)
    assert model.conv1.weight.shape == (4, 3, 3, 3)


def test_unknown_names_are_refused_with_the_list():
    with pytest.raises(NhotError, match=r"Model must be one of digits, resnet8, .*, not 'alexnet'"):
        build("alexnet")


def test_without_torch_the_names_are_there_and_building_says_what_is_missing(monkeypatch):
    code = (
        "import sys; from nhot.experiments import models; "
        "assert 'torch' not in sys.modules; print(*models.NAMES)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert tuple(done.stdout.split()) == NAMES
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingToolError, match=r"pip install 'nhot\[quant\]'"):
        build("digits")


def test_entries_say_what_they_are():
    for item in CATALOGUE.values():
        assert item.task
        assert item.description
        assert min(item.input_shape) >= 1


TORCHVISION = {
    "resnet18": (122, [
        "conv1.weight", "bn1.running_var", "layer1.1.bn2.num_batches_tracked",
        "layer2.0.downsample.0.weight", "layer4.0.downsample.1.bias", "fc.weight", "fc.bias",
    ]),
    "mobilenet-v2": (314, [
        "features.0.0.weight", "features.0.1.running_mean", "features.1.conv.0.0.weight",
        "features.1.conv.1.weight", "features.1.conv.2.bias", "features.2.conv.0.0.weight",
        "features.2.conv.1.1.running_var", "features.17.conv.3.weight", "features.18.0.weight",
        "features.18.1.num_batches_tracked", "classifier.1.weight", "classifier.1.bias",
    ]),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_parameters_are_named_as_in_torchvision(name):
    count, names = TORCHVISION[name]
    found = set(build(name).state_dict())
    assert len(found) == count
    assert found >= set(names)


@pytest.mark.parametrize("name", NAMES)
def test_initial_weights_are_seeded_and_of_the_right_variance(name):
    torch.manual_seed(0)
    model = build(name)
    torch.manual_seed(0)
    again = build(name)
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    if name == "digits":
        return  # keeps torch's own
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.numel() > 2000:
            inputs = module.weight[0].numel()
            assert 1.5 < float(module.weight.detach().var()) * inputs < 2.5


def test_the_activation_of_plum_is_a_shifted_prelu():
    torch.manual_seed(0)
    ours, theirs = ShiftedPReLU(5), nn.PReLU(5)
    with torch.no_grad():
        for values in (ours.slope, ours.shift):
            values.normal_()
        theirs.weight.copy_(ours.slope.flatten())
    x = torch.randn(3, 5, 4, 4)
    assert torch.equal(ShiftedPReLU(5).slope.flatten(), nn.PReLU(5).weight)
    torch.testing.assert_close(ours(x), theirs(x) + ours.shift)


def test_every_convolution_of_plum_has_a_shortcut_and_a_clamp():
    torch.manual_seed(0)
    for channels, filters, stride in ((4, 4, 1), (4, 8, 2)):
        block = ShortcutConv(channels, filters, stride=stride).eval()
        x = 3 * torch.randn(2, channels, 8, 8)
        nn.init.normal_(block.shift)
        nn.init.normal_(block.activation.shift)
        expected = nn.functional.conv2d(
            nn.functional.hardtanh(x + block.shift, -2, 2), block.conv.weight, stride=stride,
            padding=1)
        around = x
        if stride == 2:
            _, conv, norm = block.downsample
            around = norm(conv(nn.functional.avg_pool2d(x, 2)))
        total = block.bn(expected) + around
        torch.testing.assert_close(
            block(x), nn.functional.leaky_relu(total, 0.25) + block.activation.shift)


@pytest.mark.parametrize(("channels", "expected"), [(1, 8), (12, 16), (11.9, 16), (18, 24), (8, 8)])
def test_divisible(channels, expected):
    assert divisible(channels) == expected


def test_width_must_be_positive():
    with pytest.raises(NhotError, match="Width of a network must be positive, not one of -64"):
        build("mobilenet-v1-0.25", width=-2)

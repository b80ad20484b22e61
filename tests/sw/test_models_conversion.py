"""Every network of the catalogue as integers: torch and the reference agree in all of them."""

import pkgutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images
from torch import nn

from nhot.experiments.data import to_integers
from nhot.experiments.models import NAMES, build, entry
from nhot.network import Network, reference
from nhot.network.counts import count, requant_terms
from nhot.quant import quantize, to_network

# Options and sample shapes that keep the tests short; the other networks are small as they are.
REDUCED = {
    "resnet18": ({"width": 8, "classes": 10}, (3, 64, 64)),
    "mobilenet-v1-0.25": ({}, (3, 64, 64)),
    "mobilenet-v2": ({"width": 0.25, "classes": 10}, (3, 64, 64)),
    "centernet": ({"width": 0.25}, (3, 64, 96)),
}
DOCUMENT = Path(__file__).parents[2] / "docs/networks.md"
FULL = {
    "resnet18": (3, 224, 224), "mobilenet-v2": (3, 224, 224), "centernet": (3, 256, 320),
}


def images(shape: tuple[int, int, int], count: int, seed: int) -> torch.Tensor:
    """Smooth random fields of several scales, as natural images have them, in 0 to 1."""
    generator = torch.Generator().manual_seed(seed)
    channels, height, width = shape
    total = torch.zeros(count, *shape)
    for cells in (1, 2, 4, 8, 16):
        size = (min(cells, height), min(cells, width))
        field = torch.randn(count, channels, *size, generator=generator)
        total += nn.functional.interpolate(field, (height, width), mode="bilinear") / cells**0.5
    return torch.sigmoid(total)


def photographs(shape: tuple[int, int, int], count: int, seed: int) -> torch.Tensor:
    """Parts of the two photographs that come with scikit-learn, at half their size, in 0 to 1."""
    _, height, width = shape
    random = np.random.default_rng(seed)
    parts = []
    for index in range(count):
        picture = load_sample_images().images[index % 2][::2, ::2]
        top, left = (int(random.integers(a - b)) for a, b in zip(
            picture.shape, (height, width), strict=False))
        parts.append(picture[top : top + height, left : left + width].transpose(2, 0, 1))
    return torch.from_numpy(np.stack(parts)).float() / 255


def settle(model: nn.Module, x: torch.Tensor) -> nn.Module:
    """Give batch normalisation the statistics of ``x``, and gains and offsets that are not 1, 0."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.2)
    model.train()
    with torch.no_grad():
        for _ in range(10):
            model(x)
    return model.eval()


def assert_converts(name, format, *, options, shape, count, pictures=images, **more) -> Network:
    """Every integer of every layer, on images and on the extremes of the input."""
    torch.manual_seed(0)
    samples = pictures(shape, 6, seed=1)
    float_model = settle(build(name, **options), samples)
    model = quantize(float_model, format, samples, input_range=(0.0, 1.0), **more)
    network = to_network(model, name)
    noise = torch.randint(0, 2, (1, *shape)).float()  # 0 and 1 alone: beyond what was calibrated
    x = torch.cat([pictures(shape, count, seed=2), noise, torch.zeros_like(noise), 1 + 0 * noise])
    expected = reference.run(network, to_integers(network.input, x.numpy()), trace=True)
    found = model.integers(x)
    assert list(found) == list(expected)
    for layer, values in found.items():
        np.testing.assert_array_equal(values.permute(0, 2, 3, 1).numpy(), expected[layer], layer)
    last = expected[network.output_name]
    real = (last - network.output.zero_point) * network.output.scale
    ours = model(x).reshape(found[model.output].shape).permute(0, 2, 3, 1)
    np.testing.assert_array_equal(ours.numpy(), real.astype(np.float32))
    assert len(np.unique(last)) > 4  # the network is not dead
    return network


@pytest.mark.parametrize("format", ["2hot", "signed-binary"])
@pytest.mark.parametrize("name", NAMES)
def test_integers_equal_the_reference(name, format):
    options, shape = REDUCED.get(name, ({}, entry(name).input_shape))
    assert_converts(name, format, options=options, shape=shape, count=3)


@pytest.mark.parametrize(("terms", "format"), [
    (1, "2hot"), (2, "2hot"), (1, "int8"), (1, "signed-binary"),
])
@pytest.mark.parametrize("name", NAMES)
def test_multipliers_of_few_terms(name, terms, format):
    options, shape = REDUCED.get(name, ({}, entry(name).input_shape))
    network = assert_converts(
        name, format, options=options, shape=shape, count=1, requant_terms=terms
    )
    assert max(requant_terms(node) or 0 for node in network.nodes) <= terms


@pytest.mark.parametrize("name", [name for name in NAMES if entry(name).input_shape[0] == 3])
def test_integers_equal_the_reference_on_photographs(name):
    options, shape = REDUCED.get(name, ({}, entry(name).input_shape))
    assert_converts(name, "2hot", options=options, shape=shape, count=4, pictures=photographs)


@pytest.mark.parametrize("options", [
    {"upsample": "transposed"}, {"upsample": "transposed", "skips": False}, {"skips": False},
])
def test_other_detectors(options):
    smaller = {"width": 0.25, "filters": (32, 16, 16), "head": 16, "classes": 5}
    assert_converts("centernet", "2hot", options=smaller | options, shape=(3, 64, 32), count=2)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["2hot", "signed-binary"])
@pytest.mark.parametrize("name", FULL)
def test_integers_equal_the_reference_at_full_size(name, format):
    assert_converts(name, format, options={}, shape=FULL[name], count=1)


@pytest.mark.parametrize("name", NAMES)
def test_documented_counts(name):
    """The line of docs/networks.md and the factory's docstring have what is counted here."""
    item = entry(name)
    torch.manual_seed(0)
    model = build(name)
    # Signed-binary has no scales to search, which is what takes long.
    quantized = quantize(model, "signed-binary", images(item.input_shape, 2, seed=1))
    parameters = f"{sum(parameter.numel() for parameter in model.parameters()):,}"
    products = f"{count(to_network(quantized, name)).macs:,}"
    shape = " x ".join(map(str, item.input_shape))
    line = f"| `{name}` | {item.task} | {shape} | {parameters} | {products} | {item.source} |"
    assert line in DOCUMENT.read_text(encoding="utf-8").splitlines()
    text = " ".join(pkgutil.resolve_name(item.factory).__doc__.split())
    assert f"{parameters} parameters" in text
    assert f"{products} multiply-accumulates" in text


def test_every_network_is_documented_once_and_in_order():
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    rows = [line.split("`")[1] for line in lines if line[:3] == "| `"]
    assert rows == list(NAMES)

"""What a user may hand over by mistake: each is a named error, or does what the page says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nhot.errors import NhotError
from nhot.experiments.data import to_integers
from nhot.experiments.training import Settings, fit
from nhot.formats import parse
from nhot.network.reference import run
from nhot.quant import QuantModel, accuracy, finetune, quantize, to_network
from nhot.quant.loading import load_model
from nhot.quant.weights import GridWeights
from nhot.quant.weights_file import load_weights, save_weights
from nhot_sim.quantised import assert_exact as equal_in_both

PAGE = (Path(__file__).parents[2] / "docs" / "quantisation.md").read_text(encoding="utf-8")
SHAPES = (
    "Samples must have shape (samples, channels, height, width), (samples, channels, length) "
    "or (samples, features)"
)
FORMATS = ("1hot", "2hot", "ternary", "signed-binary", "int8")


class Net(nn.Module):
    """(batch, 3, 8, 8) -> (batch, 10)"""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, 4, 3, stride=2)
        self.dense = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm1(self.conv1(x)).relu()
        return self.dense(self.conv2(x).relu().flatten(1))


def network(**values: float) -> Net:
    """One element, or all with a name that ends in ``_all``, of each named parameter changed."""
    torch.manual_seed(0)
    model = Net()
    state = model.state_dict()
    for name, value in values.items():
        tensor = state[name.removesuffix("_all").replace("__", ".")]
        if name.endswith("_all"):
            tensor.fill_(value)
        else:
            tensor[0] = value
    return model


def samples() -> np.ndarray:
    return np.random.default_rng(0).random((20, 3, 8, 8), dtype=np.float32)


def assert_exact(model: QuantModel) -> None:
    """Torch and the reference compute the same integers."""
    made = to_network(model, "net")
    expected = run(made, to_integers(made.input, samples())).reshape(20, -1)
    found = model.integers(torch.from_numpy(samples()))[made.output.name].flatten(1)
    assert np.array_equal(found.numpy(), expected)


@pytest.mark.parametrize(("values", "message"), [
    ({"conv1__weight": np.nan},
     "Layer 'conv1': Weights must be finite numbers, not NaN or infinite"),
    ({"conv1__weight": np.inf},
     "Layer 'conv1': Weights must be finite numbers, not NaN or infinite"),
    ({"conv1__bias": np.nan},
     "Activations of 'conv1' must be finite numbers, not NaN or infinite"),
    ({"norm1__running_mean": np.nan},
     "Activations of 'conv1' must be finite numbers, not NaN or infinite"),
    ({"norm1__running_var": -1.0},
     "Activations of 'conv1' must be finite numbers, not NaN or infinite"),
    ({"norm1__weight": np.inf},
     "Activations of 'conv1' must be finite numbers, not NaN or infinite"),
    ({"conv2__weight_all": 0.0, "conv2__bias_all": -1.0},
     "Activations of 'conv2' must not all be zero on the calibration samples"),
])
def test_bad_weights_are_refused(values, message):
    with pytest.raises(NhotError) as caught:
        quantize(network(**values), "2hot", samples())
    assert str(caught.value) == message
    assert message in PAGE


@pytest.mark.parametrize("format", [*FORMATS, "binary"])
@pytest.mark.parametrize("values", [
    {"conv1__weight": 0.0},  # a filter of zeros
    {"conv1__weight_all": 0.0},
    {"conv1__weight": 0.5},  # a filter of equal weights
    {"conv1__weight_all": 0.5},
    {"norm1__weight": 0.0},
    {"norm1__running_var": 0.0},
    {"conv1__weight": 1e-30},
    {"conv1__weight": 1e30},
    {"norm1__bias": -1e3},  # a channel that never fires
], ids=lambda values: "-".join(f"{name}={value}" for name, value in values.items()))
def test_odd_weights_stay_exact(format, values):
    assert_exact(quantize(network(**values), format, samples()))


@pytest.mark.parametrize("format", [*FORMATS, "binary"])
def test_a_filter_of_zeros_is_its_bias(format):
    model = quantize(network(dense__weight=0.0, dense__bias=0.25), format, samples())
    levels, scale = model.filters[-1].weights.integers(model.filters[-1].weight)
    assert format == "binary" or not levels[0].any()
    assert scale[0] > 0
    with torch.no_grad():
        step = model.grids()[model.output].scale
        assert (model(torch.from_numpy(samples()))[:, 0] - 0.25).abs().max() <= step


def test_a_scale_is_never_zero():
    weights = torch.stack([torch.zeros(9), torch.full((9,), 1e-30)])
    for format in set(FORMATS) - {"signed-binary"}:
        for power_of_two in (False, True):
            quant = GridWeights(parse(format), weights, power_of_two=power_of_two)
            levels, scale = quant.integers(weights)
            assert (scale > 0).all()
            assert np.isfinite(scale).all()
            assert not levels[0].any()
            assert levels[1].all()


@pytest.mark.parametrize(("x", "message"), [
    (samples() * np.nan, "Samples must be finite numbers, not NaN or infinite"),
    (samples() * np.inf, "Samples must be finite numbers, not NaN or infinite"),
    (samples() * 0, "Activations of 'input' must not all be zero on the calibration samples"),
    (samples()[:0], f"{SHAPES}, not (0, 3, 8, 8)"),
    (samples()[0, 0, 0], f"{SHAPES}, not (8,)"),
])
def test_bad_samples_are_refused(x, message):
    with pytest.raises(NhotError) as caught:
        quantize(network(), "2hot", x)
    assert str(caught.value) == message


@pytest.mark.parametrize("shape", [(20, 1, 8, 8), (20, 3, 4, 4), (20, 192)])
def test_samples_of_another_shape_are_refused(shape):
    with pytest.raises(NhotError, match=r"Model must run on samples of shape \(2, .*\), but: "):
        quantize(network(), "2hot", np.ones(shape, np.float32))
    model = quantize(network(), "2hot", samples())
    with pytest.raises(NhotError, match=r"Input must have shape \(batch, 3, 8, 8\), not"):
        accuracy(model, np.ones(shape, np.float32), np.zeros(20, np.int64))


@pytest.mark.parametrize("limits", [(1.0, 2.0), (1.0, 0.0), (0.0, np.nan), (-np.inf, 1.0)])
def test_bad_ranges_are_refused(limits):
    with pytest.raises(NhotError, match="Range of an activation must hold 0, not"):
        quantize(network(), "2hot", samples(), input_range=limits)


def test_a_range_of_nothing_is_refused():
    with pytest.raises(NhotError, match="Activations of 'input' must not all be zero"):
        quantize(network(), "2hot", samples(), input_range=(0.0, 0.0))


@pytest.mark.parametrize(("labels", "message"), [
    (np.arange(20) % 11, "Labels must be 0 to 9, as the model has classes, not 0 to 10"),
    (np.arange(20) % 3 - 1, "Labels must be 0 to 9, as the model has classes, not -1 to 1"),
    (np.zeros(20), "Labels must be one integer a sample (20), not torch.float64 of shape (20,)"),
    (np.zeros(3, int), "Labels must be one integer a sample (20), not torch.int64 of shape (3,)"),
])
def test_bad_labels_are_refused(labels, message):
    model = quantize(network(), "2hot", samples())
    with pytest.raises(NhotError) as caught:
        finetune(model, samples(), labels, epochs=1)
    assert str(caught.value) == message


def test_weights_of_another_network(tmp_path):
    path = tmp_path / "w.pt"
    for model, difference in [
        (Net(width=5), "its 'conv1.weight' has shape (4, 3, 3, 3), not (5, 3, 3, 3)"),
        (load_model("jet-mlp"), "they have no 'conv1.weight'"),
        (nn.ModuleDict({**dict(Net().named_children()), "more": nn.Linear(1, 1)}),
         "it has no 'more.weight'"),
    ]:
        save_weights(model, path)
        with pytest.raises(NhotError) as caught:
            load_weights(Net(), path)
        assert str(caught.value) == f"Weights {str(path)!r} must be of this network: {difference}"


def test_weights_from_elsewhere(tmp_path):
    path = tmp_path / "w.pt"
    model = network()
    for content in (model.state_dict(), {"state_dict": model.state_dict(), "epoch": 3}):
        torch.save(content, path)
        found = Net()
        load_weights(found, path)
        assert all(
            torch.equal(value, found.state_dict()[name])
            for name, value in model.state_dict().items()
        )


def test_files_that_are_no_weights(tmp_path):
    path = tmp_path / "w.pt"
    fit(network(), (samples(), np.zeros(20, int)), Settings(epochs=1, lr=0.1), run=tmp_path)
    checkpoint = (tmp_path / "checkpoint.pt").read_bytes()
    save_weights(network(), path)
    whole = path.read_bytes()
    refusal = f"Weights {str(path)!r} must be "
    for content in (b"text", whole[:-99], whole[:99], checkpoint[:-9], checkpoint[:30]):
        path.write_bytes(content)
        with pytest.raises(NhotError) as caught:
            load_weights(Net(), path)
        assert str(caught.value).startswith(refusal)
        assert str(caught.value).endswith("damaged or cut short")
    with pytest.raises(NhotError, match=r"absent\.pt' could not be read: No such file"):
        load_weights(Net(), tmp_path / "absent.pt")
    path.write_bytes(checkpoint)
    load_weights(Net(), path)


def test_one_output_that_is_no_number_is_refused_as_such():
    model = nn.Conv2d(3, 2, 1)
    with torch.no_grad():
        model.bias[1] = torch.nan
    with pytest.raises(NhotError, match="Activations of '0' must be finite numbers, not NaN"):
        quantize(model, "int8", samples())


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return torch.relu(x + y)


class AlsoByName(nn.Module):
    def forward(self, x, *, scale):
        return torch.relu(x) * scale


@pytest.mark.parametrize(("model", "name"), [(TwoInputs(), "y"), (AlsoByName(), "scale")])
def test_a_second_input_is_refused(model, name):
    with pytest.raises(NhotError, match=f"Model must have one input, not a second one '{name}'$"):
        quantize(model, "int8", samples())


class Padded(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 3)

    def forward(self, x):
        return self.linear(nn.functional.pad(x, (0, 0)))


def test_a_padding_of_nothing_changes_nothing():
    torch.manual_seed(1)
    x = torch.randn(8, 6)
    model = quantize(Padded(), "int8", x)
    equal_in_both(model, x)
    assert to_network(model, "padded").output.shape == (1, 1, 3)

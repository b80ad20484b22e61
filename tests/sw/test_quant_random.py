"""Random modules of all operators, in all spellings: torch, the layers and the reference agree."""

from __future__ import annotations

import copy
import re

import pytest
import torch

from nhot.errors import NhotError
from nhot.quant import quantize
from nhot.quant.exact import unround
from nhot.quant.tracing.aliases import Aliases
from nhot.testing.modules import random_module
from nhot_sim.quantised import assert_exact

FORMATS = ("int8", "2hot", "int8", "1hot", "ternary", "signed-binary", "binary", "2hot+")
SEEDS = [seed for seed in range(300) if seed != 39]
# Nothing passes a ReLU, or a sum cancels.
DEAD = re.compile("must not all be zero on the calibration samples|must be 0 or between")


def samples(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.randn(12, *shape, generator=torch.Generator().manual_seed(seed))


def check(seed: int) -> None:
    model = random_module(seed)
    x = samples(model.shape, seed)
    state, kept = copy.deepcopy(model.state_dict()), x.clone()
    with torch.no_grad():
        expected = model(x.clone())
    name = FORMATS[seed % len(FORMATS)]
    quantized = quantize(model, name, x, activation_terms=2 if seed % 11 == 0 else None)

    assert torch.equal(x, kept)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert_exact(quantized, torch.cat([x, 3 * x]))

    floats = copy.deepcopy(quantized)
    for layer in floats:
        unround(layer)
    with torch.no_grad():
        values = floats.floats(x)[floats.output].reshape(expected.shape)
        torch.testing.assert_close(values, expected, rtol=1e-4, atol=1e-4)
        if name == "int8" and seed % 11:
            error = (quantized(x) - expected).square().mean().sqrt() / expected.std()
            assert error < 0.15  # five times as much as any of these


@pytest.mark.parametrize("seed", SEEDS[:40])
def test_random_modules(seed):
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS[40:])
def test_many_random_modules(seed):
    refusal = None
    try:
        check(seed)
    except NhotError as error:
        refusal = str(error)
    assert refusal is None or DEAD.search(refusal), refusal


def test_modules_are_random_and_repeatable():
    names = {type(part).__name__ for seed in range(40) for part in random_module(seed).modules()}
    assert names > {"Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d", "BatchNorm1d",
                    "BatchNorm2d", "ReLU", "ReLU6", "Hardtanh", "MaxPool1d", "MaxPool2d",
                    "AvgPool1d", "AvgPool2d", "ConstantPad2d", "Linear", "Upsample", "Flatten"}
    first, second = random_module(3), random_module(3)
    x = samples(first.shape, 0)
    assert torch.equal(first(x.clone()), second(x.clone()))


def test_a_trace_that_is_wrong_is_noticed(monkeypatch):
    """Without the watch over writes in place, layers are found to differ from the model."""
    monkeypatch.setattr(Aliases, "writer", lambda self, node: (None, True))
    model = random_module(6)
    with pytest.raises(NhotError, match="Layer 'add' must compute what step 'add' of the model"):
        quantize(model, "int8", samples(model.shape, 6))

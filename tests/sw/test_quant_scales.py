"""Scales of weights: searched, exact where they can be, and powers of two."""

import pytest
import torch

from nhot.formats import Uniform, parse
from nhot.quant.weights import nearest, search, search_scale, weight_quant
from nhot.testing.weight_specs import spec


def squared_error(rows, scale, format):
    scale = scale[:, None]
    return (scale * nearest(rows / scale, format) - rows).square().sum(1)


@pytest.mark.parametrize("name", ["1hot", "2hot", "3hot@5", "ternary", "int4", "int8", "apot4",
                                  "2hot/0-9-18-28-40-56-72-96"])
def test_searched_scale_is_the_best_of_a_fine_grid(name):
    torch.manual_seed(2)
    rows, format = torch.randn(5, 200), parse(name)
    found = squared_error(rows, search_scale(rows, format), format)
    full = rows.abs().amax(1) / format.max_level
    for fraction in torch.linspace(0.15, 1.5, 500):
        assert (found <= squared_error(rows, full * fraction, format) * 1.1 + 1e-6).all()


def test_scales_do_not_depend_on_how_many_are_searched_at_a_time(monkeypatch):
    torch.manual_seed(5)
    rows = torch.randn(7, 20)
    whole = search_scale(rows, parse("2hot"))
    monkeypatch.setattr(search, "_BLOCK", 2 * 20)
    assert torch.equal(search_scale(rows, parse("2hot")), whole)


def test_scale_of_few_weights_is_exact():
    rows = torch.tensor([[3.0, -96.0, 24.0], [0.0, 0.5, -0.25]])
    scale = search_scale(rows, parse("1hot"))
    assert squared_error(rows, scale, parse("1hot")).tolist() == pytest.approx([0, 0], abs=1e-9)


def test_scales_that_are_powers_of_two():
    torch.manual_seed(3)
    rows, format = torch.randn(6, 300) * torch.logspace(-3, 3, 6)[:, None], parse("2hot")
    scale = search_scale(rows, format, power_of_two=True)
    assert (scale.log2() == scale.log2().round()).all()
    found = squared_error(rows, scale, format)
    for factor in (0.5, 2.0):
        assert (found <= squared_error(rows, scale * factor, format)).all()
    quant = weight_quant(spec("2hot", scale="power-of-two"), rows)
    assert quant.integers(rows)[1].tolist() == scale.tolist()
    assert not list(quant.parameters())


def test_searched_scales_are_not_trained():
    weight = torch.randn(4, 9)
    assert not list(weight_quant(spec("2hot", scale="searched"), weight).parameters())
    assert len(list(weight_quant(spec("2hot"), weight).parameters())) == 1


def test_search_of_one_scale_for_many_weights():
    torch.manual_seed(4)
    row, format = torch.randn(1, 300_000), parse("2hot")
    best = search_scale(row, format)
    for factor in (0.8, 0.9, 1.1, 1.25):
        assert squared_error(row, best, format) <= squared_error(row, best * factor, format) * 1.02


def test_fine_levels_are_not_searched():
    """The largest weight is the largest level, refined to the best scale for these levels."""
    rows = torch.randn(3, 40, generator=torch.Generator().manual_seed(2)).double()
    for bits in (12, 14):
        fmt = Uniform(bits=bits)
        full = rows.abs().amax(1) / fmt.max_level
        found = search_scale(rows, fmt)
        assert ((found / full - 1).abs() < 2.0**-bits).all()

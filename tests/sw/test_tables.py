"""Formats by a table: levels that are the best of all, and the way to a network and back."""

import dataclasses
from itertools import combinations

import numpy as np
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nhot.compiler import compile_network
from nhot.contract.config import EngineConfig
from nhot.errors import NhotError
from nhot.experiments.training import Settings
from nhot.export import to_onnx
from nhot.formats import NHot, Table, parse
from nhot.network import Conv2d
from nhot.network.additions import network_additions
from nhot.network.file import from_bytes, to_bytes
from nhot.network.reference import run
from nhot.quant import post_train, quantize, to_network
from nhot.quant.recipes import recipe, run_recipe
from nhot.quant.weights import best_levels, nearest, search_scale, weight_quant
from nhot.quant.weights.best_levels import best_magnitudes, fit_table
from nhot.testing.networks import random_input
from nhot.testing.strategies import activations, networks, tables
from nhot.testing.weight_specs import spec

OPEN = parse("2hot/16")


def error(values, importance, magnitudes):
    distances = np.abs(values[:, None] - np.array(magnitudes)).min(1)
    return float((importance * distances**2).sum())


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0, 300), st.floats(0, 4)), min_size=1, max_size=20),
    st.sampled_from([2, 3, 4]),
)
def test_no_other_magnitudes_err_less(weights, count):
    values, importance = np.array(weights).T
    of = NHot(bits=5, n=2)
    found = best_magnitudes(values, importance, of, count)
    assert found[0] == 0
    assert len(found) == count
    positive = of.levels[of.levels > 0].tolist()
    least = min(
        error(values, importance, (0, *some)) for some in combinations(positive, count - 1)
    )
    assert error(values, importance, found) == pytest.approx(least, rel=1e-9, abs=1e-9)


def test_weights_on_the_levels_of_a_table_are_found():
    """Filters of different scales, each of which has the largest level."""
    torch.manual_seed(0)
    wanted = (0, 3, 10, 20, 33, 48, 72, 127)
    levels = torch.tensor(wanted)[torch.randint(0, 8, (4, 200))] * (
        1 - 2 * torch.randint(0, 2, (4, 200)))
    levels[:, 0] = 127
    weight = levels * torch.tensor([1.0, 0.25, 8.0, 1 / 64])[:, None]
    table = fit_table(OPEN, weight)
    assert table.magnitudes == wanted
    assert torch.equal(weight_quant(spec("2hot/16"), weight).integers(weight)[0], levels)


@pytest.mark.parametrize("options", [{}, {"per_channel": False}, {"scale": "power-of-two"}])
def test_a_table_errs_less_than_other_formats_of_four_bits(options):
    torch.manual_seed(1)
    weight = torch.randn(16, 300)
    errors = {}
    for name in ("2hot/16", "1hot", "apot4", "int4", "2hot"):
        quant = weight_quant(spec(name, **options), weight)
        errors[name] = float((quant(weight) - weight).detach().square().sum())
    assert errors["2hot"] < errors["2hot/16"]
    assert errors["2hot/16"] < min(errors[name] for name in ("1hot", "apot4", "int4"))


def squared_error(rows, scale, format):
    return float(((scale * nearest(rows / scale, format) - rows) ** 2).sum())


def swapped(table):
    """The tables that differ in one magnitude."""
    for place in range(1, len(table.magnitudes)):
        for level in set(table.of.levels[table.of.levels > 0].tolist()) - set(table.magnitudes):
            others = (*table.magnitudes[:place], *table.magnitudes[place + 1 :], level)
            yield Table(of=table.of, magnitudes=tuple(sorted(others)))


@pytest.mark.parametrize(("options", "spread"), [
    ({}, 100.0), ({"per_channel": False}, 2.0), ({"power_of_two": True}, 100.0),
])
def test_no_magnitude_can_be_had_better(options, spread):
    """At the scales of the table before, for filters whose scales are far apart."""
    torch.manual_seed(3)
    weight = torch.randn(6, 9) * torch.logspace(0, np.log10(spread), 6)[:, None]
    rows = weight.double() if options.get("per_channel", True) else weight.double().reshape(1, -1)
    power_of_two = options.get("power_of_two", False)
    before, now = parse("2hot"), None
    for rounds in (1, 2):
        scale = search_scale(rows, before, power_of_two=power_of_two)[:, None]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(best_levels, "ROUNDS", rounds)
            now = fit_table(OPEN, weight, **options)
        least = squared_error(rows, scale, now) * (1 - 1e-9)
        assert all(squared_error(rows, scale, other) >= least for other in swapped(now))
        before = now
    assert now == fit_table(OPEN, weight, **options)


def test_scales_are_those_of_the_rounding():
    """One for a layer, or powers of two, where weights are rounded so."""
    torch.manual_seed(3)
    weight = torch.randn(5, 40) * torch.logspace(0, 2, 5)[:, None]
    found = {
        weight_quant(spec("2hot/16", **options), weight).format
        for options in ({}, {"per_channel": False}, {"scale": "power-of-two"})
    }
    assert found == {
        fit_table(OPEN, weight), fit_table(OPEN, weight, per_channel=False),
        fit_table(OPEN, weight, power_of_two=True),
    }
    assert len(found) == 3


def test_layers_without_weights_have_a_table():
    weight = torch.zeros(3, 5)
    quant = weight_quant(spec("2hot/16"), weight)
    assert not quant.integers(weight)[0].any()
    assert len(quant.format.magnitudes) == 8


def model():
    torch.manual_seed(3)
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1, groups=2), nn.ReLU(), nn.Conv2d(8, 6, 1), nn.ReLU(),
        nn.Flatten(), nn.Linear(6 * 16, 3),
    )


def samples(count=40):
    return torch.rand(count, 2, 4, 4, generator=torch.Generator().manual_seed(4))


def labels(count=40):
    return torch.arange(count) % 3


def assert_exact(quantized):
    """The network computes what the model does, and so does the one that is read from its file."""
    network = to_network(quantized, "net")
    x = random_input(network.input, 4, 0)
    ours = quantized.integers((torch.from_numpy(x).permute(0, 3, 1, 2) / 255).float())
    expected = ours[quantized.output].permute(0, 2, 3, 1).numpy()
    loaded = from_bytes(to_bytes(network))
    for one in (network, loaded):
        np.testing.assert_array_equal(run(one, x), expected)
    for node, read in zip(network.nodes, loaded.nodes, strict=True):
        if isinstance(node, Conv2d):
            assert isinstance(read.format, Table)
            assert read.format == node.format
            assert read.format.contains(read.weights).all()
    return network


def test_each_layer_has_a_table_of_its_own():
    quantized = quantize(model(), "2hot/16", samples(), input_range=(0, 1))
    assert len(set(quantized.formats.values())) == 3
    assert {format.kind for format in quantized.formats.values()} == {"2hot/16"}
    network = assert_exact(quantized)
    assert network_additions(network, OPEN).sums == 8 * 16 + 6 * 16 + 3
    assert network_additions(network, parse("2hot/8")).sums == 0


@pytest.mark.parametrize("adaptive", [False, True])
def test_without_training(adaptive):
    quantized = quantize(model(), "2hot/16", samples(), input_range=(0, 1))
    tables = quantized.formats
    post_train(quantized, model(), samples(), adaptive=adaptive)
    assert quantized.formats == tables
    assert_exact(quantized)


def test_training_keeps_the_tables_and_a_checkpoint_fits_them(tmp_path):
    """A model that is made anew from the float one has the tables that it was trained with."""
    trained, again = (
        quantize(model(), "2hot/16", samples(), input_range=(0, 1)) for _ in range(2)
    )
    tables, before = trained.formats, trained.filters[0].weight.detach().clone()
    plan = recipe("two-stage", tables, Settings(epochs=4, lr=1e-2, batch=10, optimizer="adam"))
    assert len(plan.stages) == 1
    for quantized in (trained, again):
        run_recipe(quantized, (samples(), labels()), plan, run=tmp_path)
        assert quantized.formats == tables
    assert not torch.equal(trained.filters[0].weight, before)
    assert torch.equal(trained.filters[0].weight, again.filters[0].weight)
    first, second = assert_exact(trained), assert_exact(again)
    x = random_input(first.input, 4, 1)
    np.testing.assert_array_equal(run(first, x), run(second, x))


def test_another_format_for_the_present_weights():
    quantized = quantize(model(), "2hot", samples(), input_range=(0, 1))
    quantized.set_format(OPEN)
    fitted = quantize(model(), "2hot/16", samples(), input_range=(0, 1))
    assert quantized.formats == fitted.formats
    quantized.set_format(parse("2hot"))
    assert {format.name for format in quantized.formats.values()} == {"2hot"}


@settings(max_examples=40)
@given(st.data())
def test_networks_of_any_tables_come_back(data):
    network = data.draw(networks(fmt=data.draw(tables())))
    x = data.draw(activations(network.input, batch=2))
    loaded = from_bytes(to_bytes(network))
    np.testing.assert_array_equal(run(loaded, x), run(network, x))
    formats = [getattr(node, "format", None) for node in network.nodes]
    assert [getattr(node, "format", None) for node in loaded.nodes] == formats


def test_exported_files_compute_what_the_network_file_does():
    network = to_network(quantize(model(), "2hot/16", samples(), input_range=(0, 1)), "net")
    x = random_input(network.input, 6, 2)
    real = (x * network.input.scale).astype(np.float32).transpose(0, 3, 1, 2)
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    own, exported = (
        onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"]).run(
            None, {network.input.name: real})[0]
        for data in (to_bytes(network), to_onnx(network))
    )
    np.testing.assert_array_equal(own, exported)
    output = network.output
    integers = np.rint(own / output.scale).astype(int).reshape(6, -1) + output.zero_point
    assert np.abs(integers - run(network, x).reshape(6, -1)).max() <= 1


def test_no_weights_are_of_an_open_table():
    network = to_network(quantize(model(), "2hot/16", samples(), input_range=(0, 1)), "net")
    (node, *_) = (node for node in network.nodes if isinstance(node, Conv2d))
    with pytest.raises(NhotError, match="Levels of 2hot/16 must be chosen for the weights"):
        dataclasses.replace(node, format=OPEN)


def test_an_engine_of_all_levels_runs_it_and_others_refuse():
    sizes = {"pixels": 1, "filters": 2, "inputs": 2, "accumulator_bits": 24}
    network = to_network(quantize(model(), "2hot/16", samples(), input_range=(0, 1)), "net")
    image = compile_network(network, EngineConfig(format="2hot", **sizes))
    assert image.config.format == "2hot"
    with pytest.raises(NhotError, match="must be a level of 1hot, not"):
        compile_network(network, EngineConfig(format="1hot", **sizes))


def test_scale_of_a_table_is_searched_for_its_levels():
    torch.manual_seed(5)
    weight = torch.randn(4, 50)
    quant = weight_quant(spec("2hot/16"), weight)
    torch.testing.assert_close(quant.scale(weight), search_scale(weight, quant.format))

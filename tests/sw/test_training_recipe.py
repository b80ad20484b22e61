"""Recipes: which formats a model goes through, what they give, and going on after a stop."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from nhot.errors import NhotError
from nhot.experiments.data import to_integers
from nhot.experiments.training import CropFlip, CrossEntropy, Distillation, Settings, read_log
from nhot.formats import parse
from nhot.network import reference
from nhot.quant import QuantModel, accuracy, finetune, quantize, to_network
from nhot.quant.recipes import Recipe, Stage, recipe, run_recipe

PAGE = Path(__file__).parents[2] / "docs" / "training.md"


def blobs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    return (3 * np.eye(3, 6)[y] + rng.normal(size=(60, 6)) / 2).astype(np.float32), y


def quantized(format: str = "2hot", seed: int = 0, **options) -> QuantModel:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    return quantize(model, format, blobs()[0], **options)


def settings(**changes) -> Settings:
    return Settings(**{"epochs": 2, "lr": 0.04, "batch": 20, "device": "cpu", **changes})


@pytest.mark.parametrize(("name", "format", "expected"), [
    ("one-stage", "2hot", ["2hot"]),
    ("two-stage", "2hot", ["int8", "2hot"]),
    ("two-stage", "signed-binary", ["signed-binary"]),
    ("progressive", "2hot", ["int8", "2hot"]),
    ("progressive", "1hot@6", ["int8", "int6", "1hot@6"]),
    ("progressive", "ternary", ["int8", "int6", "int4", "ternary"]),
    ("progressive", "int4", ["int8", "int6", "int4"]),
    ("from-scratch", "signed-binary", ["signed-binary"]),
])
def test_recipes(name, format, expected):
    made = recipe(name, parse(format), settings(seed=5))
    assert [stage.format_name for stage in made.stages] == expected
    rates = [0.04] * len(expected)
    if len(expected) > 1:
        rates[-1] = 0.01
    assert [stage.settings.lr for stage in made.stages] == rates
    assert [stage.settings.seed for stage in made.stages] == list(range(5, 5 + len(expected)))
    assert [stage.restart for stage in made.stages] == [name == "from-scratch"] * len(expected)


def test_layers_of_several_formats_go_their_own_ways():
    made = recipe("progressive", {"0": parse("int8"), "3": parse("1hot@6")}, settings())
    assert [stage.format_name for stage in made.stages] == [
        "0 int8, 3 int8", "0 int8, 3 int6", "0 int8, 3 1hot@6"
    ]


def test_unknown_recipes_are_refused():
    with pytest.raises(NhotError, match=r"Recipe must be one of one-stage, .*, not 'x'"):
        recipe("x", parse("2hot"), settings())
    with pytest.raises(NhotError, match="Recipe must have at least one stage"):
        Recipe("empty", ())
    bf16 = recipe("one-stage", parse("2hot"), settings(precision="bf16"))
    with pytest.raises(NhotError, match="Precision of a quantised model must be fp32"):
        run_recipe(quantized(), blobs(), bf16)


def test_finetuning_keeps_the_formats_of_layers():
    model = quantized("2hot", formats={"0": "int8"})
    formats = model.formats
    assert [one.name for one in formats.values()] == ["int8", "2hot"]
    finetune(model, *blobs(), epochs=1)
    assert model.formats == formats


@pytest.mark.parametrize("name", ["one-stage", "two-stage", "progressive", "from-scratch"])
def test_effects_are_told(name):
    model = quantized("1hot@6")
    result = run_recipe(
        model, blobs(), recipe(name, model.formats, settings(epochs=8)),
        evaluate=lambda one: accuracy(one, *blobs()),
    )
    assert result.recipe == name
    assert all(stage.measure == "metric" and stage.epochs == 8 for stage in result.stages)
    assert result.stages[-1].format == "1hot@6"
    assert result.stages[-1].after == accuracy(model, *blobs()) > 0.9


def test_without_a_metric_the_loss_is_measured():
    model = quantized()
    result = finetune(model, *blobs(), epochs=8, lr=0.02, teacher=quantized(seed=1))
    assert {stage.measure for stage in result.stages} == {"loss"}
    assert result.stages[-1].after < result.stages[0].before


def test_from_scratch_forgets_the_weights():
    results = []
    for seed in range(2):
        model = quantized("signed-binary", seed)
        run_recipe(model, blobs(), recipe("from-scratch", model.formats, settings()),
                   samples=blobs()[0])
        results.append(model.state_dict())
    assert all(torch.equal(value, results[1][name]) for name, value in results[0].items())


@pytest.mark.parametrize(("name", "epochs", "after", "terms"), [
    ("progressive", 2, 4, 4), ("progressive", 2, 8, 4), ("progressive", 2, 11, 4),
    ("progressive", 2, 8, 1), ("from-scratch", 8, 4, 1), ("from-scratch", 8, 20, 2),
])  # three steps an epoch, in four stages or one
def test_a_stopped_recipe_goes_on(tmp_path, name, epochs, after, terms):
    def train(model, folder, loss=None):
        return run_recipe(
            model, blobs(), recipe(name, parse("ternary"), settings(epochs=epochs)), loss=loss,
            run=folder, evaluate=lambda one: accuracy(one, *blobs()),
        )

    def fresh():
        return quantized("ternary", requant_terms=terms)

    calls = 0

    def stopping(model, *batch):
        nonlocal calls
        calls += 1
        if calls == after:
            raise KeyboardInterrupt
        return CrossEntropy()(model, *batch)

    whole, found = fresh(), fresh()
    expected = train(whole, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(fresh(), tmp_path / "stopped", stopping)
    result = train(found, tmp_path / "stopped")

    def timeless(stages):
        return [{**vars(stage), "seconds": 0} for stage in stages]

    assert timeless(result.stages) == timeless(expected.stages)
    assert found.formats == whole.formats
    assert all(
        torch.equal(value, found.state_dict()[name]) for name, value in whole.state_dict().items()
    )
    assert train(fresh(), tmp_path / "stopped") == result  # all is loaded
    log = read_log(tmp_path / "whole" / "log.jsonl")
    assert [line["event"] for line in log] == ["recipe", *["stage"] * len(expected.stages)]
    assert [line["after"] for line in log[1:]] == [stage.after for stage in expected.stages]


def test_a_run_of_another_format_is_refused(tmp_path):
    run_recipe(quantized(), blobs(), recipe("one-stage", parse("2hot"), settings()), run=tmp_path)
    other = Recipe("other", (Stage(name="2hot", format=parse("3hot"), settings=settings()),))
    with pytest.raises(NhotError, match="its format is 2hot, not 3hot"):
        run_recipe(quantized("3hot"), blobs(), other, run=tmp_path)
    (tmp_path / "1-2hot" / "result.json").write_text(json.dumps({"after": 1}), encoding="utf-8")
    with pytest.raises(NhotError, match=r"Result '.*result\.json' must have the field 'name'"):
        run_recipe(
            quantized(), blobs(), recipe("one-stage", parse("2hot"), settings()), run=tmp_path
        )


@pytest.mark.parametrize(("first", "then", "message"), [
    (1, 2, "its requant_terms is 1, not 2"), (4, 1, "its requant_terms is none, not 1"),
    (2, 4, "its requant_terms is 2, not none"),
])
def test_a_run_of_other_multipliers_is_refused(tmp_path, first, then, message):
    one = recipe("one-stage", parse("2hot"), settings())
    run_recipe(quantized(requant_terms=first), blobs(), one, run=tmp_path)
    with pytest.raises(NhotError, match=message):
        run_recipe(quantized(requant_terms=then), blobs(), one, run=tmp_path)


@pytest.mark.parametrize("terms", [1, 2, 4])
def test_products_are_chosen_in_the_middle_of_a_training_from_random_weights(terms):
    model, chosen = quantized("ternary", requant_terms=terms), []

    def watched(model, *batch):
        if model.training:
            chosen.append({one.short is not None and one.short.chosen for one in model.filters})
        return CrossEntropy()(model, *batch)

    plan = recipe("from-scratch", parse("ternary"), settings(epochs=4))
    run_recipe(model, blobs(), plan, loss=watched)
    assert chosen == [{False}] * 6 + [{terms < 4}] * 6


def test_progress_reaches_the_weights():
    seen = []

    class Watching(QuantModel):
        def set_progress(self, part):
            seen.append(part)
            super().set_progress(part)

    model = quantized()
    model.__class__ = Watching
    run_recipe(model, blobs(), recipe("one-stage", model.formats, settings(epochs=4)),
               loss=Distillation(quantized()))
    assert seen == [0, 0.25, 0.5, 0.75]


def test_convolutions_stay_exact_in_another_order_of_memory():
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 2, 6, 6), dtype=np.float32), np.arange(40) % 3
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)
    )
    model = quantize(layers, "2hot", x)
    run_recipe(model, (x, y), recipe("two-stage", model.formats, settings()), augment=CropFlip(1),
               evaluate=lambda one: accuracy(one, x, y))
    assert all(layer.weight.is_contiguous() for layer in model.filters)
    network = to_network(model, "small")
    found = reference.run(network, to_integers(network.input, x)).reshape(40, 3)
    last = list(model.integers(torch.from_numpy(x)).values())[-1]
    assert np.array_equal(found, last.flatten(1).numpy())


def test_code_in_the_document(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "document"}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(compile(block, PAGE.name, "exec"), names)
    assert names["history"].metric > 0.9
    assert names["result"].stages[-1].after > 0.9
    assert capsys.readouterr().out.count("hot") == 1


@pytest.mark.parametrize("frozen", [True, False])
def test_statistics_of_normalisation_can_be_kept(frozen):
    model = quantized()
    before = {name: value.clone() for name, value in model.named_buffers() if "running_" in name}
    assert len(before) == 2
    chosen = settings(freeze_statistics=frozen)
    run_recipe(model, blobs(), recipe("one-stage", model.formats, chosen))
    after = dict(model.named_buffers())
    assert all(torch.equal(value, after[name]) == frozen for name, value in before.items())

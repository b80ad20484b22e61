"""The study that judges signed-binary: what is compared with what, and that all of it can be."""

from math import prod

import pytest
import torch

from nhot.experiments.models import build
from nhot.experiments.studies import Record, study
from nhot.experiments.studies.aims import aims
from nhot.experiments.studies.beside_binary import DENSEST
from nhot.formats import parse
from nhot.network.operators import Filters
from nhot.quant import quantize, to_network

STUDY = study("cifar10-signed-binary")
CANDIDATES = {one.name: one for row in STUDY.rows for one in row.candidates}
ACTIVE = {"effectual": 0, "weights": 272_000, "bits": 1, "terms": 1, "macs": 1, "shift_adds": 1,
          "mean_shift_adds": 1}


def weights(width, model="resnet20"):
    found = build(model, width=width).parameters()
    return sum(prod(one.shape) for one in found if one.dim() in {2, 4})


@pytest.mark.parametrize("name", [
    "sb-8-schedule", "sb-16-rate-0.01", "t-rate-0.01", "plum-b-rate-0.03",
    "plum-sb-filter-rate-0.03", "plum-sb-8-real-rate-0.01",
])
def test_candidates_can_be_trained(name):
    """All layers have the row's format but the first, the last and the shortcuts."""
    row = CANDIDATES[name]
    torch.manual_seed(0)
    model = build(row.model or STUDY.network, **{**row.network, "width": 4})
    x = torch.rand(2, 3, 32, 32)
    quantized = quantize(model, row.format, x, input_range=(0.0, 1.0), **row.options)
    assert quantized.real == name.startswith("plum-sb-8-real")
    layers = {node.output.name: node.format for node in to_network(quantized, "x").nodes
              if isinstance(node, Filters)}
    ends = [layer for layer, format in layers.items() if format == parse("int8")]
    assert len(ends) == 4
    assert set(ends) == set(row.options["formats"])
    assert [layer for layer, format in layers.items() if format == parse(row.format)] == [
        layer for layer in layers if layer not in ends]


def test_signed_binary_is_compared_with_a_network_of_more_weights():
    for model in ("resnet20", "resnet20-plum"):
        whole = DENSEST * weights(16, model)
        assert weights(9, model) < whole < weights(10, model)
    assert STUDY.row("signed-binary-sparse").densest * weights(16) < weights(9)
    for row in STUDY.rows:
        assert ("signed-binary" in row.name) == (row.densest < 1)
        widths = {one.network["width"] for one in row.candidates}
        assert widths <= {int(row.name.split("-width-")[-1].split("-")[0])
                          if "width" in row.name else 16}


def test_binary_has_the_rates_of_signed_binary():
    def rates(row):
        return {one.settings["lr"] for one in row.candidates}

    for row in STUDY.rows:
        if row.candidates and row.name != "signed-binary-sparse":
            assert rates(row) == {3e-2, 1e-2}


def test_the_best_form_is_chosen_from_all_forms():
    forms = ("signed-binary-filter", "signed-binary-8", "signed-binary-16")
    assert STUDY.row("signed-binary").candidates == tuple(
        one for name in forms for one in STUDY.row(name).candidates)
    assert {one.format for one in STUDY.row("signed-binary").candidates} == {
        "signed-binary", "signed-binary/8", "signed-binary/16"}
    assert STUDY.scratch["epochs"] >= 60
    assert (STUDY.validation, STUDY.seeds) == (5000, (1, 2, 3))


def record(row, score, effectual, seed):
    return Record(study=STUDY.name, row=row, seed=seed, metric="accuracy", score=score,
                  counts={**ACTIVE, "effectual": effectual})


def test_aims():
    records = [record(row, score + seed / 100, count, seed) for seed in (1, 2, 3)
               for row, score, count in (("signed-binary", 0.8, 97_000),
                                         ("binary-width-10", 0.79, 106_000))]
    assert aims(STUDY.name, records).splitlines()[2:] == [
        "| signed-binary above binary-width-10 | +1.00 points | met |",
        "| its weights that are not zero: no more of them | -9.00 thousand | met |",
        "| density of signed-binary at most 0.36 | 0.36 | met |",
    ]
    records = [record("signed-binary", 0.8, 110_000, 1),
               record("binary-width-10", 0.81, 106_000, 1)]
    assert [line.split(" | ")[-1] for line in aims(STUDY.name, records).splitlines()[2:]] == [
        "missed |"] * 3

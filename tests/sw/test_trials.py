"""Trials: a model rounded, measured and compiled in functions, with results that are files."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, replace

import pytest

from nhot.cli import main
from nhot.compiler.targets import target
from nhot.errors import NhotError
from nhot.formats import Uniform
from nhot.network import Filters
from nhot.network.counts import count
from nhot.network.file import load
from nhot.testing.foreign import tflite_models
from nhot.testing.small_model import MODEL
from nhot.trials import (
    DataSpec,
    Fitted,
    Original,
    Rounded,
    Rounding,
    Scored,
    fit_network,
    open_data,
    read_result,
    round_model,
    score_network,
    score_original,
    write_result,
)

pytest.importorskip("torch")
pytest.importorskip("onnx")

BUILD = Original(model="model.py:build")


def data_of(**values):
    return open_data(DataSpec(**{"data": "data.npz", **values}))


def test_it_is_what_the_commands_do(here, capsys):
    """The same network as nhot quantize writes, and the same figures as nhot evaluate prints."""
    data = data_of(test="test.npz")
    rounded = round_model(BUILD, Rounding(format="2hot"), data, "mine.onnx")
    assert main(["quantize", BUILD.model, "--data", "data.npz", "-o", "net.onnx"]) == 0
    assert (here / "mine.onnx").read_bytes() == (here / "net.onnx").read_bytes()
    network = load("net.onnx")
    assert rounded.counts == count(network)
    assert (rounded.network, rounded.format) == (network.name, "2hot")
    capsys.readouterr()
    for found, file in ((score_network(network, data), "net.onnx"),
                        (score_original(BUILD, data), BUILD.model)):
        assert main(["evaluate", file, "--data", "test.npz", "--json"]) == 0
        said = json.loads(capsys.readouterr().out)
        assert [said[name] for name in ("metric", "value", "samples", "stage")] == [
            found.metric, found.value, found.samples, found.stage]
    assert main(["compile", "net.onnx", "--board", "icebreaker", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    fitted = fit_network(network, target("icebreaker", "2hot").config)
    assert fitted.fits
    assert fitted.cycles == said["cycles"]
    (weights,) = (one for one in said["sections"] if one["name"] == "weights")
    assert fitted.weight_words == weights["words"]
    assert fitted.weight_bits == weights["words"] * 64


def test_what_does_not_fit_says_why(here):
    round_model(BUILD, Rounding(format="int8"), data_of(), "net.onnx")
    network = load("net.onnx")
    fitted = fit_network(network, target("icebreaker", "2hot").config)
    assert not fitted.fits
    assert fitted.cycles is None
    assert "Layer" in fitted.reason
    small = replace(target("icebreaker", "2hot").config, format="int8", accumulator_bits=12)
    assert "Accumulator of the engine must have at least" in fit_network(network, small).reason


def test_options_arrive(here):
    rounding = Rounding(format="int8", bits=4, requant_terms=1)
    round_model(BUILD, rounding, data_of(), "net.onnx")
    network = load("net.onnx")
    filters = [node for node in network.nodes if isinstance(node, Filters)]
    assert {node.format for node in filters} == {Uniform(bits=8)}
    assert {node.requant.terms for node in filters} == {1}
    assert network.tensors[filters[0].name].bits == 4


def test_a_format_that_needs_training_is_said_to(here, caplog):
    with caplog.at_level(logging.WARNING, "nhot"):
        rounded = round_model(BUILD, Rounding(format="signed-binary/2"), data_of(), "net.onnx")
    assert rounded.untrained
    assert len(caplog.messages) == 1
    assert not round_model(BUILD, Rounding(format="1hot"), data_of(), "net.onnx").untrained


def test_a_quantised_file_needs_no_data(here):
    pytest.importorskip("tflite")
    (here / "m.tflite").write_bytes(tflite_models()[1])
    round_model(Original(model="m.tflite"), Rounding(format="int8"), None, "mine.onnx")
    assert main(["quantize", "m.tflite", "--format", "int8", "-o", "net.onnx"]) == 0
    assert (here / "mine.onnx").read_bytes() == (here / "net.onnx").read_bytes()
    (here / "m.tflite").write_bytes(tflite_models()[0])
    with pytest.raises(NhotError, match="must be given: the model does not say"):
        round_model(Original(model="m.tflite"), Rounding(format="int8"), None, "net.onnx")


def test_results_are_files(here):
    rounded = round_model(BUILD, Rounding(format="2hot"), data_of(), "net.onnx")
    fitted = fit_network(load("net.onnx"), target("icebreaker", "2hot").config)
    scored = score_original(BUILD, data_of())
    for kind, value in ((Rounded, rounded), (Fitted, fitted), (Scored, scored),
                        (Fitted, Fitted(reason="Too large")), (Original, BUILD),
                        (Rounding, Rounding(format="1hot")),
                        (DataSpec, DataSpec(data="x", size=(2, 3), task="numbers"))):
        write_result("one.json", value)
        assert read_result(kind, "one.json") == value
    for change, text in (({"metric": "taste"}, "Metric must be one of accuracy, .* not 'taste'"),
                         ({"samples": 0}, "Number of samples must be at least 1, not 0"),
                         ({"value": "1"}, "value must be a number, not '1'")):
        (here / "one.json").write_text(json.dumps({**asdict(scored), **change}), encoding="utf-8")
        with pytest.raises(NhotError, match=text):
            read_result(Scored, "one.json")


def test_counts_are_counts(here):
    rounded = round_model(BUILD, Rounding(format="2hot"), data_of(), "net.onnx")
    for name, value, least in (("weights", 0, 1), ("macs", 0, 1), ("terms", -1, 0)):
        with pytest.raises(NhotError, match=f"Number of {name} must be {least} or more, not"):
            replace(rounded, counts=replace(rounded.counts, **{name: value}))


def test_a_measure_must_be_a_number():
    for metric, value in (("accuracy", 1.5), ("AUC", -0.5), ("mAP", -2.0), ("mean squares", -1.0)):
        with pytest.raises(NhotError, match=f"Measure {metric} must be .+, not {value}"):
            Scored(metric=metric, value=value, samples=1, stage="float")
    with pytest.raises(NhotError, match="Measure of the float must be a finite mean squares"):
        Scored(metric="mean squares", value=float("nan"), samples=1, stage="float")


def test_every_kind_of_weight_has_a_fingerprint(here):
    text = "import torch\nfrom torch import nn\n\ndef build():\n    return nn.Linear(2, 1).to({})\n"
    found = set()
    for kind in ("torch.bfloat16", "torch.float64", "torch.float16"):
        (here / "model.py").write_text(text.format(kind), encoding="utf-8")
        found.add(BUILD.fingerprint())
        assert BUILD.fingerprint() in found
    assert len(found) == 3


def test_a_fingerprint_is_of_content(here):
    """The same for another name of the same, another for what computes or measures otherwise."""
    known = BUILD.fingerprint()
    (here / "copy.py").write_text(MODEL, encoding="utf-8")
    assert replace(BUILD, model="copy.py:build").fingerprint() == known
    others = {replace(BUILD, options={"width": "5"}).fingerprint()}
    (here / "model.py").write_text(MODEL.replace("seed(1)", "seed(2)"), encoding="utf-8")
    others.add(BUILD.fingerprint())
    assert len({known} | others) == 3
    spec = DataSpec(data="data.npz")
    known = spec.fingerprint()
    (here / "other.npz").write_bytes((here / "data.npz").read_bytes())
    assert replace(spec, data="other.npz").fingerprint() == known
    found = {known, replace(spec, measured=3).fingerprint(), DataSpec(data="digits").fingerprint(),
             replace(spec, test="test.npz").fingerprint(),
             DataSpec(data="test.npz").fingerprint()}
    folder = here / "folder"
    folder.mkdir()
    for content in ("a", "b"):
        (folder / "x").write_text(content, encoding="utf-8")
        found.add(DataSpec(data="folder").fingerprint())
    assert len(found) == 7


@pytest.mark.parametrize(("make", "text"), [
    (lambda: Rounding(format="5cold"), "'5cold'"),
    (lambda: DataSpec(data="x", measured=0), "Number of measured must be at least 1, not 0"),
    (lambda: DataSpec(data="nowhere").fingerprint(), "Data 'nowhere' must exist, and does not"),
    (lambda: data_of(data="nowhere"), "Data 'nowhere' must exist, and does not"),
    (lambda: Original(model="resnet8").stage(), "--weights must be given for 'resnet8'"),
    (lambda: Original(model="nothing.py:f").fingerprint(), "Model file must exist, not"),
    (lambda: Original(model="data.npz").stage(), "not an archive of arrays"),
])
def test_bad_input(here, make, text):
    with pytest.raises(NhotError, match=text) as error:
        make()
    assert "\n" not in str(error.value)

"""Reports as data: what is read, what is refused, and what belongs together."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from dataclasses import asdict, replace

import numpy as np
import pytest

import nhot
from nhot.cli import main
from nhot.cli.info import image_facts
from nhot.compiler import compile_network
from nhot.compiler.targets import BOARDS
from nhot.errors import NhotError
from nhot.report import Entry, Report, add_to_report, check_report, merge, read_report, write_report
from nhot.report.answers import SHOWN, answers_of
from nhot.report.collect import bitstreams, image_part, made, network_part
from nhot.report.pictures import MOST, picture
from nhot.report.schema import Answers, Build, Epoch, Levels, Made, Run, Training, Wrong
from nhot.testing.networks import random_network
from nhot.testing.reports import entry

ENTRY = entry()


def written(path, change=lambda values: values):
    values = json.loads(json.dumps(asdict(Report(entries=(ENTRY,)))))
    path.write_text(json.dumps(change(values)), encoding="utf-8")
    return path


def test_a_file_gives_back_what_was_written(tmp_path):
    write_report(tmp_path / "r.json", [ENTRY])
    assert read_report(tmp_path / "r.json") == Report(entries=(ENTRY,))


def at(*path, value):
    """A change of the value at ``path``."""

    def change(values):
        place = values
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        return values

    return change


@pytest.mark.parametrize(("change", "message"), [
    (at("version", value=1), "version must be 2, not 1"),
    (at("version", value=3), "version must be 2, not 3; it needs a newer nhot"),
    (at("version", value="2"), "version must be a whole number, not '2'"),
    (at("title", value="x"), "must have the fields version, entries, not 'title'"),
    (at("entries", value={}), "entries must be a list"),
    (lambda values: [], "must be an object, not []"),
    (lambda values: {}, "must have the field 'version'"),
    (at("entries", 0, "runs", 0, "cycles", value=True), "cycles must be a whole number, not True"),
    (at("entries", 0, "runs", 0, "cycles", value=-1), "Run cycles must be 0 or more, not -1"),
    (at("entries", 0, "runs", 0, "identical", value=9999), "Identical outputs must be at most"),
    (at("entries", 0, "quantized", "scores", 0, "value", value=1.5), "Accuracy must be 0 to 1"),
    (at("entries", 0, "quantized", "scores", 0, "value", value=float("nan")),
     "must be a finite number, not nan"),
    (at("entries", 0, "quantized", "scores", 0, "value", value=float("inf")),
     "must be a finite number, not inf"),
    (at("entries", 0, "network", "levels", 0, "counts", value=[1]), "have a count each"),
    (at("entries", 0, "network", "levels", 0, "levels", value=["0"]), "whole number, not '0'"),
    (at("entries", 0, "runs", 0, "answers", "pairs", 0, value=[10, 0, 1]), "two of 10 classes"),
    (at("entries", 0, "runs", 0, "answers", "wrong", 0, "picture", value="PHN2Zz4="), "PNG"),
    (at("entries", 0, "runs", 0, "made", "date", value="yesterday"), "Date must be as"),
    (at("entries", 0, "build", "resources", "lut4", value=[1]), "resources"),
    (at("entries", 0, "build", "clock_mhz", value=0), "Clock must be above 0"),
    (at("entries", 0, "network", "name", value="\ud800"), "must"),
    (at("entries", 0, "network", "nane", value=""), "'nane'"),
])
def test_what_is_no_report_is_refused_in_one_line(tmp_path, capsys, change, message):
    path = written(tmp_path / "r.json", change)
    with pytest.raises(NhotError, match=message.replace("[", r"\[").replace("]", r"\]")):
        read_report(path)
    assert main(["report", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"nhot: error: Report {str(path)!r}")
    assert error.count("\n") == 1
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("text", [
    "", "{", "[" * 100_000, '{"version": 2, "entries": ' + "[" * 100_000,
    '{"version": 1' + "0" * 400 + "}", '{"version": 2, "entries": 1e400}', "\x00\xff",
    '{"version": 2, "version": 2, "entries": []}',
])
def test_broken_text_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "r.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(NhotError) as error:
        check_report(path)
    assert str(path) in str(error.value)


def test_a_command_refuses_a_foreign_report_before_its_work(tmp_path, capsys):
    path = tmp_path / "package.json"
    path.write_text('{"name": "something else"}', encoding="utf-8")
    assert main(["compile", "missing.onnx", "--board", "icebreaker", "--report", str(path)]) == 2
    assert f"Report {str(path)!r} must have the field 'version'" in capsys.readouterr().err
    assert path.read_text(encoding="utf-8") == '{"name": "something else"}'


def test_a_report_in_a_missing_folder_is_refused_before_the_work(capsys):
    arguments = ["compile", "missing.onnx", "--board", "icebreaker", "--report", "no/r.json"]
    assert main(arguments) == 2
    assert "File 'no/r.json' must be one that can be written" in capsys.readouterr().err


def only(entry, *names):
    return Entry(**{name: getattr(entry, name) for name in names})


def test_parts_of_one_network_come_together_in_any_order():
    parts = [only(ENTRY, "training"), only(ENTRY, "network", "quantized"),
             only(ENTRY, "network", "image"), only(ENTRY, "network", "image", "verified"),
             only(ENTRY, "image", "runs"), only(ENTRY, "build"),
             only(ENTRY, "network", "evaluated"), only(ENTRY, "network", "compared")]
    entries = ()
    for part in parts:
        entries = merge(entries, part)
    assert entries == (ENTRY,)


def test_evaluations_stand_beside_each_other_by_stage_and_data():
    (known,) = ENTRY.evaluated
    other, again = replace(known, stage="float", sha256="weights"), replace(known, value=0.5)
    (entry,) = merge((ENTRY,), Entry(network=ENTRY.network, evaluated=(other, again)))
    assert entry.evaluated == (other, again)
    # A float evaluation goes to what began with those weights, or stands alone.
    assert merge((ENTRY,), Entry(evaluated=(other,)))[0].evaluated == (known, other)
    unknown = Entry(evaluated=(replace(other, sha256="others"),))
    assert merge((ENTRY,), unknown) == (ENTRY, unknown)


def test_another_image_of_a_network_is_another_entry():
    other = replace(ENTRY.image, sha256="other", target_id="0x2")
    entries = merge((ENTRY,), Entry(network=ENTRY.network, image=other))
    assert len(entries) == 2
    assert entries[0] == ENTRY
    assert entries[1].quantized == ENTRY.quantized
    assert entries[1].runs == ()
    assert merge(entries, Entry(image=other, runs=ENTRY.runs))[1].runs == ENTRY.runs


def test_two_formats_share_the_training():
    one = Entry(network=ENTRY.network, quantized=ENTRY.quantized)
    two = replace(one, network=replace(ENTRY.network, sha256="two"))
    entries = merge(merge(merge((), only(ENTRY, "training")), one), two)
    assert [entry.training for entry in entries] == [ENTRY.training] * 2


def test_other_weights_do_not_take_the_training():
    one = Entry(network=ENTRY.network, quantized=replace(ENTRY.quantized, weights="others"))
    entries = merge((only(ENTRY, "training"),), one)
    assert [entry.training for entry in entries] == [ENTRY.training, None]


def test_a_run_replaces_that_of_the_same_place():
    again = replace(ENTRY.runs[0], cycles=7)
    elsewhere = replace(again, place="a board")
    (entry,) = merge((ENTRY,), Entry(image=ENTRY.image, runs=(again,)))
    (entry,) = merge((entry,), Entry(image=ENTRY.image, runs=(elsewhere,)))
    assert entry.runs == (again, elsewhere)


def test_a_bitstream_goes_to_all_entries_of_its_engine():
    other = replace(ENTRY, image=replace(ENTRY.image, sha256="o", target_id="0x2"), build=None)
    build = replace(ENTRY.build, fmax_mhz=1.0)
    entries = merge((replace(ENTRY, build=None), other), Entry(build=build))
    assert [entry.build for entry in entries] == [build, None]
    stranger = replace(build, target_id="0x3")
    assert merge((ENTRY,), Entry(build=stranger))[-1] == Entry(build=stranger)


def test_adding_twice_is_adding_once(tmp_path):
    for _ in range(2):
        add_to_report(tmp_path / "r.json", ENTRY)
    assert read_report(tmp_path / "r.json").entries == (ENTRY,)


def test_answers_are_counted():
    labels, answers = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 1, 2, 2])
    found = answers_of(labels, answers, 3, names=("a", "b", "c"))
    assert found.pairs == ((0, 0, 1), (0, 1, 1), (1, 1, 1), (2, 2, 2))
    assert (found.correct, found.total) == (4, 5)
    assert found.wrong == (Wrong(index=1, label=0, answer=1),)


def test_only_the_first_wrong_answers_have_pictures():
    count = SHOWN + 5
    samples = np.zeros((count, 8, 8, 1))
    found = answers_of(np.zeros(count, int), np.ones(count, int), 2, sample=samples.__getitem__)
    assert len(found.wrong) == SHOWN
    assert found.total - found.correct == count


def decoded(text):
    data = base64.b64decode(text)
    width, height, depth, kind = struct.unpack(">IIBB", data[16:26])
    start = data.index(b"IDAT")
    body = zlib.decompress(data[start + 4:])
    return (height, width, depth, kind), body


def test_a_grey_picture_has_the_pixels():
    sizes, body = decoded(picture(np.array([[0, 8, 16], [4, 16, 2]])[:, :, None]))
    assert sizes == (2, 3, 8, 0)
    assert body == bytes([0, 0, 128, 255, 0, 64, 255, 32])


def test_a_picture_in_colour_has_the_pixels():
    pixels = np.array([[[0, 10, 255], [255, 1, 2]]])
    sizes, body = decoded(picture(pixels))
    assert sizes == (1, 2, 8, 2)
    assert body == bytes([0, *pixels.reshape(-1)])


def test_an_even_picture_and_a_large_one():
    assert decoded(picture(np.full((4, 4, 1), 7)))[1] == bytes(20)
    (height, width, *_), _ = decoded(picture(np.zeros((40, 3 * MOST, 1))))
    assert (height, width) == (14, MOST)


@pytest.mark.parametrize("shape", [(1, 1, 40), (8, 8, 2), (3, 99, 1), (9,)])
def test_what_is_no_picture_has_none(shape):
    samples = np.zeros((1, *shape))
    found = answers_of(np.array([0]), np.array([1]), 2, sample=samples.__getitem__)
    assert found.wrong[0].picture is None


@pytest.mark.parametrize("make", [
    lambda: Answers(classes=2, pairs=((0, 0, 1),), names=("one",)),
    lambda: Answers(classes=2, pairs=((0, 0, 0),)),
    lambda: Answers(classes=2, pairs=(), wrong=(Wrong(index=0, label=0, answer=2),)),
    lambda: Levels(layer="a", format="", levels=(1, 0), counts=(1, 1)),
    lambda: Levels(layer="a", format="", levels=(0,), counts=(-1,)),
    lambda: Epoch(epoch=-1),
    lambda: Made(command="", date="", versions={}),
    lambda: replace(ENTRY.build, resources={"lut4": (-1, 2)}),
])
def test_parts_check_themselves(make):
    with pytest.raises(NhotError, match="must be"):
        make()


def test_an_entry_has_a_name():
    assert ENTRY.name == ENTRY.network.name
    assert only(ENTRY, "image").name == ENTRY.image.network
    assert only(ENTRY, "training").name == ENTRY.training.model
    assert only(ENTRY, "build").name == "icebreaker 2hot"
    assert Entry().name == "nothing"
    assert isinstance(ENTRY.build, Build)
    assert isinstance(ENTRY.training, Training)
    assert isinstance(ENTRY.runs[0], Run)


def test_only_packages_that_are_there_have_versions():
    versions = made("train", ["pydantic", "no-such-package"]).versions
    assert list(versions) == ["nhot", "numpy", "pydantic"]
    assert versions["nhot"] == nhot.__version__


def test_layers_without_weights_have_no_counts():
    network = random_network(2, layers=4, operators=("conv", "max"))
    found = network_part(network, "hash").layers
    assert {layer.operator for layer in found} == {"Conv2d", "MaxPool"}
    for node, layer in zip(network.nodes, found, strict=True):
        weights = node.weights.size if layer.operator == "Conv2d" else 0
        assert (layer.name, layer.output, layer.weights) == (node.name, node.output.shape, weights)
        assert bool(layer.macs) == bool(layer.format) == bool(weights)
        assert layer.requant_terms == (node.requant.terms if weights else 0)


@pytest.mark.parametrize("board", BOARDS)
def test_an_engine_of_ones_own_is_of_no_board(board):
    """One that boards come with is of the first of these that has a bitstream, or else of one."""
    for name, (_, config) in BOARDS[board].configurations.items():
        for changed in (config, replace(config, weight_words=config.weight_words // 2)):
            network = random_network(1, layers=1, operators=("max",))
            part = image_part(image_facts(compile_network(network, changed)), changed)
            shared = [one for one, other in BOARDS.items()
                      if other.configurations.get(name, (0, None))[1] == changed]
            built = [one for one in shared if one in {made.board for made in bitstreams()}]
            known = ([*built, *shared][0], name) if changed is config else ("", "")
            assert (part.board, part.configuration) == known

"""``nhot compile`` and ``nhot info`` on real files."""

from __future__ import annotations

import json
import re
import stat
import zlib
from dataclasses import asdict
from pathlib import Path

import pytest

from nhot.bitstream import Manifest
from nhot.cli import main
from nhot.compiler import EngineConfig, Image, compile_network
from nhot.compiler.estimates import estimate
from nhot.compiler.targets import BOARDS, target
from nhot.formats import parse
from nhot.network import Filters
from nhot.network.counts import count_layer, requant_terms
from nhot.testing.networks import random_network

pytest.importorskip("onnx")

CONFIG = {"filters": 8, "inputs": 4, "activation_words": 4096}
MANIFEST = Path(__file__).parents[2] / "bitstreams/icebreaker/2hot/manifest.json"


@pytest.fixture(scope="module")
def network():
    return random_network(3, layers=3, operators=("conv", "max", "linear"))


@pytest.fixture
def files(tmp_path, network):
    from nhot.network.file import save

    save(network, tmp_path / "net.onnx")
    (tmp_path / "engine.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    return tmp_path


def compile_it(files, *more):
    return main(["compile", str(files / "net.onnx"), "--config", str(files / "engine.json"), *more])


def test_compile_writes_the_image(files, network, capsys):
    assert compile_it(files) == 0
    assert capsys.readouterr().out.strip() == str(files / "net.img")
    image = Image.from_bytes((files / "net.img").read_bytes())
    assert image.config == EngineConfig(**CONFIG)
    assert image.meta.network == network.name
    assert sorted(path.name for path in files.iterdir()) == ["engine.json", "net.img", "net.onnx"]


def resources(files, config, capsys, *board):
    (files / "engine.json").write_text(config.to_json(), encoding="utf-8")
    assert compile_it(files, "--json", *board) == 0
    return json.loads(capsys.readouterr().out).get("resources")


@pytest.mark.parametrize("config", [EngineConfig(**CONFIG), target("icebreaker").config])
def test_an_engine_without_a_bitstream_of_the_board_is_estimated(files, config, capsys):
    found, there = estimate(config, "ulx3s-85f"), BOARDS["ulx3s-85f"].fpga
    assert resources(files, config, capsys, "--board", "ulx3s-85f") == {
        "luts": [found.luts, there.luts], "dsps": [found.dsps, there.dsps],
        "block_memories": [found.block_memories, there.block_memories],
        "fmax_mhz": found.fmax_mhz, "estimated": True,
    }
    assert resources(files, config, capsys) is None
    assert resources(files, config, capsys, "--board", "tangnano20k") is None


def test_an_engine_with_a_bitstream_is_what_its_manifest_says(files, capsys):
    manifest = Manifest.read(MANIFEST)
    made = resources(files, manifest.config, capsys, "--board", manifest.board)
    for name, cell in (("luts", "lut4"), ("block_memories", "bram"), ("dsps", "dsp")):
        known = manifest.resources[cell]
        assert made.pop(name) == [known.used, known.available]
    assert made == {"fmax_mhz": manifest.engine_clock.fmax_mhz, "estimated": False}


@pytest.mark.parametrize(("name", "text"), [
    ("2hot", r"about [\d,]+ of 83,640 LUTs, \d+ of 208 block memories, about \d+ MHz \(estimates"),
    ("int8", "block memories, 32 of 156 DSP blocks, about"),
])
def test_what_an_engine_takes_is_said(name, text, files, capsys):
    from nhot.network.file import save

    save(random_network(3, layers=1, formats=(parse(name),), operators=("linear",)),
         files / "net.onnx")
    (files / "engine.json").write_text(json.dumps({**CONFIG, "format": name}), encoding="utf-8")
    assert compile_it(files, "--board", "ulx3s-85f") == 0
    assert re.search(text, capsys.readouterr().err)


def test_compile_is_reproducible(files):
    assert compile_it(files) == 0
    assert compile_it(files, "-o", str(files / "again.img")) == 0
    assert (files / "again.img").read_bytes() == (files / "net.img").read_bytes()


@pytest.mark.parametrize("board", BOARDS)
def test_boards_compile_for_their_engine(files, board, capsys):
    assert main(["compile", str(files / "net.onnx"), "--board", board, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    _, config = BOARDS[board].configurations[BOARDS[board].default]
    assert facts["engine"] == asdict(config)
    assert facts["target_id"] == f"{config.target_id:#010x}"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--board", "ulx3s"], "did you mean ulx3s-85f?"),
        (["--board", "ulx3s-85f", "--configuration", "3hot"], "not '3hot'"),
        (["--config", "missing.json"], "Configuration 'missing.json' could not be read: No such"),
        (["--config", "net.onnx"], "an engine configuration (.json), not a network file"),
        (["--config", "list.json"], "must be an object, not []"),
        (["--config", "typo.json"], "not 'filter'"),
        (["--config", "engine.json", "--configuration", "2hot"], "not allowed with"),
        (["--config", "engine.json", "--board", "x"], "Board must be one of"),
        (["--config", "small.json"], "must have at least"),
        (["--config", "small.json"], "; icebreaker with --configuration 2hot holds it"),
        ([], "--board or --config must be given; boards are colorlight-i5, "),
    ],
)
def test_compile_refuses_other_targets(files, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(files)
    (files / "list.json").write_text("[]", encoding="utf-8")
    (files / "typo.json").write_text('{"filter": 4}', encoding="utf-8")
    (files / "small.json").write_text('{"activation_words": 16}', encoding="utf-8")
    assert main(["compile", "net.onnx", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (files / "net.img").exists()


def test_info_shows_a_network(files, network, capsys):
    assert main(["info", str(files / "net.onnx"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["kind"] == "network"
    assert facts["input"]["shape"] == list(network.input.shape)
    assert [layer["name"] for layer in facts["layers"]] == [node.name for node in network.nodes]
    for layer, node in zip(facts["layers"], network.nodes, strict=True):
        if "weights" in layer:
            height, width, _ = node.output.shape
            assert layer["macs"] == node.weights.size * height * width
            assert layer["terms"] == node.format.cost(node.weights).sum()
        assert layer.get("requant_terms") == requant_terms(node)
    assert any("requant_terms" in layer for layer in facts["layers"])


def test_an_image_says_the_work_of_its_layers(network):
    made = compile_network(network, EngineConfig(**CONFIG))
    for layer in made.meta.layers:
        (node,) = [node for node in network.nodes if node.output.name == layer.name]
        work = (0, 0, 0)
        if isinstance(node, Filters):
            counts = count_layer(node, *network.inputs(node))
            work = counts.weights, counts.terms, counts.macs
        assert (layer.weights, layer.terms, layer.macs) == work, layer.name


def test_info_shows_an_image(files, capsys):
    assert compile_it(files, "-q") == 0
    capsys.readouterr()
    assert main(["info", str(files / "net.img"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    image = Image.from_bytes((files / "net.img").read_bytes())
    assert facts["hash"] == image.content_hash
    crcs = {section["name"]: section["crc"] for section in facts["sections"]}
    assert crcs["weights"] == f"{zlib.crc32(image.weights):#010x}"
    end = 2  # of the program
    assert facts["cycles"] == sum(layer.cycles for layer in image.meta.layers) + end
    for known, layer in zip(facts["profile"], image.meta.layers, strict=True):
        assert (known["name"], known["cycles"]) == (layer.name, layer.cycles)
        parts = sum(known[part] for part in ("fetch", "steps", "stalls", "tail"))
        assert parts == layer.cycles


@pytest.mark.parametrize("name", ["net.onnx", "net.img", "board.json"])
def test_info_prints_text(files, capsys, name):
    assert compile_it(files, "-q") == 0
    (files / "board.json").write_bytes(MANIFEST.read_bytes())
    capsys.readouterr()
    assert main(["info", str(files / name)]) == 0
    text = capsys.readouterr().out
    assert "kind" in text
    assert ("total" in text) == (name != "board.json")
    assert ("bound by" in text) == (name == "net.img")
    assert all(line == line.rstrip() for line in text.splitlines())


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"NHOT", "must have"), (b"{", "must be JSON"), (b"\x89PNG\r\n", "not a picture (PNG)"),
     (b"", "not an empty file")],
)
def test_info_refuses_other_files(tmp_path, capsys, data, message):
    (tmp_path / "file").write_bytes(data)
    assert main(["info", str(tmp_path / "file")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


def test_files_get_the_usual_mode(files):
    (files / "plain").write_bytes(b"")
    assert compile_it(files) == 0
    assert stat.S_IMODE((files / "net.img").stat().st_mode) == stat.S_IMODE(
        (files / "plain").stat().st_mode
    )


def test_fit_writes_the_smallest_engine(files, network, capsys):
    assert compile_it(files, "--fit", str(files / "small.json"), "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    small = json.loads((files / "small.json").read_text(encoding="utf-8"))
    assert EngineConfig(**facts["engine"]) == EngineConfig(**small)
    before = asdict(EngineConfig(**CONFIG))
    assert facts["fit"] == {
        "file": str(files / "small.json"),
        "changed": {k: [before[k], v] for k, v in small.items() if before[k] != v},
    }
    image = Image.from_bytes((files / "net.img").read_bytes())
    assert image.to_bytes() == compile_network(network, EngineConfig(**small)).to_bytes()
    capsys.readouterr()
    again = ["compile", str(files / "net.onnx"), "--config", str(files / "small.json")]
    assert main([*again, "-o", str(files / "again.img")]) == 0
    assert (files / "again.img").read_bytes() == (files / "net.img").read_bytes()


def test_fit_says_what_it_changed(files, capsys):
    assert compile_it(files, "--fit", str(files / "small.json")) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(files / "net.img"), str(files / "small.json")]
    small = json.loads((files / "small.json").read_text(encoding="utf-8"))
    assert re.search(rf"activation_words +{small['activation_words']}, was 4096", err)


def test_all_that_does_not_fit_is_said_at_once(files, capsys):
    sizes = {"activation_words": 16, "weight_words": 16, "requant_words": 16, "program_words": 32,
             "accumulator_bits": 12, "product_bits": 32, "filters": 1, "inputs": 1}
    (files / "engine.json").write_text(json.dumps(sizes), encoding="utf-8")
    assert compile_it(files) == 2
    (line,) = capsys.readouterr().err.splitlines()
    for what in (
        "Accumulator", "Product", "Activation memory", "Weight memory", "Requant memory",
        "Program memory",
    ):
        assert f"{what} " in line
    assert not (files / "net.img").exists()

"""The examples run, and so does what the README shows."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nhot.cli.target import read_config
from nhot.compiler import Image, compile_network
from nhot.compiler.fit import fit
from nhot.compiler.targets import BOARDS, target
from nhot.contract.cycles import program_cycles
from nhot.contract.program import DESCRIPTOR_WORDS, unpack_program
from nhot.network.counts import count
from nhot.network.file import load

ROOT = Path(__file__).parent.parent


def load_example(name):
    path = ROOT / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"example_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_own_module(tmp_path):
    pytest.importorskip("torch")
    scores = load_example("own_module").main(tmp_path, epochs=2)
    assert scores["finetuned"] == scores["reference"] > 0.7
    image = Image.from_bytes((tmp_path / "own.img").read_bytes())
    assert compile_network(load(tmp_path / "own.onnx"), image.config) == image


def test_torch_to_verilog(tmp_path, capsys):
    pytest.importorskip("torch")
    assert load_example("torch_to_verilog").main(tmp_path, epochs=2) > 0.7
    lines = capsys.readouterr().out.splitlines()
    assert [line[:24].strip() for line in lines] == [
        "network == image", "reference == image", "reference == Amaranth", "reference == Verilog"]
    image = Image.from_bytes((tmp_path / "mine.img").read_bytes())
    network = load(tmp_path / "mine.onnx")
    assert compile_network(network, image.config) == image
    assert fit(network, image.config) == image.config  # nothing in it is larger than it must be
    assert read_config(tmp_path / "engine" / "engine.json") == image.config
    assert "module mine(" in (tmp_path / "engine" / "mine.v").read_text(encoding="utf-8")
    # Its bench needs no nhot.
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."],
                          cwd=tmp_path / "engine", capture_output=True, text=True, check=False,
                          env=clean)
    assert done.returncode == 0, done.stdout + done.stderr


def test_tflite_to_board(tmp_path, capsys):
    pytest.importorskip("torch")
    example = load_example("tflite_to_board")
    scores = example.main(tmp_path, epochs=3, inputs=3)
    assert list(scores) == ["TensorFlow Lite", "network"]
    assert min(scores.values()) > 0.7
    where, figures = capsys.readouterr().out.splitlines()
    assert where == "on icebreaker 2hot"
    image = Image.from_bytes((tmp_path / "net.img").read_bytes())
    cycles = sum(program_cycles(unpack_program(image.program), image.config))
    assert figures.startswith(f"{cycles:,} cycles, ")  # counted by the gateware
    # A file of one's own.
    given = tmp_path / "digits.tflite", tmp_path / "digits.npz"
    assert example.main(tmp_path / "own", given, inputs=1) == scores


def test_signed_binary(tmp_path):
    """Regions beat a sign a filter by more than seeds and processors differ."""
    pytest.importorskip("torch")
    scores = load_example("signed_binary").main(tmp_path, epochs=12)
    assert scores["reference"] == scores["signed-binary/8"] > scores["signed-binary"] + 0.05
    image = Image.from_bytes((tmp_path / "digits.img").read_bytes())
    assert image.config.format == "signed-binary/8"
    assert compile_network(load(tmp_path / "digits.onnx"), image.config) == image


def test_sweep(tmp_path, capsys):
    pytest.importorskip("torch")
    chosen = load_example("sweep").main(tmp_path)
    assert chosen.scored.value >= 0.9
    assert chosen.rate >= 10_000
    build, compile = (line.split() for line in capsys.readouterr().out.splitlines()[-2:])
    config = read_config(Path(build[5]))
    assert config == chosen.config
    image = compile_network(load(compile[2]), config)
    assert sum(program_cycles(unpack_program(image.program), config)) == chosen.cycles


def test_readme_example(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(code.strip().splitlines()) <= 12
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "readme"})
    assert Image.from_bytes((tmp_path / "net.img").read_bytes()).config.format == "2hot"
    assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("name", ["numbers.md", "quantisation.md", "import.md", "studies.md"])
def test_code_in_documents(name, tmp_path, monkeypatch):
    """Blocks run one after the other, in one program."""
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert blocks
    names = {"__name__": "document"}
    for block in blocks:
        exec(compile(block, name, "exec"), names)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["2hot", "signed-binary"])
def test_readme_has_the_demo(name):
    """The figures of any machine lie in the table's ranges, and those that are exact are equal."""
    pytest.importorskip("torch")
    from nhot.experiments.trained_digits import train_digits

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (row,) = re.findall(rf"\n\| `{name}` \| (.* %.*) \|\n", readme)
    cells = [cell.strip() for cell in row.split("|")]
    trained = train_digits(name)
    counted = count(trained.network)
    image = compile_network(trained.network, target("icebreaker", name).config)
    found = [*(100 * part for part in trained.accuracies.values()), counted.terms / counted.weights]
    for value, cell in zip(found, [*cells[:3], cells[7]], strict=True):
        least, most = map(float, cell.removesuffix(" %").split(" - "))
        assert least <= value <= most
    cycles = sum(program_cycles(unpack_program(image.program), image.config))
    assert cells[4:7] == ["599/599", f"{cycles:,}", str(image.config.weight_format.code_bits)]


def test_the_boards_of_the_readme_are_those_of_the_targets():
    """What fits is computed from the sizes of each engine."""
    rows = []
    for board in BOARDS.values():
        for name, (clock_hz, config) in board.configurations.items():
            first = name == board.default
            weights = config.weight_words * config.filters * config.inputs
            filters = config.requant_words // 2 * config.requantisers
            rows.append([
                f"`{board.name}`" if first else "", board.fpga.name if first else "", f"`{name}`",
                f"{clock_hz // 10**6} MHz",
                f"{config.pixels} x {config.filters} x {config.inputs}",
                f"{config.requantisers}", f"{weights:,}", f"{filters:,}", f"{weights // filters}",
                f"{config.program_words // DESCRIPTOR_WORDS - 1}",
                f"{config.activation_words * config.inputs // 1024} KiB",
            ])
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"<!-- boards:begin -->\n(.*?)<!-- boards:end -->", text, re.DOTALL)
    shown = [[cell.strip() for cell in line[1:-1].split("|")] for line in table.splitlines()[2:]]
    assert shown == rows

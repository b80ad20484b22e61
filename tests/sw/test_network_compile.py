"""What the reference runs and an engine does not is refused by the layer's name."""

import pytest

from nhot.cli import main
from nhot.compiler import EngineConfig, compile_network
from nhot.errors import NhotError
from nhot.network.file import save
from nhot.testing.networks import random_network

pytest.importorskip("onnx", reason="needs the package onnx")

TEXT = "Layer '{name}': Engine activation_terms must be at least {terms} for RoundTerms, not 0"


def test_the_compiler_refuses_it():
    network = random_network(1, layers=1, operators=("round",))
    (node,) = network.nodes
    with pytest.raises(NhotError, match=TEXT.format(name=node.name, terms=node.n)):
        compile_network(network, EngineConfig())


def test_the_command_line_says_so_and_info_shows_it(tmp_path, capsys):
    network = random_network(2, layers=1, operators=("round",))
    (node,) = network.nodes
    path = tmp_path / "net.onnx"
    save(network, path)
    assert main(["info", str(path)]) == 0
    assert type(node).__name__ in capsys.readouterr().out
    assert main(["compile", str(path), "--board", "ulx3s-85f"]) == 2
    error = capsys.readouterr().err
    assert TEXT.format(name=node.name, terms=node.n) in error
    assert "Traceback" not in error
    assert not (tmp_path / "net.img").exists()

"""What the reference runs and the engine does not is refused by the layer's name."""

import pytest

from nhot.cli import main
from nhot.compiler import EngineConfig, compile_network
from nhot.errors import NhotError
from nhot.network.file import save
from nhot.testing.networks import random_network

pytest.importorskip("onnx", reason="needs the package onnx")

REFUSED = ["round"]
TEXT = (
    r"Layer '{name}': Operator must be one the engine runs "
    r"\(Conv2d, ConvTranspose2d, Linear, MaxPool, AvgPool, Upsample, Add, Concat, Clamp, ArgMax\), "
    r"not {kind}"
)


@pytest.mark.parametrize("operator", REFUSED)
def test_the_compiler_refuses_it(operator):
    network = random_network(1, layers=1, operators=(operator,))
    (node,) = network.nodes
    text = TEXT.format(name=node.name, kind=type(node).__name__)
    with pytest.raises(NhotError, match=text):
        compile_network(network, EngineConfig())


@pytest.mark.parametrize("operator", REFUSED)
def test_the_command_line_says_so_and_info_shows_it(operator, tmp_path, capsys):
    network = random_network(2, layers=1, operators=(operator,))
    path = tmp_path / "net.onnx"
    save(network, path)
    assert main(["info", str(path)]) == 0
    assert type(network.nodes[0]).__name__ in capsys.readouterr().out
    assert main(["compile", str(path), "--board", "ulx3s-85f"]) == 2
    error = capsys.readouterr().err
    assert f"Layer '{network.nodes[0].name}': Operator must be one the engine runs" in error
    assert "Traceback" not in error
    assert not (tmp_path / "net.img").exists()

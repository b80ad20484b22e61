"""``nhot verify`` of an image that leaves no word of the larger board's memories free."""

import numpy as np
import pytest

from nhot.cli import main
from nhot.compiler import compile_network
from nhot.compiler.targets import target
from nhot.contract.cycles import program_cycles
from nhot.contract.program import unpack_program
from nhot.formats import parse
from nhot.network import AvgPool, Conv2d, Network, Requant, Tensor, Window
from nhot.network.file import save
from nhot.testing.engine_networks import sample_weights
from nhot_sim.effort import amaranth_seconds, faster_simulator
from nhot_sim.runner import require

CONFIG = target("ulx3s-85f", "2hot").config
# Filters, kernel and stride: 32 x 32 positions of 16 channels are half of the activations, and a
# layer of them has its input and its output there; the weights add up to the last word.
LAYERS = [
    (16, 3, 1), (16, 3, 1), (16, 3, 1), (32, 3, 2), (32, 3, 1), (64, 3, 2), (64, 3, 1), (64, 3, 1),
    (64, 1, 1), (64, 1, 1), (64, 1, 1), (64, 1, 1), None, (16, 1, 1), (48, 1, 1),
]


def full_network():
    """A network that fills the engine of :data:`CONFIG`."""
    rng = np.random.default_rng(1)
    fmt = parse("2hot")

    def tensor(name, shape):
        return Tensor(name=name, shape=shape, bits=8, signed=True, zero_point=0)

    nodes = []
    last = entry = tensor("x", (32, 32, 16))
    for i, layer in enumerate(LAYERS):
        height, width, channels = last.shape
        filters, kernel, stride = layer or (channels, height, 1)
        window = Window(kernel=(kernel, kernel), stride=(stride, stride),
                        padding=(kernel // 2,) * 4 if layer else (0, 0, 0, 0))
        output = tensor(f"layer{i}", (*window.output_size(height, width), filters))
        place = {"zero_point": 0, "low": -128, "high": 127}
        common = {"inputs": (last.name,), "output": output, "window": window}
        if layer is None:
            requant = Requant.from_scale([1 / kernel**2], **place)
            nodes.append(AvgPool(**common, requant=requant))
        else:
            scale = 2 / (fmt.max_level * np.sqrt(kernel**2 * channels))
            nodes.append(Conv2d(
                **common, format=fmt,
                weights=sample_weights(fmt, (filters, kernel, kernel, channels), rng),
                bias=rng.integers(-500, 500, filters),
                requant=Requant.from_scale(rng.uniform(0.5, 1, filters) * scale, **place),
            ))
        last = output
    return Network(name="full", input=entry, nodes=tuple(nodes))


@pytest.fixture(scope="module")
def compiled():
    network = full_network()
    return network, compile_network(network, CONFIG)


def test_it_fills_the_engine_and_takes_the_fast_road(compiled):
    """What earlier limits of a bench refused: weights of more than 64 KiB, 200,000 cycles."""
    require("iverilog")
    require("verilator")
    _, image = compiled
    assert len(image.weights) == CONFIG.weight_words * CONFIG.code_bytes > 1 << 16
    places = [layer.output for layer in image.meta.layers] + [image.meta.input]
    assert max(place.address + place.words for place in places) == CONFIG.activation_words
    assert sum(program_cycles(unpack_program(image.program), CONFIG)) > 200_000
    assert faster_simulator(image, 1) == "verilator"
    assert amaranth_seconds(image, 1) > 300


@pytest.mark.slow
def test_it_verifies(compiled, tmp_path, monkeypatch, capsys):
    """On a fresh build, with every weight through the loader."""
    require("verilator")
    monkeypatch.setenv("NHOT_CACHE_DIR", str(tmp_path / "cache"))
    network, image = compiled
    save(network, tmp_path / "net.onnx")
    (tmp_path / "net.img").write_bytes(image.to_bytes())
    assert main(["verify", str(tmp_path / "net.img")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["equal", "equal", "left out", "equal"]
    assert "--full runs it" in lines[2]
    assert "cocotb on verilator" in lines[3]

# amaranth: UnusedElaboratable=no
"""Every link of the chain fails, and none before it, when what it compares is wrong."""

from dataclasses import replace

import pytest

from nhot.compiler import Machine, compile_network
from nhot.errors import MismatchError
from nhot.testing.networks import random_input, random_network
from nhot_hw.engine import Engine
from nhot_hw.engine.requantiser import Requantiser
from nhot_sim import chain
from nhot_sim.planted import SMALL, Damaged, stuck
from nhot_sim.runner import require


class OffByOne(Machine):
    """A machine whose last layer's last integer is one off."""

    def run(self, x):
        outputs = super().run(x)
        outputs[list(outputs)[-1]].reshape(-1)[-1] ^= 1
        return outputs


def _other_image(monkeypatch, image):
    requant = bytearray(image.requant)
    requant[0] ^= 1
    return replace(image, requant=bytes(requant))


def _other_machine(monkeypatch, image):
    monkeypatch.setattr(chain, "Machine", OffByOne)


def _other_requantiser(monkeypatch, image):
    monkeypatch.setattr(
        "nhot_hw.engine.engine.Requantiser", lambda config: Damaged(Requantiser(config), "o_y")
    )


def _other_cycles(monkeypatch, image):
    monkeypatch.setattr("nhot_sim.engine_simulation.program_cycles", lambda *_: [5000])


def _other_verilog(*path, **change):
    # What Amaranth's simulator runs was imported before and stays whole.
    return lambda monkeypatch, image: monkeypatch.setattr(
        "nhot_hw.engine.Engine", lambda config: Damaged(Engine(config), *path, **change)
    )


LINKS = {
    "contents": ("network == image", _other_image, "Requantisation of layer"),
    "numpy": ("reference == image", _other_machine, "must be -?[0-9]+, not .* in the image"),
    "outputs": ("reference == Amaranth", _other_requantiser, "must be .* in the Amaranth"),
    "cycles": ("reference == Amaranth", _other_cycles, "Run must take 5000 cycles, not"),
    "bytes": ("reference == Verilog", _other_verilog("host", "read", "payload"), "in the Verilog"),
    "clock": (
        "reference == Verilog", _other_verilog("host", "cycles"), "Run must take [0-9]+ cycles",
    ),
    "pauses": (
        "reference == Verilog", _other_verilog("host", "read", "ready", change=stuck),
        "host__read must offer 0x.* until ready",
    ),
}


@pytest.fixture(scope="module")
def case():
    """A network, its image, and an input."""
    network = random_network(3, layers=2, shape=(3, 3, 2), operators=("conv",), widest=2)
    return network, compile_network(network, SMALL), random_input(network.input, 1, 3)


@pytest.fixture(scope="module")
def links(case):
    require("iverilog")
    return [link.name for link in chain.verify(*case, simulator="icarus")]


@pytest.mark.parametrize(("link", "plant", "message"), LINKS.values(), ids=LINKS)
def test_a_link_notices(link, plant, message, case, links, monkeypatch):
    """That link and none before it."""
    network, image, inputs = case
    image = plant(monkeypatch, image) or image
    held = []
    with pytest.raises(MismatchError, match=message):
        held.extend(one.name for one in chain.verify(network, image, inputs, simulator="icarus"))
    assert held == links[: links.index(link)]


def test_every_link_has_a_fault_to_notice(links):
    assert list(dict.fromkeys(link for link, *_ in LINKS.values())) == links

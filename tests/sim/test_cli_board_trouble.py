"""What can go wrong between a command and a board: a line of text, a code, and a board that works.

Over the terminal of a virtual board, as over a serial port.
"""

from dataclasses import replace

import numpy as np
import pytest

from nhot.cli import main
from nhot.compiler import EngineConfig, compile_network
from nhot.contract.program import Region
from nhot.device import Board, SerialTransport
from nhot.device.areas import image_areas, read_requests
from nhot.network.reference import run
from nhot.testing.engine_networks import extreme_inputs, sample_network
from nhot_sim.runner import require
from nhot_sim.virtual_board import VirtualBoard

CONFIG = EngineConfig(pixels=2, filters=4, inputs=4, requantisers=2)
NETWORK = sample_network("2hot")
IMAGE = compile_network(NETWORK, CONFIG)
LOAD = ["load", "net.img", "--no-verify", "--port"]


@pytest.fixture(scope="module")
def virtual():
    require("verilator")
    require("g++")
    with VirtualBoard(CONFIG) as board:
        yield board


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.img").write_bytes(IMAGE.to_bytes())
    other = compile_network(NETWORK, replace(CONFIG, pixels=1))
    (tmp_path / "other.img").write_bytes(other.to_bytes())


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """A machine under load is no silent board."""
    start = Board.__init__
    monkeypatch.setattr(
        Board, "__init__", lambda self, line, *, timeout=60: start(self, line, timeout=60)
    )


def refused(capsys, arguments, text, code=1):
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert text in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert not captured.out


def still_works(virtual, capsys):
    assert main([*LOAD, virtual.port]) == 0
    capsys.readouterr()
    with Board(virtual.transport()) as board:
        board.verify(IMAGE)
        x = extreme_inputs(NETWORK)[:1]
        np.testing.assert_array_equal(board.run(x).outputs, run(NETWORK, x))


def test_a_port_that_another_program_has(virtual, files, capsys):
    held = SerialTransport(virtual.port)
    refused(capsys, [*LOAD, virtual.port], "must be one that can be opened")
    held.close()
    still_works(virtual, capsys)


def test_a_board_with_another_engine(virtual, files, capsys):
    refused(capsys, ["load", "other.img", "--port", virtual.port],
            "must have the engine that the image is for")
    still_works(virtual, capsys)


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_cable_that_is_pulled_while_loading(virtual, files, capsys, monkeypatch, after):
    """The port goes away in the middle of a frame; plugged in again, the board is as good as new.
    """
    write, left = SerialTransport.write, after

    def pulled(self, data):
        nonlocal left
        left -= 1
        write(self, data if left else data[: len(data) // 2 + after])
        if left == 0:
            self._port.close()

    with monkeypatch.context() as patch:
        patch.setattr(SerialTransport, "write", pulled)
        refused(capsys, [*LOAD, virtual.port], f"Port {virtual.port} must ")
    still_works(virtual, capsys)


def test_nothing_is_left_of_what_was_wiped(virtual, files, capsys):
    """Beyond the image all words of all memories are zero, or what a code of zero is stored as."""
    still_works(virtual, capsys)
    assert main([*LOAD, virtual.port, "--wipe"]) == 0
    held = {area.region: len(area.stored) for area in image_areas(IMAGE)}
    sizes = {
        Region.PROGRAM: (4, CONFIG.program_words),
        Region.REQUANT: (4 * CONFIG.requantisers, CONFIG.requant_words),
        Region.WEIGHTS: (CONFIG.field_bytes, CONFIG.weight_words),
        Region.ACTIVATIONS: (CONFIG.inputs, CONFIG.activation_words),
    }
    zero = int(CONFIG.weight_format.field_table[0])
    with Board(virtual.transport()) as board:
        board.verify(IMAGE)
        for region, (word, depth) in sizes.items():
            first = held.get(region, 0) // word
            rest = read_requests(region, first, word, (depth - first) * word)
            data = b"".join(answer.payload for answer in board.link.pipeline(rest))
            assert set(data) == {zero if region is Region.WEIGHTS else 0}, region

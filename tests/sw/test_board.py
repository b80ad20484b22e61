"""The host's side against a board in Python, over good lines and bad ones."""

from __future__ import annotations

import os
import sys
import threading
import time

import numpy as np
import pytest

from nhot.compiler import EngineConfig, Image, Machine, compile_network
from nhot.contract.program import Region
from nhot.device import Board, SerialTransport, transport
from nhot.errors import DeviceError, MismatchError, MissingToolError, NhotError
from nhot.network.reference import run as reference
from nhot.testing.networks import random_input, random_network
from nhot_sim.board_model import BoardModel, EngineMemory, FaultyLine, PlainMemory, Run, loopback

CONFIG = EngineConfig(filters=8, inputs=4, activation_words=4096)
NETWORK = random_network(3, layers=3, operators=("conv", "max", "linear"))
IMAGE = compile_network(NETWORK, CONFIG)
INPUTS = random_input(NETWORK.input, 3, 7)  # (7, height, width, channels)
LAYERS = IMAGE.meta.layers


class SoftwareEngine(BoardModel):
    """A board that runs what lies in its memories, which it has from nobody but the host."""

    def __init__(self, image: Image = IMAGE):
        self.image = image
        super().__init__(
            target_id=image.config.target_id, memory=EngineMemory(image.config),
            on_run=self._compute,
        )

    def _compute(self, limit):
        image, data = self.image, self.memory.data
        loaded = Image(
            config=image.config, program=bytes(data[Region.PROGRAM][: len(image.program)]),
            requant=bytes(data[Region.REQUANT][: len(image.requant)]),
            weights=bytes(data[Region.WEIGHTS][: len(image.weights)]), meta=image.meta,
        )
        machine = Machine(loaded)
        source = image.meta.input
        size = source.word_bytes
        start = source.address * size
        values = source.unpack(
            bytes(data[Region.ACTIVATIONS][start : start + source.words * size])
        )
        machine.run(values)
        data[Region.ACTIVATIONS][:] = machine.activations.tobytes()
        for index in range(len(LAYERS)):
            entry = np.array([1000 * (index + 1), index], "<u4").tobytes()
            data[Region.TIMING][8 * index : 8 * index + 8] = entry
        return Run(cycles=12345, stalls=67)


def test_load_run_and_ask():
    model = SoftwareEngine()
    seen = []
    with Board(loopback(model)) as board:
        assert board.hello.target_id == CONFIG.target_id
        board.load(IMAGE, progress=lambda done, total: seen.append((done, total)))
        assert bytes(model.memory.data[Region.PROGRAM]).startswith(IMAGE.program)
        result = board.run(INPUTS[0])
        assert np.array_equal(result.outputs, reference(NETWORK, INPUTS[:1])[0])
        assert (result.cycles, result.stalls) == (12345, 67)
        batch = board.run(INPUTS)
        assert np.array_equal(batch.outputs, reference(NETWORK, INPUTS))
        assert batch.cycles.tolist() == [12345] * len(INPUTS)
        times = board.layer_cycles()
        assert [(t.name, t.end, t.stalls) for t in times] == [
            (layer.name, 1000 * (i + 1), i) for i, layer in enumerate(LAYERS)
        ]
        assert board.status().runs == 1 + len(INPUTS)
        assert board.link.repeated == 0
    dones, totals = zip(*seen, strict=True)
    assert len(set(totals)) == 1
    assert dones[-1] == totals[0]
    assert list(dones) == sorted(dones)


@pytest.mark.parametrize("seed", range(8))
def test_bad_lines_cost_time_only(seed):
    """Frames lost, repeated, flipped, swapped, cut and with garbage before them, both ways."""
    model = SoftwareEngine()
    lines = [FaultyLine(rate=0.3, seed=2 * seed + way) for way in (0, 1)]
    with Board(loopback(model, *lines)) as board:
        board.link.tries = 100
        board.load(IMAGE)
        result = board.run(INPUTS[:3])
        assert np.array_equal(result.outputs, reference(NETWORK, INPUTS[:3]))
        assert board.link.repeated > 0
    assert model.runs == 3  # a lost answer to RUN starts no second one
    assert min(line.faults for line in lines) > 3


def test_another_engines_image_is_refused():
    model = BoardModel(target_id=0x1234, memory=PlainMemory())
    board = Board(loopback(model))
    with pytest.raises(
        DeviceError, match=f"for, {CONFIG.target_id:#010x}, not 0x00001234"
    ):
        board.load(IMAGE)
    with pytest.raises(DeviceError, match="must be loaded with an image before it can run"):
        board.run(INPUTS[0])


@pytest.mark.parametrize(("region", "byte", "word"), [
    (Region.PROGRAM, 9, 2), (Region.REQUANT, 5, 1),
    (Region.WEIGHTS, CONFIG.code_bytes + 1, 1),
])
def test_a_memory_that_does_not_hold_is_named(region, byte, word):
    model = SoftwareEngine()
    read = model.memory.read

    def stuck(where, address, length):
        if where == region:
            memory = model.memory.data[region]
            memory[byte] = 0 if region == Region.WEIGHTS else 0x5A
        return read(where, address, length)

    model.memory.read = stuck
    board = Board(loopback(model))
    with pytest.raises(
        MismatchError,
        match=rf"Board's {region.name.lower()} must hold [0-9a-f]+ in word {word}, not [0-9a-f]+$",
    ):
        board.load(IMAGE)
    board.load(IMAGE, verify=False)
    with pytest.raises(MismatchError):
        board.verify(IMAGE)
    with pytest.raises(DeviceError, match="must be loaded"):
        board.layer_cycles()


def test_a_loaded_board_is_recognised():
    model = SoftwareEngine()
    Board(loopback(model)).load(IMAGE, verify=False)
    again = Board(loopback(model))
    again.verify(IMAGE)
    assert np.array_equal(
        again.run(INPUTS[0]).outputs, reference(NETWORK, INPUTS[:1])[0]
    )


def test_a_run_without_end_is_broken_off():
    model = SoftwareEngine()
    board = Board(loopback(model))
    board.load(IMAGE)
    model.on_run = lambda limit: (setattr(model, "busy", True), Run())[1]
    with pytest.raises(DeviceError, match=r"must end within 0\.01 s, and was broken off"):
        board.run(INPUTS[0], limit=0.01)
    assert not model.busy
    model.busy = True
    with pytest.raises(DeviceError, match="must be idle for WRITE, not in the middle of a run"):
        board.run(INPUTS[0])
    board.load(IMAGE)  # breaks the run off


@pytest.mark.parametrize(("values", "text"), [
    (np.zeros((2, 2), int), r"Input must have shape \(height, width, channels\) or a batch"),
    (np.zeros((0, 2, 2, 3), int), "or a batch of them, not"),
    (np.zeros((1, 1, 1), int), "must have shape"),
])
def test_inputs_are_checked(values, text):
    board = Board(loopback(SoftwareEngine()))
    board.load(IMAGE, verify=False)
    with pytest.raises(NhotError, match=text):
        board.run(values)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_run_has_some_time(limit):
    with pytest.raises(NhotError, match=f"Limit of a run must be above 0 seconds, not {limit}"):
        Board(loopback(SoftwareEngine())).run(INPUTS[0], limit=limit)


@pytest.fixture
def terminal():
    """A pseudo-terminal: its far end, and the name of its near end."""
    far, near = os.openpty()
    yield far, os.ttyname(near)
    os.close(far)
    os.close(near)


def test_over_a_terminal(terminal):
    far, name = terminal
    model = SoftwareEngine()
    end = threading.Event()

    def serve():
        os.set_blocking(far, False)
        while not end.is_set():
            try:
                data = os.read(far, 4096)
            except BlockingIOError:
                time.sleep(0.001)
                continue
            reply = model.answer(data)
            if reply:
                os.write(far, reply)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with Board.open(name, timeout=60) as board:  # a busy machine repeats nothing
            board.load(IMAGE)
            outputs = board.run(INPUTS[0]).outputs
            assert board.link.repeated == 0
    finally:
        end.set()
        thread.join()
    assert np.array_equal(outputs, reference(NETWORK, INPUTS[:1])[0])


def test_a_silent_terminal(terminal):
    _, name = terminal
    with pytest.raises(DeviceError, match=f"Board on {name} must answer HELLO"):
        Board.open(name, timeout=0.01)


def test_a_terminal_has_one_user(terminal):
    _, name = terminal
    port = SerialTransport(name)
    with pytest.raises(DeviceError, match=f"Port {name} must be one that can be opened"):
        SerialTransport(name)
    assert port.read(0.0) == b""
    port.close()
    port.close()
    with pytest.raises(DeviceError, match="must stay open to be read"):
        port.read(0.0)
    with pytest.raises(DeviceError, match="must take what is written"):
        port.write(b"a")


@pytest.mark.parametrize("port", ["/dev/does-not-exist", "socket://localhost:1", "nonsense://x"])
def test_a_port_that_does_not_open(port):
    with pytest.raises(DeviceError, match=f"^Port {port} must be one that can be opened: "):
        SerialTransport(port)


@pytest.mark.parametrize("baud", [-1, 0, 2**31])
def test_a_rate_that_no_port_has(terminal, baud):
    with pytest.raises(NhotError, match=f"^Baud rate must be 1 to 2147483647, not {baud}"):
        SerialTransport(terminal[1], baud=baud)


def test_without_pyserial_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "serial", None)
    with pytest.raises(MissingToolError, match=r"must .*: pip install 'nhot\[device\]'"):
        SerialTransport("/dev/ttyUSB0")


def test_latency_timer(tmp_path, terminal, monkeypatch, caplog):
    _, name = terminal
    assert transport.latency_timer(name) is None
    folder = tmp_path / name.rsplit("/", 1)[1]
    folder.mkdir()
    (folder / "latency_timer").write_text("16\n", encoding="utf-8")
    assert transport.latency_timer(name, str(tmp_path)) == 16
    monkeypatch.setattr(transport, "latency_timer", lambda port: 16)
    SerialTransport(name).close()
    assert "holds bytes back for 16 ms; 1 ms loads a board faster" in caplog.text

"""Hosts that come and go, on a pseudo-terminal and over TCP, to all four models."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from nhot.cli import main
from nhot.compiler import EngineConfig, compile_network
from nhot.compiler.targets import target
from nhot.device import Result
from nhot.errors import NhotError
from nhot.mlperf import Inference, Pty, Reading, Tcp, lines, serve, serving
from nhot.network.file import save
from nhot.network.reference import run as reference
from nhot.testing.mlperf_host import Host, windows
from nhot.testing.tiny_networks import TINY, tiny_network

CYCLES, CLOCK = 700, 50_000_000


class FakeBoard:
    """Answers from the reference; waits before each run as long as ``seconds``."""

    def __init__(self, network):
        self.network = network
        self.runs = 0
        self.seconds = 0.0

    def run(self, values):
        self.runs += 1
        time.sleep(self.seconds)
        outputs = reference(self.network, values[None])[0]
        return Result(outputs=outputs, cycles=CYCLES, stalls=0)


class NoMoreHosts(Exception):
    pass


@contextmanager
def served(name, kind=Pty, hosts=1, board=None, turns=None):
    """The address of a device that ends after so many hosts; it must not fail before.

    ``turns`` counts the times that it began to wait for a host.
    """
    network = tiny_network(name)
    board = board or FakeBoard(network)
    failures = []
    with (Pty() if kind is Pty else Tcp(0)) as line:
        wait, left = line.wait, iter(range(hosts))

        def counted():
            if next(left, None) is None:
                raise NoMoreHosts
            if turns is not None:
                turns.append(kind)
            wait()

        line.wait = counted

        def work():
            try:
                serve(line, Inference(board, Reading(network), CLOCK))
            except NoMoreHosts:
                pass
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        yield line.address if kind is Pty else f"socket://{line.address}"
        thread.join(60)
        assert not thread.is_alive()
    assert not failures


def until(done):
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def samples(name, count, seed=0):
    rng = np.random.default_rng(seed)
    size = Reading(tiny_network(name)).model.size
    return [rng.integers(0, 256, size, dtype=np.uint8).tobytes() for _ in range(count)]


@pytest.mark.parametrize("kind", [Pty, Tcp], ids=["pty", "tcp"])
@pytest.mark.parametrize("name", sorted(set(TINY) - {"ad01"}))
def test_accuracy_mode(name, kind):
    """One inference of each sample, without warm-ups; the answer is the reference's."""
    network = tiny_network(name)
    with served(name, kind) as address, Host(address) as host:
        assert host.command("name") == ["m-name-dut-[nhot]"]
        assert host.command("profile")[1] == f"m-model-[{name}]"
        for data in samples(name, 3):
            host.load(data)
            timed = host.infer(1, 0)
            inputs = Reading(network).sample(data).integers
            wanted = reference(network, inputs[None]).ravel()
            powers = np.exp((wanted - wanted.max()) * network.output.scale)
            np.testing.assert_allclose(timed.scores, powers / powers.sum(), atol=0.00051)
            assert timed.microseconds == CYCLES * 1_000_000 // CLOCK


@pytest.mark.parametrize("name", sorted(TINY))
def test_performance_mode(name):
    """Five times the same, with warm-ups; the time is that of the inferences that count."""
    board = FakeBoard(tiny_network(name))
    values = np.random.default_rng(3).uniform(-30, 30, 640).astype("<f4").tobytes()
    (data,) = [values] if name == "ad01" else samples(name, 1)
    with served(name, board=board) as address, Host(address) as host:
        for _ in range(5):
            host.load(data)
            assert host.infer(20, 5).microseconds == 20 * CYCLES * 1_000_000 // CLOCK
    assert board.runs == 5 * 25


def test_anomaly_detection_looks_at_all_windows_of_a_recording():
    """Five frames of 128 numbers, one frame further each time; the score is the mean."""
    network = tiny_network("ad01")
    frames = np.random.default_rng(5).uniform(-40, 20, (12, 128)).astype("<f4")
    with served("ad01") as address, Host(address) as host:
        scores = []
        for window in windows(frames.tobytes()):
            host.load(window)
            scores += host.infer(1, 0).scores
    assert len(scores) == 8
    vectors = np.stack([frames[at : at + 5].ravel() for at in range(8)]).astype(float)
    integers = np.clip(np.floor(vectors / 0.25 + 0.5) + 10, -128, 127).astype(int)
    outputs = reference(network, integers.reshape(8, 1, 1, 640)).reshape(8, 640)
    wanted = np.mean(((outputs + 3) * 0.05 - vectors) ** 2)
    assert np.mean(scores) == pytest.approx(wanted, abs=0.0006)


@pytest.mark.parametrize("kind", [Pty, Tcp], ids=["pty", "tcp"])
def test_lines_that_the_wire_splits_and_joins(kind):
    (data,) = samples("kws01", 1)
    stream = b"".join([b"db load 490%", *(b"db %s%%" % data[at : at + 31].hex().encode()
                                          for at in range(0, 490, 31)), b"infer 1 0%"])
    with served("kws01", kind) as address, Host(address) as host:
        host.send(stream)
        answers = [host.lines() for _ in range(18)]
        assert answers[0] == ["m-[Expecting 490 bytes]"]
        assert answers[1:17] == [*[[]] * 15, ["m-load-done"]]
        assert answers[17][-1].startswith("m-results-[")
        for at in range(0, len(stream), 7):
            host.send(stream[at : at + 7])
            time.sleep(0.0005)
        assert [host.lines() for _ in range(18)] == [
            *answers[:17], [*answers[17][:3], "m-lap-us-14", "m-lap-us-28", *answers[17][5:]]]


@pytest.mark.parametrize("kind", [Pty, Tcp], ids=["pty", "tcp"])
def test_nothing_of_a_host_that_has_gone_is_left(kind):
    """Neither half a command, nor a sample, nor an answer that it has not read."""
    (data,) = samples("kws01", 1)
    turns = []
    with served("kws01", kind, hosts=3, turns=turns) as address:
        with Host(address) as host:
            host.load(data)
            host.infer(1, 0)
            host.send(b"db load 490%help%db 01")
        until(lambda: len(turns) == 2)
        with Host(address) as host:
            assert host.command("name") == ["m-name-dut-[nhot]"]
            assert host.command("db print") == []
            assert host.command("db 0203")[0].startswith("e-[Bytes must follow")
            assert host.command("results")[0].startswith("e-[Results")
            assert host.command("timestamp") == ["m-lap-us-14"]  # the board's time goes on
        until(lambda: len(turns) == 3)
        with Host(address) as host:
            assert host.command("") == []


@pytest.mark.parametrize("kind", [Pty, Tcp], ids=["pty", "tcp"])
def test_a_host_that_goes_in_the_middle_of_inferences(kind):
    """A million of them would take an hour and more; the device stops and takes the next host."""
    network = tiny_network("kws01")
    board = FakeBoard(network)
    board.seconds = 0.005
    (data,) = samples("kws01", 1)
    turns = []
    with served("kws01", kind, hosts=2, board=board, turns=turns) as address:
        with Host(address) as host:
            host.load(data)
            host.send(b"infer 1000000 0%")
            until(lambda: board.runs > 3)
        until(lambda: len(turns) == 2)
        with Host(address) as host:
            assert host.command("name") == ["m-name-dut-[nhot]"]
    assert board.runs < 10_000


def test_long_work_shows_signs_of_life(monkeypatch):
    """A host gives up after half a minute without a line."""
    monkeypatch.setattr(serving, "_SILENCE", 0.1)
    board = FakeBoard(tiny_network("kws01"))
    with served("kws01", board=board) as address, Host(address) as host:
        host.load(samples("kws01", 1)[0])
        board.seconds = 0.5
        lines = host.command("infer 1 1")
        for start, end in (("m-warmup-start-1", "m-warmup-done"), ("m-lap-us-14", "m-lap-us-28")):
            between = lines[lines.index(start) + 1 : lines.index(end)]
            assert set(between) == {""}
        board.seconds = 0
        monkeypatch.setattr(serving, "_SILENCE", 60)
        assert "" not in host.command("infer 5 0")


def test_a_host_that_does_not_read(monkeypatch):
    """The device waits a while, then takes it for gone, and what it sends next for another's."""
    monkeypatch.setattr(lines, "_PATIENCE", 0.3)
    turns = []
    with served("vww01", hosts=2, turns=turns) as address, Host(address) as host:
        host.load(samples("vww01", 1)[0])
        host.send(b"db print%" * 4)
        until(lambda: len(turns) == 2)
        host.forget()
        assert host.command("db print") == []


def test_a_host_that_reads_whatever_there_is():
    """It does not forget by itself what was sent to the one before it, as pyserial does."""
    with Pty() as line:
        with Path(line.address).open("r+b", buffering=0):
            line.write(b"of another")
        with Path(line.address).open("r+b", buffering=0) as raw:
            line.wait()
            line.write(b"new")
            assert raw.read(100) == b"new"


def test_a_host_that_wants_the_terminal_for_itself(monkeypatch):
    """It may have it before the device has forgotten what the host before it did not read."""
    def busy(*_):
        raise OSError(16, "Device or resource busy")

    with Pty() as line:
        monkeypatch.setattr(lines.os, "open", busy)
        line._flush()


def test_a_sample_survives_what_is_out_of_order():
    (data,) = samples("kws01", 1)
    with served("kws01") as address, Host(address) as host:
        for command in ("infer 1 0", "results", "db 00", "db load 999999", "bogus", "db load 490",
                        "infer 1 0", "db load 3"):
            assert host.command(command)[0][:3] in {"e-[", "m-["}
        host.load(data)
        assert host.command("db 00")[0].startswith("e-[")
        assert host.command("x" * 400)[0].startswith("e-[Command must have at most 80")
        assert len(host.infer(2, 1).scores) == 12


def test_a_terminal_has_no_echo_and_changes_nothing():
    """A host that sets nothing gets its answers raw: line ends stay what they are."""
    with served("kws01") as address, Path(address).open("r+b", buffering=0) as raw:
        raw.write(b"name%")
        found = b""
        while not found.endswith(b"m-ready\r\n"):
            found += raw.read(100)
        assert found == b"m-name-dut-[nhot]\r\nm-ready\r\n"


@pytest.fixture
def files(tmp_path, monkeypatch):
    network = tiny_network("kws01")
    config = EngineConfig(weight_words=128, activation_words=256)
    monkeypatch.chdir(tmp_path)
    save(network, "kws.onnx")
    (tmp_path / "kws.img").write_bytes(compile_network(network, config).to_bytes())
    save(tiny_network("kws01", seed=1), "other.onnx")
    (tmp_path / "known.img").write_bytes(
        compile_network(network, target("icebreaker").config).to_bytes())
    return tmp_path


ARGUMENTS = ["mlperf", "kws.img", "--network", "kws.onnx", "--port", "/dev/nowhere"]


@pytest.mark.parametrize(("arguments", "code", "text"), [
    ([], 2, "--clock must be given for the engine 0x"),
    (["--clock", "0"], 2, "Clock must be 1 to 400 MHz, not 0"),
    (["--clock", "nan"], 2, "Clock must be 1 to 400 MHz, not nan"),
    (["--clock", "12", "--input-range", "3", "2"], 2, "Input range must be two numbers"),
    (["--clock", "12", "--tcp", "70000"], 2, "TCP port must be 0 to 65535, not 70000"),
    (["--clock", "12", "--network", "other.onnx"], 1, "weights"),
    (["--clock", "12"], 1, "Port /dev/nowhere must be one that can be opened"),
])
def test_what_is_wrong_is_one_line(files, capsys, arguments, code, text):
    assert main([*ARGUMENTS, *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
    assert err.count("\n") == 1


def test_the_clock_of_a_board_is_known(files, capsys):
    assert main([*ARGUMENTS[:1], "known.img", *ARGUMENTS[2:]]) == 1
    assert "/dev/nowhere" in capsys.readouterr().err


def test_a_port_that_is_taken(files, capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main([*ARGUMENTS, "--clock", "12", "--tcp", str(port)]) == 2
    assert f"TCP port {port} must be free" in capsys.readouterr().err


def test_a_clock_is_above_zero():
    with pytest.raises(NhotError, match="at least 1 Hz"):
        Inference(None, Reading(tiny_network("kws01")), 0)

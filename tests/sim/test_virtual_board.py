# amaranth: UnusedElaboratable=no
"""The harness around stand-ins for the engine's top: a wire, a worker, a talker."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from nhot.contract.config import EngineConfig
from nhot.device.protocol import Hello, Opcode, Request, Response
from nhot.errors import DeviceError, MissingToolError, NhotError
from nhot_hw.build.wire import Wire
from nhot_sim import virtual_board
from nhot_sim.silent_worker import SILENCE, Worker
from nhot_sim.virtual_board import VirtualBoard, build_board

pytestmark = pytest.mark.usefixtures("verilated")

SECONDS = 60  # a machine under load is slow; nothing waits this long unless it is stuck


class Port:
    """The host's end of a board."""

    def __init__(self, board):
        self.file = os.open(board.port, os.O_RDWR | os.O_NOCTTY)

    def write(self, data):
        while data:
            data = data[os.write(self.file, data):]

    def read(self, count):
        data = b""
        while len(data) < count:
            ready, _, _ = select.select([self.file], [], [], SECONDS)
            assert ready, f"Board must send {count} bytes, not {data!r}"
            data += os.read(self.file, count - len(data))
        return data

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.file)


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def port(board):
    with Port(board) as opened:
        yield opened


def test_every_byte_comes_back(port):
    data = np.random.default_rng(3).bytes(3000) + bytes(range(256))
    for start in range(0, len(data), 500):
        part = data[start:start + 500]
        port.write(part)
        assert port.read(len(part)) == part


@pytest.mark.parametrize("divisor", [4, 5, 16, 217])
def test_divisors(divisor):
    with VirtualBoard.of(Wire(), divisor=divisor) as board, Port(board) as port:
        port.write(bytes(range(256)))
        assert port.read(256) == bytes(range(256))
    assert board.cycles >= 256 * 10 * divisor
    assert board.seconds > 0


def test_more_than_the_terminal_holds(port):
    """A host that writes all before it reads loses nothing, up to what a board keeps for it."""
    data = np.random.default_rng(4).bytes(30_000)
    port.write(data)
    assert port.read(len(data)) == data


def test_terminal_is_raw(port):
    data = b"\x03\x04\x11\x13\x1a\x00\r\n\xff\x7f"
    port.write(data)
    assert port.read(len(data)) == data


def test_ports_can_be_opened_again(board):
    for byte in b"abc":
        with Port(board) as port:
            port.write(bytes([byte]))
            assert port.read(1) == bytes([byte])


def test_pyserial_opens_it(board):
    serial = pytest.importorskip("serial")
    with serial.Serial(board.port, 1_000_000, timeout=SECONDS) as link:
        link.write(b"nhot")
        assert link.read(4) == b"nhot"


def test_silent_work_goes_on_while_busy():
    with VirtualBoard.of(Worker(SILENCE)) as board, Port(board) as port:
        port.write(b"\xff")
        assert port.read(1) == b"\xff"
    assert board.cycles > SILENCE


def test_idle_board_sleeps(board):
    with Port(board) as port:
        port.write(b"x")
        assert port.read(1) == b"x"
        pid = board._process.pid
        deadline = time.monotonic() + SECONDS
        used, before = cpu_seconds(pid), -1.0
        while used != before:
            assert time.monotonic() < deadline, "Idle board must stop using the processor"
            time.sleep(0.3)
            used, before = cpu_seconds(pid), used
        port.write(b"y")
        assert port.read(1) == b"y"


def test_close_ends_the_process_and_may_be_repeated():
    board = VirtualBoard.of(Wire())
    assert board.is_running()
    board.close()
    board.close()
    assert not board.is_running()
    assert board.wait(0) == 0


def test_board_that_is_killed_is_noticed(board):
    board._process.kill()
    assert board.wait(SECONDS) == -signal.SIGKILL
    assert not board.is_running()


def test_waiting_too_long_is_an_error(board):
    with pytest.raises(DeviceError, match="must end within"):
        board.wait(0.01)


def test_board_dies_with_its_parent(tmp_path):
    executable = build_board(Wire())
    program = (
        "import os, subprocess, sys\n"
        f"board = subprocess.Popen([{str(executable)!r}, '4'], stdin=subprocess.PIPE)\n"
        "print(board.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    # The board holds the pipe as well, so the output ends when it does.
    output, _ = parent.communicate(timeout=SECONDS)
    assert b"/dev/pts/" in output
    assert b"cycles " in output


def test_second_build_is_the_first():
    first = build_board(Wire())
    written = first.stat().st_mtime_ns
    assert build_board(Wire()) == first
    assert first.stat().st_mtime_ns == written
    assert build_board(Worker(SILENCE)) != first


def test_engine_board_is_made_once_for_the_same_sources(monkeypatch, tmp_path):
    made = []

    def stand_in(config, *, clock_hz, baud):
        made.append(clock_hz / baud)
        return Wire()

    monkeypatch.setattr("nhot_hw.io.accelerator.Top", stand_in)
    monkeypatch.setattr(virtual_board, "cache_folder", lambda kind: tmp_path)
    for divisor in (4, 5, 4):
        with VirtualBoard(EngineConfig(), divisor=divisor) as board, Port(board) as port:
            port.write(b"once")
            assert port.read(4) == b"once"
    assert made == [4, 5]


@pytest.mark.slow
def test_engine_says_hello():
    config = EngineConfig(filters=2, inputs=2)
    with VirtualBoard(config) as board, Port(board) as port:
        port.write(Request(opcode=Opcode.HELLO, sequence=7).to_bytes())
        answer = b""
        while not answer.endswith(b"\0"):
            answer += port.read(1)
    response = Response.from_bytes(answer[:-1])
    assert (response.opcode, response.sequence) == (Opcode.HELLO, 7)
    assert Hello.from_bytes(response.payload).target_id == config.target_id


@pytest.mark.slow
@pytest.mark.parametrize(("suffix", "start"), [
    ("fst", b"\0\0\0\0\0\0\0\x01I"),  # its header block: a kind of 0 and a length of 329
    ("vcd", b"$version"),
])
def test_trace_is_what_its_suffix_says(tmp_path, suffix, start):
    trace = tmp_path / f"run.{suffix}"
    with VirtualBoard.of(Wire(), trace=trace) as board, Port(board) as port:
        port.write(b"trace")
        assert port.read(5) == b"trace"
    assert trace.read_bytes().startswith(start)


def test_fst_without_its_libraries_is_refused_before_anything_is_built(tmp_path, monkeypatch):
    monkeypatch.setattr("nhot_sim.verilator.has_headers", lambda *names: False)
    monkeypatch.setattr("nhot_hw.verilog.to_verilog", lambda *_: pytest.fail("must not begin"))
    with pytest.raises(MissingToolError, match="apt install liblz4-dev zlib1g-dev"):
        VirtualBoard.of(Wire(), trace=tmp_path / "run.fst")
    assert not list(tmp_path.iterdir())


def test_bad_arguments_are_refused(tmp_path):
    with pytest.raises(NhotError, match=r"must end in \.fst or \.vcd"):
        VirtualBoard.of(Wire(), trace=tmp_path / "run.txt")
    with pytest.raises(NhotError, match="must be in a folder that exists"):
        VirtualBoard.of(Wire(), trace=tmp_path / "none" / "run.vcd")
    for divisor in (3, 0, 70_000, 4.0):
        with pytest.raises(NhotError, match="must be 4 to 65536"):
            VirtualBoard(EngineConfig(), divisor=divisor)
    with pytest.raises(TypeError, match="must be an EngineConfig"):
        VirtualBoard("ulx3s")


def test_component_without_serial_port_is_refused():
    class Deaf(wiring.Component):
        tx: Out(1)

        def elaborate(self, platform):
            return Module()

    with pytest.raises(NhotError, match="must have a port 'rx'"):
        build_board(Deaf())

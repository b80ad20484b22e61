# amaranth: UnusedElaboratable=no
"""The harness around stand-ins for the engine's top: a wire, a worker, a talker."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from nhot.contract.config import EngineConfig
from nhot.device.protocol import Hello, Opcode, Request, Response
from nhot.errors import DeviceError, MissingToolError, NhotError
from nhot_hw.build.wire import Wire
from nhot_sim import virtual_board
from nhot_sim.runner import require
from nhot_sim.virtual_board import VirtualBoard, build_board

SECONDS = 60  # a machine under load is slow; nothing waits this long unless it is stuck

SILENCE = 5_000_000  # cycles; far more than a board without a busy output goes on for by itself


class Worker(wiring.Component):
    """Works in silence after a falling edge of rx, then sends one byte 0xff.

    That is a start bit and then a high line, so that a start bit is all it has to make.
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)
    busy: Out(1)

    def __init__(self, cycles):
        self.cycles = cycles
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        left = Signal(range(self.cycles + 4))
        m.d.comb += self.busy.eq(left >= 4)
        with m.If(left):
            m.d.sync += [left.eq(left - 1), self.tx.eq(left > 4)]
        with m.Elif(~self.rx):
            m.d.sync += left.eq(self.cycles + 3)
        with m.Else():
            m.d.sync += self.tx.eq(1)
        return m


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


@pytest.fixture(autouse=True)
def _tools():
    for tool in ("verilator", "g++"):
        require(tool)


@pytest.fixture
def board():
    with VirtualBoard.of(Wire()) as made:
        yield made


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


def test_a_silence_is_one_of_the_board_and_takes_no_time(board):
    """An hour of silence, from a board that sleeps; then nothing of that hour is left."""
    line = board.transport()
    before = line.clock()
    assert line.read(3600) == b""
    assert line.clock() - before < 1
    line.write(b"abc")
    assert read_all(line, 3) == b"abc"
    line.close()


def read_all(line, count):
    data = b""
    while len(data) < count:
        piece = line.read(3600)
        assert piece, f"Board must send {count} bytes, not {data!r}"
        data += piece
    return data


def test_a_board_that_stands_still_is_waited_for(board):
    """A machine without time for the board is no silence of it, whatever the host's patience."""
    line = board.transport()
    board._process.send_signal(signal.SIGSTOP)
    line.write(b"x")
    awake = threading.Timer(0.5, board._process.send_signal, [signal.SIGCONT])
    awake.start()
    assert line.read(1e-4) == b"x"
    awake.join()
    line.close()


def test_time_is_the_boards():
    with VirtualBoard.of(Worker(SILENCE)) as board:
        line = board.transport()
        before = line.clock()
        line.write(b"\xff")
        assert line.read(0.1) == b""  # a tenth of a second in which it works
        assert 0.1 < line.clock() - before
        assert read_all(line, 1) == b"\xff"
        assert line.clock() - before > SILENCE / 4_000_000
        line.close()


def test_hosts_one_after_the_other(board):
    """What one host wrote or left unread is not waited for by the next."""
    for data in (b"first", b"second"):
        line = board.transport()
        line.write(data)
        line.close()
    line = board.transport()
    while line.read(3600):
        pass
    line.write(b"z")
    assert read_all(line, 1) == b"z"
    line.close()


def test_a_dead_board_is_an_error_at_once(board):
    line = board.transport()
    board._process.kill()
    with pytest.raises(DeviceError):
        line.read(3600)
    with pytest.raises(DeviceError, match="must go on, but ended with code -9"):
        board.progress()
    with pytest.raises(DeviceError):
        board.transport()
    line.close()


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

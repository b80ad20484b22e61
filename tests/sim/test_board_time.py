# amaranth: UnusedElaboratable=no
"""The line to a virtual board: time is the board's, and hosts come one after the other."""

import signal
import threading

import pytest

from nhot.errors import DeviceError
from nhot_sim.silent_worker import SILENCE, Worker
from nhot_sim.virtual_board import VirtualBoard

pytestmark = pytest.mark.usefixtures("verilated")


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

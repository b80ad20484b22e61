"""What a host is answered, command by command, whatever it sends and however it is cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhot.device import Result
from nhot.errors import DeviceError
from nhot.mlperf import Inference, Reading, Session
from nhot.mlperf.commands import Commands
from nhot.network.reference import run as reference
from nhot.testing.tiny_networks import tiny_network

NETWORK = tiny_network("kws01")
SAMPLE = bytes(range(245)) * 2
CYCLES = 1500
CLOCK = 1_000_000  # so that a run is 1,500 microseconds


class FakeBoard:
    """Answers from the reference; ``broken`` makes it fail."""

    def __init__(self):
        self.inputs = []
        self.broken = False

    def run(self, values):
        if self.broken:
            raise DeviceError("Board on x must answer RUN,\nbut é did not")
        self.inputs.append(values)
        return Result(outputs=reference(NETWORK, values[None])[0], cycles=CYCLES, stalls=0)


@pytest.fixture
def board():
    return FakeBoard()


@pytest.fixture
def session(board):
    return Session(Inference(board, Reading(NETWORK), CLOCK))


def ask(session, command):
    *lines, ready = session.answer(command)
    assert ready == "m-ready"
    return [line for line in lines if line is not None]


def load(session, data=SAMPLE, piece=31):
    ask(session, f"db load {len(data)}")
    answers = [ask(session, f"db {data[at : at + piece].hex()}")
               for at in range(0, len(data), piece)]
    assert answers == [*[[]] * (len(answers) - 1), ["m-load-done"]]


@pytest.mark.parametrize(("command", "lines"), [
    ("name", ["m-name-dut-[nhot]"]),
    ("profile", ["m-profile-[ULPMark for tinyML Firmware V0.0.1]", "m-model-[kws01]"]),
    ("  name \r\n", ["m-name-dut-[nhot]"]),
    ("timestamp", ["m-lap-us-0"]),
    ("", []),
    ("\r\n", []),
    ("db print", []),
    ("db load 490", ["m-[Expecting 490 bytes]"]),
    ("db load 27648", ["m-[Expecting 27648 bytes]"]),
])
def test_plain_answers(session, command, lines):
    assert ask(session, command) == lines


@pytest.mark.parametrize(("command", "error"), [
    ("nmae", "Unknown command: nmae"),
    ("NAME", "Unknown command: NAME"),
    ("name x", "Unknown command: name x"),
    ("infer 1 2 3", "Unknown command: infer 1 2 3"),
    ("\x1b[2J\xe9", r"Unknown command: \x1b[2J\xe9"),
    ("n" * 81, "Command must have at most 80 characters"),
    ("db", "Command 'db' must be db load N, db print, or db and hexadecimal digits, not 'db'"),
    ("db load", ("Command 'db' must be db load N, db print, or db and hexadecimal digits, "
                 "not 'db load'")),
    ("db 00 11", ("Command 'db' must be db load N, db print, or db and hexadecimal digits, "
                  "not 'db 00 11'")),
    ("db load 0", "Command 'db load' must be 1 to 27648, not '0'"),
    ("db load 27649", "Command 'db load' must be 1 to 27648, not '27649'"),
    ("db load -3", "Command 'db load' must be 1 to 27648, not '-3'"),
    ("db load ten", "Command 'db load' must be 1 to 27648, not 'ten'"),
    ("db load \xb2", r"Command 'db load' must be 1 to 27648, not '\xb2'"),
    ("db 00", "Bytes must follow 'db load N', and be no more than N"),
    ("infer 1", "Sample must have 490 bytes, not 0"),
    ("infer 0 0", "Inferences must be 1 to 2147483647, not '0'"),
    ("infer 1 -1", "Warm-ups must be 0 to 2147483647, not '-1'"),
    ("infer 2147483648", "Inferences must be 1 to 2147483647, not '2147483648'"),
    ("results", "Results must be of an inference, and there was none"),
])
def test_what_is_wrong_is_said_and_the_next_command_works(session, command, error):
    assert ask(session, command) == [f"e-[{error}]"]
    load(session)
    assert ask(session, "infer 1 0")[-1].startswith("m-results-[")


def test_help_names_every_command(session):
    text = "\n".join(ask(session, "help"))
    assert all(name in text for name in (
        "help", "name", "profile", "timestamp", "db load N", "db HH", "db print", "infer N",
        "results"))


def test_bytes_come_in_pieces_of_any_length(session):
    load(session, piece=1)
    load(session, piece=38)
    lines = ask(session, "db print")
    assert lines[0] == "m-buffer-00-01-02-03-04-05-06-07"
    assert lines[-1] == "m-buffer-" + SAMPLE[-2:].hex("-")
    assert bytes.fromhex("".join(lines).replace("m-buffer-", "").replace("-", "")) == SAMPLE


@pytest.mark.parametrize(("command", "error"), [
    ("db 123", "Bytes must have two hexadecimal digits each, not 3 in all"),
    ("db 12g4", "Bytes must be hexadecimal digits, not 'g'"),
    ("db 1_23", "Bytes must be hexadecimal digits, not '_'"),
])
def test_a_wrong_piece_adds_nothing(session, command, error):
    ask(session, "db load 4")
    assert ask(session, "db 0102") == []
    assert ask(session, command) == [f"e-[{error}]"]
    assert ask(session, "db aAfF") == ["m-load-done"]
    assert ask(session, "db print") == ["m-buffer-01-02-aa-ff"]


def test_more_bytes_than_were_announced(session):
    """The rest of the last piece is not taken, and a piece behind it is an error."""
    ask(session, "db load 3")
    assert ask(session, "db 01020304") == ["m-load-done"]
    assert ask(session, "db 05")[0].startswith("e-[Bytes must follow")
    assert ask(session, "db print") == ["m-buffer-01-02-03"]


def test_a_load_begins_anew(session, board):
    ask(session, "db load 600")
    ask(session, f"db {'77' * 31}")
    load(session)
    ask(session, "infer 1 0")
    np.testing.assert_array_equal(
        board.inputs[0].ravel(), np.frombuffer(SAMPLE, np.int8).astype(np.int64))


@pytest.mark.parametrize("wrong", ["db load 491", "db load 0"])
def test_nothing_runs_on_half_a_sample(session, board, wrong):
    load(session)
    ask(session, wrong)
    assert ask(session, "infer 1 0") == ["e-[Sample must have 490 bytes, not 0]"]
    assert not board.inputs


def test_an_inference_says_when_it_was(session, board):
    load(session)
    lines = ask(session, "infer 3 2")
    assert lines[:-1] == ["m-warmup-start-2", "m-warmup-done", "m-infer-start-3", "m-lap-us-3000",
                          "m-lap-us-7500", "m-infer-done"]
    assert len(board.inputs) == 5
    assert ask(session, "timestamp") == ["m-lap-us-7500"]
    assert ask(session, "results") == [lines[-1]]
    scores = [float(score) for score in lines[-1][len("m-results-["):-1].split(",")]
    assert len(scores) == 12
    assert sum(scores) == pytest.approx(1, abs=0.006)
    answer = reference(NETWORK, board.inputs[0][None])
    assert np.argmax(scores) == answer.argmax()


def test_there_are_ten_warm_ups_unless_said_otherwise(session, board):
    load(session)
    assert ask(session, "infer 1")[0] == "m-warmup-start-10"
    assert len(board.inputs) == 11
    ask(session, "infer")
    assert len(board.inputs) == 22


def test_a_board_that_fails_is_an_error_of_one_line_and_of_one_command(session, board):
    load(session)
    ask(session, "infer 1 0")
    board.broken = True
    lines = ask(session, "infer 2 0")
    assert lines[-1] == r"e-[Board on x must answer RUN,\nbut \xe9 did not]"
    assert ask(session, "results")[0].startswith("e-[Results")
    board.broken = False
    assert len(ask(session, "infer 1 0")) == 7


def test_work_can_be_broken_off_between_inferences(session, board):
    load(session)
    lines = session.answer("infer 100 7")
    assert [next(lines) for _ in range(12)] == [
        "m-warmup-start-7", *[None] * 7, "m-warmup-done", "m-infer-start-100", "m-lap-us-10500",
        None]
    assert len(board.inputs) == 8


STREAM = b"name%db load 2% db 0102%\r\nprofile%" + b"x" * 300 + b"%help%" + b" " * 500 + b"name%na"
WANTED = ["name", "db load 2", "db 0102", "profile", "x" * 81, "help", "name"]


@given(st.lists(st.integers(0, len(STREAM))))
def test_commands_are_the_same_however_the_stream_is_cut(cuts):
    places = [0, *sorted(cuts), len(STREAM)]
    commands = Commands()
    found = [one for start, end in pairwise(places)
             for one in commands.feed(STREAM[start:end])]
    assert found == WANTED
    assert commands.feed(b"me%") == ["name"]


def test_an_endless_command_takes_no_memory():
    commands = Commands()
    for _ in range(100):
        assert commands.feed(b"x" * 100_000) == []
        assert len(commands._rest) <= 81
    assert commands.feed(b"%name%") == ["x" * 81, "name"]


@given(st.binary(max_size=200))
def test_any_bytes_are_answered_in_lines_that_can_be_read(data):
    session = Session(Inference(FakeBoard(), Reading(NETWORK), CLOCK))
    for command in Commands().feed(data + b"%"):
        *lines, ready = session.answer(command)
        assert ready == "m-ready"
        for line in lines:
            assert line.isascii()
            assert line.isprintable()
            assert "m-ready" not in line or "m-ready" in command

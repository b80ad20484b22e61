"""Progress: silent when short, a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import io
import logging

import pytest

from nhot.progress import Progress, configure_logging, track


class Clock:
    """Seconds that pass when told."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_short_work_is_silent(stream):
    clock = Clock()
    with Progress("packing", 10, stream=stream, clock=clock) as progress:
        for _ in range(10):
            clock.now += 0.19
            progress.step()
    assert stream.getvalue() == ""


def test_a_terminal_gets_one_line_with_a_bar():
    clock, stream = Clock(), Terminal()
    with Progress("packing", 8, unit="layers", stream=stream, clock=clock) as progress:
        clock.now += 3
        progress.step(2)
        clock.now += 0.01
        progress.step()  # too soon to draw again
        clock.now += 2.99
        progress.to(6)
    drawn = [line.rstrip() for line in stream.getvalue().split("\r")]
    assert drawn == [
        "",
        "packing [######..................]  25% 2/8 layers, 9 s left",
        "packing [##################......]  75% 6/8 layers, 2 s left",
        "packing: took 6 s",
    ]
    assert stream.getvalue().endswith("\n")


def test_a_file_gets_a_line_now_and_then():
    clock, stream = Clock(), io.StringIO()
    with Progress("running", 100, stream=stream, clock=clock) as progress:
        for _ in range(25):
            clock.now += 1
            progress.step()
    assert stream.getvalue().splitlines() == [
        "running: 2%, 2/100, 1 min 38 s left",
        "running: 12%, 12/100, 1 min 28 s left",
        "running: 22%, 22/100, 1 min 18 s left",
        "running: took 25 s",
    ]


def test_work_of_unknown_length_is_counted():
    clock, stream = Clock(), io.StringIO()
    with Progress("reading", unit="bytes", stream=stream, clock=clock) as progress:
        clock.now += 4000
        progress.step(70)
    assert stream.getvalue().splitlines() == ["reading: 70 bytes, 1 h 06 min",
                                              "reading: took 1 h 06 min"]


def test_failed_work_says_so():
    clock, stream = Clock(), io.StringIO()

    def work():
        with Progress("running", 10, stream=stream, clock=clock) as progress:
            clock.now += 5
            progress.step()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert stream.getvalue().splitlines()[-1] == "running: stopped after 5 s"


def test_track_passes_everything_on():
    assert list(track(range(5), "counting")) == [0, 1, 2, 3, 4]
    assert list(track(iter("abc"), "counting")) == ["a", "b", "c"]


def test_a_log_that_is_turned_down_has_no_progress(monkeypatch):
    clock, stream = Clock(), io.StringIO()
    logger = logging.getLogger("nhot")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "level", logging.NOTSET)
    told = "packing: 10%, 1/10, 1 min 30 s left\npacking: took 10 s\n"
    for verbosity, text in ((-1, ""), (0, told)):
        configure_logging(verbosity)
        with Progress("packing", 10, stream=stream, clock=clock) as progress:
            clock.now += Progress.REPORT
            progress.step()
        assert stream.getvalue() == text

"""One host after the other, each from a clean start."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from typing import Never

from nhot.mlperf.commands import Commands
from nhot.mlperf.inference import Inference
from nhot.mlperf.lines import Gone, Line
from nhot.mlperf.session import READY, Session

__all__ = ["serve"]

_SILENCE = 2.0  # seconds; a host gives up after 5 without a line, or 30 of an inference

_log = logging.getLogger("nhot.mlperf")


def serve(line: Line, inference: Inference) -> Never:
    """Answer hosts until interrupted.

    A device sends nothing by itself: a host that has just opened the line would take a greeting
    for the answer to its first command.
    """
    with ThreadPoolExecutor(max_workers=1) as board:  # so that this end of the line never sleeps
        while True:
            line.wait()
            _log.info("a host has come")
            try:
                _talk(line, Session(inference), board)
            except Gone:
                _log.info("the host has gone")


def _talk(line: Line, session: Session, board: Executor) -> Never:
    commands = Commands()
    while True:
        for command in commands.feed(line.read()):
            for text in _alive(line, session.answer(command), board):
                line.check()
                if text is not None:
                    line.write(f"{text}\r\n".encode("ascii"))


def _alive(line: Line, answer: Iterator[str | None], board: Executor) -> Iterator[str | None]:
    """What there is of an answer; the host is shown signs of life while the board makes it.

    These are empty lines, which hosts pass over. The board is never left in the middle of its work.
    """
    text: str | None = None
    while text != READY:
        work = board.submit(next, answer)
        try:
            while wait([work], _SILENCE).not_done:
                line.check()
                line.write(b"\r\n")
        finally:
            wait([work])
        text = work.result()
        yield text

"""Progress and log lines on stderr; standard output is for data."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from types import TracebackType
from typing import Self, TextIO, TypeVar

from nhot.printable import printable, say

__all__ = ["Progress", "configure_logging", "duration", "track"]

Item = TypeVar("Item")


def configure_logging(verbosity: int) -> None:
    """Show the log of nhot on stderr: from warnings (-1) over information (0) to all (1)."""
    level = {-1: logging.WARNING, 0: logging.INFO}.get(
        verbosity, logging.DEBUG if verbosity > 0 else logging.ERROR
    )
    logger = logging.getLogger("nhot")
    if not logger.handlers:
        logger.addHandler(_StderrHandler())
    logger.setLevel(level)


class _StderrHandler(logging.Handler):
    """Writes to what is standard error at the time of writing."""

    def emit(self, record: logging.LogRecord) -> None:
        say(self.format(record), file=sys.stderr)


class Progress:
    """Say how far a piece of work is, once it takes longer than two seconds.

    On a terminal one line is redrawn, with a bar and the time left; elsewhere a plain line comes
    now and then. Nothing is printed when the log is turned down (``-q``) or the work is short.

    Parameters
    ----------
    what : str
        What is being done, two or three words.
    total : int, optional
        Units of work; without it only the units done are counted.
    unit : str
    stream : text file, optional
        Standard error unless given.
    clock : callable
        Seconds, never going back.
    """

    QUIET = 2.0  # seconds before the first word
    REDRAW = 0.1  # seconds between two looks on a terminal
    REPORT = 10.0  # seconds between two plain lines
    BAR = 24  # characters

    def __init__(
        self, what: str, total: int | None = None, *, unit: str = "", stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.what = what
        self.total = total
        self.unit = unit
        self.done = 0
        self._ahead = 0.0
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._live = self._stream.isatty()
        self._start = self._last = clock()
        self._width = 0

    def __enter__(self) -> Self:
        self._start = self._last = self._clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(failed=kind is not None)

    def step(self, count: int = 1) -> None:
        """Note that ``count`` more units are done."""
        self.to(self.done + count)

    def to(self, done: int, ahead: float = 0.0) -> None:
        """Note that ``done`` units are done in all, and ``ahead`` of those under way."""
        self.done, self._ahead = done, ahead
        now = self._clock()
        due = self.REDRAW if self._live else self.REPORT
        shown = self._last > self._start
        if now - self._start >= self.QUIET and (now - self._last >= due or not shown):
            self._last = now
            self._print(self._text(now), end="" if self._live else "\n")

    def close(self, *, failed: bool = False) -> None:
        """End the line, with the time it took; nothing if nothing was shown."""
        if self._last == self._start:
            return
        elapsed = self._clock() - self._start
        word = "stopped after" if failed else "took"
        self._print(f"{self.what}: {word} {duration(elapsed)}", end="\n")
        self._last = self._start

    def _text(self, now: float) -> str:
        elapsed = now - self._start
        unit = f" {self.unit}" if self.unit else ""
        if not self.total:
            return f"{self.what}: {self.done}{unit}, {duration(elapsed)}"
        part = min((self.done + self._ahead) / self.total, 1.0)
        time = f"{duration(elapsed / part - elapsed)} left" if part else duration(elapsed)
        text = f"{self.done}/{self.total}{unit}, {time}"
        if not self._live:
            return f"{self.what}: {part:.0%}, {text}"
        filled = round(part * self.BAR)
        return f"{self.what} [{'#' * filled}{'.' * (self.BAR - filled)}] {part:4.0%} {text}"

    def _print(self, text: str, end: str) -> None:
        if logging.getLogger("nhot").getEffectiveLevel() > logging.INFO and _configured():
            return
        text = printable(text)
        if self._live:
            text, self._width = text.ljust(self._width), len(text)
        say(text, start="\r" if self._live else "", end=end, file=self._stream)


def track(
    items: Iterable[Item], what: str, *, total: int | None = None, unit: str = "",
    stream: TextIO | None = None,
) -> Iterator[Item]:
    """Yield ``items`` and show how far the loop over them is."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Progress(what, total, unit=unit, stream=stream) as progress:
        for item in items:
            yield item
            progress.step()


def _configured() -> bool:
    """Whether the command line, rather than a library user's own logging, is in charge."""
    return bool(logging.getLogger("nhot").handlers)


def duration(seconds: float) -> str:
    """Seconds as people read them, in the two largest units."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole // 60 % 60:02} min"

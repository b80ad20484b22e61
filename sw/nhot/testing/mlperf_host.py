"""A host of the MLPerf Tiny protocol, written from its description; it knows nothing of the device.

Source: mlcommons/tiny, ``benchmark/runner`` (``device_under_test.py``, ``script.py``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nhot.closing import Closing

__all__ = ["Host", "Timed", "windows"]

_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What a device said of ``infer``: microseconds between its two laps, and the scores."""

    microseconds: int
    scores: list[float]


class Host(Closing):
    """A host with a device on a serial port, or on a URL that pyserial knows.

    Parameters
    ----------
    port : str
    piece : int
        Bytes of a sample in a command.
    """

    def __init__(self, port: str, *, piece: int = 31) -> None:
        import serial

        self._port: Any = serial.serial_for_url(port, baudrate=115200, timeout=0.05)
        self._piece = piece

    def close(self) -> None:
        """Give the port back."""
        self._port.close()

    def send(self, data: bytes) -> None:
        """Bytes as they are, whatever they mean."""
        self._port.write(data)

    def forget(self) -> None:
        """Read nothing of what has arrived."""
        self._port.reset_input_buffer()

    def lines(self) -> list[str]:
        """The lines of one answer, as they are, up to and without ``m-ready``."""
        found: list[str] = []
        text = bytearray()
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            text += self._port.read(1)
            if text.endswith(b"\r\n"):
                found.append(text[:-2].decode("ascii"))
                text.clear()
                if found[-1] == "m-ready":
                    return found[:-1]
        raise TimeoutError(f"Answer must end with m-ready, not with {found} {bytes(text)!r}")

    def command(self, text: str) -> list[str]:
        """Send one command; the lines of its answer."""
        self.send(text.encode("ascii") + b"%")
        return self.lines()

    def load(self, data: bytes) -> None:
        """Send a sample; the device must say that it has all of it with the last piece alone."""
        assert self.command(f"db load {len(data)}") == [f"m-[Expecting {len(data)} bytes]"]
        pieces = [data[at : at + self._piece].hex() for at in range(0, len(data), self._piece)]
        answers = [self.command(f"db {piece}") for piece in pieces]
        assert answers == [*[[]] * (len(pieces) - 1), ["m-load-done"]], answers

    def infer(self, runs: int, warm_ups: int) -> Timed:
        """Ask for inferences of the sample, and read what the device says of them."""
        lines = [line for line in self.command(f"infer {runs} {warm_ups}") if line]
        patterns = (
            f"m-warmup-start-{warm_ups}", "m-warmup-done", f"m-infer-start-{runs}",
            "m-lap-us-([0-9]+)", "m-lap-us-([0-9]+)", "m-infer-done", r"m-results-\[([^]]+)\]",
        )
        found = [re.fullmatch(*both) for both in zip(patterns, lines, strict=True)]
        assert all(found), lines
        first, second, scores = (one[1] for one in found if one and one.re.groups)
        return Timed(microseconds=int(second) - int(first),
                     scores=[float(score) for score in scores.split(",")])


def windows(recording: bytes, size: int = 2560, stride: int = 512) -> Iterator[bytes]:
    """The pieces of a recording that anomaly detection looks at, each ``stride`` bytes on."""
    for at in range(0, len(recording) - size + 1, stride):
        yield recording[at : at + size]

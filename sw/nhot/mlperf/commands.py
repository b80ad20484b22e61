"""The host's stream of bytes, cut into commands, and the buffer that its commands fill."""

from __future__ import annotations

import re

from nhot.errors import NhotError

__all__ = ["LONGEST", "MOST_BYTES", "Commands", "SampleBuffer"]

LONGEST = 80
"""Characters of a command."""

MOST_BYTES = 96 * 96 * 3
"""Of a sample: what a device of the benchmark has room for."""

_END = b"%"


class Commands:
    """Commands end with ``%``, however the line splits and joins them.

    What is kept is bounded: of a command that is too long no more than shows that it is.
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """The commands that ``data`` ends, without their end and the white space before them."""
        *whole, self._rest = (
            one.lstrip()[: LONGEST + 1] for one in (self._rest + data).split(_END)
        )
        return [one.decode("latin-1") for one in whole]


class SampleBuffer:
    """What ``db`` fills: as many bytes as were announced, in pieces.

    Attributes
    ----------
    data : bytes
        What has arrived.
    """

    def __init__(self) -> None:
        self.data = b""
        self._size = 0

    def announce(self, text: str) -> int:
        """Begin anew, with room for as many bytes as ``text`` says."""
        self.data, self._size = b"", 0
        size = count(text, "Command 'db load'", 1, MOST_BYTES)
        self._size = size
        return size

    def append(self, text: str) -> bool:
        """Add bytes written as hexadecimal digits; whether that was the last of them.

        A command that is wrong adds nothing. Of one with too many bytes those that are missing are
        taken, as by the benchmark's own device.
        """
        missing = self._size - len(self.data)
        if not missing:
            raise NhotError("Bytes must follow 'db load N', and be no more than N")
        if len(text) % 2:
            raise NhotError(f"Bytes must have two hexadecimal digits each, not {len(text)} in all")
        if wrong := re.search("[^0-9a-fA-F]", text):
            raise NhotError(f"Bytes must be hexadecimal digits, not {wrong[0]!r}")
        self.data += bytes.fromhex(text)[:missing]
        return len(self.data) == self._size


def count(text: str, what: str, least: int, most: int) -> int:
    """The whole number in ``text``, which must lie between two others."""
    if re.fullmatch("[0-9]+", text) and least <= (number := int(text)) <= most:
        return number
    raise NhotError(f"{what} must be {least} to {most}, not {text!r}")

"""Text of unknown origin, made safe and short for a terminal, a log or an error line."""

from __future__ import annotations

import reprlib
import sys
from typing import TextIO

__all__ = ["printable", "say", "shortened"]


def printable(text: str) -> str:
    r"""``text`` with everything that is no visible character escaped as Python writes it.

    Control characters and so the escape sequences of terminals, line ends, marks that turn the
    direction of writing, and halves of surrogate pairs (bytes of a file's name that are not UTF-8)
    come out as ``\x1b``, ``\n``, ``\u202e``, ``\udcff``. The result is one line.
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def shortened(value: object) -> str:
    """The ``repr`` of a value, of bounded length and depth, on one line."""
    return printable(_SHORT.repr(value))


def say(text: object = "", *, file: TextIO | None = None, start: str = "", end: str = "\n") -> None:
    """Print one line, nothing in it raw; all text that commands print goes through here.

    Standard output unless ``file`` is given. ``start`` and ``end`` are written as they are.
    """
    print(f"{start}{printable(str(text))}", end=end, file=file or sys.stdout, flush=True)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlong = 30
_SHORT.maxlevel = 3

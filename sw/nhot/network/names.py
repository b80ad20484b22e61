"""What things may be called, and how a list of names is told: by one rule, for all that is printed.

A name goes to terminals, into metadata, file names of other tools and pages. Whatever made it, it
is checked where a network is built, so that nothing behind it meets a name it cannot carry.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from nhot.errors import NhotError
from nhot.printable import shortened

__all__ = ["LONGEST", "check_name", "listed"]

LONGEST = 255
"""Characters of a name."""

_LISTED = 12


def check_name(name: str, what: str) -> None:
    """Refuse a name that is empty, over-long, or not of visible characters and spaces alone.

    So it has no control characters, no escape sequences of terminals, no line ends, no marks that
    turn the direction of writing, and no halves of surrogate pairs.
    """
    if not isinstance(name, str):
        raise TypeError(f"Name of {what} must be a text, not {name!r}")
    if not 0 < len(name) <= LONGEST or not name.isprintable():
        raise NhotError(
            f"Name of {what} must be 1 to {LONGEST} visible characters, not {shortened(name)}"
        )


def listed(names: Iterable[str]) -> str:
    """The names, separated by commas; of many the first ones."""
    names = iter(names)
    first = ", ".join(islice(names, _LISTED))
    more = sum(1 for _ in names)
    return f"{first}, ... ({more} more)" if more else first

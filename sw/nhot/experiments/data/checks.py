"""What folders and files of data sets are checked for, and one wording of what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from nhot.errors import NhotError

__all__ = ["read_file", "refuse", "seen"]

SHOWN = 5
"""So many entries of a folder are named in an error."""


def refuse(path: Path, expected: str) -> NoReturn:
    """Raise an error that says what ``path`` must be or hold, and what is there instead."""
    raise NhotError(f"Data {str(path)!r} must be {expected}; there is {seen(path)}")


def seen(path: Path) -> str:
    """What lies at ``path``, in a few words: the first entries if it is a folder."""
    if not path.is_dir():
        return f"a file of {path.stat().st_size:,} bytes" if path.exists() else "no such path"
    names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in path.iterdir())
    if not names:
        return "an empty folder"
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"a folder of {', '.join(names[:SHOWN])}{more}"


def read_file(path: Path) -> bytes:
    """All bytes of a file that belongs to a data set."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise NhotError(f"Data file {str(path)!r} must exist; there is {seen(path.parent)}"
                        ) from None
    except OSError as error:
        raise NhotError(f"Data file {str(path)!r} could not be read: {error.strerror}") from None

"""A folder for what is expensive to make and follows from its inputs alone.

Entries are named by a hash of everything that went into them, so they are never stale and the
folder may be deleted at any time.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from nhot.errors import NhotError
from nhot.files import check_folder

__all__ = ["cache_folder", "content_key"]


def cache_folder(kind: str) -> Path:
    """The folder for one ``kind`` of entry, made if it is missing.

    It lies in ``$NHOT_CACHE_DIR``, or ``nhot`` in ``$XDG_CACHE_HOME``, or ``~/.cache/nhot``.

    Raises
    ------
    NhotError
        It cannot be made or written to, or there is no home; the text says what to set.
    """
    try:
        folder = Path(_root(), kind).absolute()
        check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except (NhotError, OSError, RuntimeError) as error:
        raise NhotError(f"Cache must be a folder that can be written (set NHOT_CACHE_DIR to "
                        f"another), but: {error}") from None
    return folder


def _root() -> Path:
    given = os.environ.get("NHOT_CACHE_DIR")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "nhot")


def content_key(parts: Iterable[str]) -> str:
    """A file name for the entry that follows from ``parts``: 32 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        # With its length in front, ("ab", "c") differs from ("a", "bc").
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:32]

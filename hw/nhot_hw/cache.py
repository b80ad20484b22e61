"""A folder for what is expensive to make and follows from its inputs alone.

Entries are named by a hash of everything that went into them, so they are never stale and the
folder may be deleted at any time.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["cache_folder", "content_key"]


def cache_folder(kind: str) -> Path:
    """The folder for one ``kind`` of entry, made if it is missing.

    It lies in ``$NHOT_CACHE_DIR``, or ``nhot`` in ``$XDG_CACHE_HOME``, or ``~/.cache/nhot``.
    """
    root = os.environ.get("NHOT_CACHE_DIR")
    if root is None:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "nhot")
    folder = Path(root, kind).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def content_key(parts: Iterable[str]) -> str:
    """A file name for the entry that follows from ``parts``: 32 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        # With its length in front, ("ab", "c") differs from ("a", "bc").
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()[:32]

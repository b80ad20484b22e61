"""A file for the case at hand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["scratch_file"]


@contextmanager
def scratch_file(data: bytes, suffix: str) -> Iterator[Path]:
    """The path of a file that holds ``data``; whatever is written beside it goes with it."""
    with tempfile.TemporaryDirectory(prefix="nhot-fuzz-") as folder:
        path = Path(folder, f"case{suffix}")
        path.write_bytes(data)
        yield path

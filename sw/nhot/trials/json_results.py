"""Results as JSON files."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Any, TypeVar

from nhot.files import write_atomically
from nhot.schema import read_json

__all__ = ["read_result", "write_result"]

Kind = TypeVar("Kind")


def write_result(path: str | os.PathLike[str], result: Any) -> None:
    """Write a dataclass of this room as JSON, whole or not at all."""
    write_atomically(path, f"{json.dumps(asdict(result), indent=1)}\n".encode())


def read_result(kind: type[Kind], path: str | os.PathLike[str]) -> Kind:
    """The ``kind`` that :func:`write_result` wrote; a file that holds none is refused by name."""
    return read_json(kind, path, kind.__name__)

"""The log of a training: one JSON object a line."""

from __future__ import annotations

import json
import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

import nhot
from nhot.errors import NhotError
from nhot.files import read_file

__all__ = ["RunLog", "make_folder", "read_log", "versions"]


class RunLog:
    """Appends lines to a file; each is there at once, whatever happens next.

    A training that goes on from a checkpoint may repeat an epoch: its last line counts.

    Parameters
    ----------
    path : Path, optional
        Without it nothing is written.
    """

    def __init__(self, path: Path | None):
        self.path = path

    def write(self, event: str, **facts: Any) -> None:
        """Append what happened, ``event``, with its facts."""
        if self.path is None:
            return
        line = json.dumps({"event": event, **facts}, default=str) + "\n"
        try:
            with self.path.open("a+b") as file:
                if _cut_short(file):
                    line = "\n" + line
                file.write(line.encode())
        except OSError as error:
            raise NhotError(f"Log {str(self.path)!r} could not be written: "
                            f"{error.strerror}") from None


def read_log(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The lines of a log; one that a crash cut short, or that is no object, is left out."""
    lines = []
    for line in read_file(path, "Log").splitlines():
        with suppress(ValueError, RecursionError):
            lines.append(json.loads(line))
    return [line for line in lines if isinstance(line, dict)]


def make_folder(path: str | os.PathLike[str]) -> Path:
    """The folder of a run, made if it is not there."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NhotError(f"Folder {str(path)!r} could not be made: {error.strerror}") from None
    return folder


def versions() -> dict[str, str]:
    """What the numbers of a training depend on besides its settings."""
    return {
        "nhot": nhot.__version__, "torch": str(torch.__version__),
        "python": platform.python_version(), "machine": platform.machine(),
    }


def _cut_short(file: Any) -> bool:
    """Whether a file ends within a line; leaves it at its end."""
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) != b"\n")

"""Writing files so that no reader ever sees half of one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from nhot.errors import NhotError

__all__ = ["check_folders", "write_atomically"]


def check_folders(*paths: str | os.PathLike[str] | None) -> None:
    """Refuse a file to be written whose folder is not there; None stands for no file.

    Long work calls this before it starts, so that its result is not lost at the end.
    """
    for path in paths:
        if path is not None and not Path(path).resolve().parent.is_dir():
            raise NhotError(f"Folder of {str(path)!r} must exist before it can be written to")


def write_atomically(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to a temporary name beside ``path``, then rename it into place.

    A crash or a full disk leaves the file that was there before. A link is followed; what is no
    regular file, a pipe or a device, is written in place. Raises :class:`NhotError` with the path
    when it cannot be written.
    """
    target = Path(path).resolve()
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        if target.exists() and not target.is_file():
            target.write_bytes(data)
            return
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise NhotError(f"File {str(path)!r} could not be written: {error.strerror}") from None

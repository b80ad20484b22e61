"""Writing files so that no reader ever sees half of one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from nhot.errors import NhotError

__all__ = ["write_atomically"]


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

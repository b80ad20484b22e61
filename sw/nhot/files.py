"""Reading whole files, and writing them so that no reader ever sees half of one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from nhot.errors import NhotError

__all__ = ["check_folders", "read_file", "write_atomically"]


def check_folders(*paths: str | os.PathLike[str] | None) -> None:
    """Refuse a file to be written whose folder is not there; None stands for no file.

    Long work calls this before it starts, so that its result is not lost at the end.
    """
    for path in paths:
        if path is not None and not Path(path).resolve().parent.is_dir():
            raise NhotError(f"Folder of {str(path)!r} must exist before it can be written to")


def read_file(path: str | os.PathLike[str], what: str, most_bytes: int | None = None) -> bytes:
    """All bytes of a file; one that cannot be read or has more than ``most_bytes`` is refused.

    ``what`` is what errors call it. No more than ``most_bytes`` are read of a pipe or a device.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(-1 if most_bytes is None else most_bytes + 1)
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise NhotError(f"{what} {str(path)!r} could not be read: {reason}") from None
    if most_bytes is not None and len(data) > most_bytes:
        raise NhotError(f"{what} {str(path)!r} must have at most {most_bytes:,} bytes, not more")
    return data


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

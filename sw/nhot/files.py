"""Reading whole files, and writing them so that no reader ever sees half of one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from nhot.errors import NhotError

__all__ = ["check_files", "check_folder", "read_file", "write_atomically", "write_folder"]


def check_files(*paths: str | os.PathLike[str] | None) -> None:
    """Refuse files that could not be written; None stands for no file.

    Long work calls this before it starts, so that its result is not lost at the end. Whether a
    folder takes a file is found by making one in it: permissions do not tell all.

    Raises
    ------
    NhotError
        With the path as it was given, and why.
    """
    for path in paths:
        if path is not None:
            _check(os.fspath(path), "File", _cannot_take)


def check_folder(path: str | os.PathLike[str], *, new: bool = False) -> None:
    """Refuse a folder of output that could not be made, or not be written to.

    With ``new`` one that is there already is refused, too. Raises :class:`NhotError` as
    :func:`check_files` does.
    """
    _check(os.fspath(path), "Folder", _cannot_be_new if new else _cannot_hold)


def write_folder(path: str | os.PathLike[str], files: Mapping[str, bytes]) -> list[Path]:
    """Write ``files``, content by name, into a new folder; returns their paths in order.

    They are written beside it and renamed: the folder is there with all of them, or not at all.
    Raises :class:`NhotError` with the path when it is there already or cannot be written.
    """
    check_folder(path, new=True)
    folder = Path(path)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".nhot-", dir=folder.parent) as scratch:
            whole = Path(scratch, "whole")
            whole.mkdir()
            for name, content in files.items():
                (whole / name).write_bytes(content)
            whole.rename(folder)
    except OSError as error:
        raise NhotError(f"Folder {str(path)!r} could not be written: {error.strerror}") from None
    return [folder / name for name in sorted(files)]


def _check(path: str, what: str, fault: Callable[[str], str | None]) -> None:
    try:
        reason = fault(path) if path else "it has no name"
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, RuntimeError) as error:  # a zero byte, a loop of links
        reason = str(error)
    if reason is not None:
        raise NhotError(f"{what} {path!r} must be one that can be written, but: {reason}")


def _cannot_take(path: str) -> str | None:
    """Why the file ``path`` cannot be written as :func:`write_atomically` does it."""
    target = Path(path).resolve()
    if target.is_dir() or path.endswith(os.sep):
        return "it is a folder"
    folder = target.parent
    if not folder.exists():
        return f"there is no folder {os.path.dirname(path) or str(folder)!r}"  # noqa: PTH120
    if not folder.is_dir():
        return f"{str(folder)!r} is not a folder"
    if target.exists():  # a name that is too long is an OSError
        if not os.access(target, os.W_OK):
            return "it is read-only"
        if not target.is_file():  # a pipe or a device is written in place
            return None
    _try(folder)
    return None


def _cannot_hold(path: str) -> str | None:
    """Why no files can be written to the folder ``path``, which may not be there yet."""
    folder = Path(path).resolve()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        return f"{str(folder)!r} is not a folder"
    _try(folder)
    return None


def _cannot_be_new(path: str) -> str | None:
    """Why the folder ``path`` cannot be made."""
    reason = _cannot_hold(path)
    if reason is None and (Path(path).exists() or Path(path).is_symlink()):
        return "it is there already"
    return reason


def _try(folder: Path) -> None:
    file = folder / _temporary()
    file.touch(exist_ok=False)
    file.unlink()


def _temporary() -> str:
    return f".nhot-{secrets.token_hex(8)}"


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
    temporary = target.with_name(_temporary())
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

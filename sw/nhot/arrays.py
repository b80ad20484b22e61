"""Reading arrays of numbers from .npy and .npz files that may say anything of themselves.

A header is judged before anything of the size that it declares is allocated, and nothing in a file
is run: arrays of Python objects, texts, dates and records are refused.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nhot.errors import NhotError
from nhot.printable import printable, shortened
from nhot.zips import BROKEN_ZIP

__all__ = ["Numbers", "read_npy", "read_npz"]

Numbers = NDArray[Any]

_HEADER_BYTES = 10_000  # as numpy has it: a header is evaluated, in time that grows with it
_MOST_AXES = 16
_LONGEST = 1 << 40  # axis
_PIECE = 1 << 20

_FREE, _DENSEST = 1 << 28, 256
"""An array of an archive may take 256 MiB, and beyond that so many times its bytes in the file."""


def read_npy(path: str | os.PathLike[str], what: str) -> Numbers:
    """The array in a .npy file; errors call it ``what`` and its path.

    Its shape must be that of the bytes that follow: no more, no fewer.
    """
    what = f"{what} {str(path)!r}"
    with _open(path, what) as file:
        status = os.fstat(file.fileno())
        return _read_array(file, status.st_size if S_ISREG(status.st_mode) else None, what)


def read_npz(
    path: str | os.PathLike[str], what: str, names: Collection[str]
) -> tuple[dict[str, Numbers], list[str]]:
    """Those arrays of a .npz file that are called for, and the names of all it has."""
    what = f"{what} {str(path)!r}"
    with _open(path, what) as file, _damage_named(what, "an npz file of numbers"):
        archive = zipfile.ZipFile(file)
        members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
        arrays = {}
        for name in names:
            if name not in members:
                continue
            member = members[name]
            _check_density(member, f"Array {name} of {what}")
            with archive.open(member) as stream:
                arrays[name] = _read_array(stream, member.file_size, f"Array {name} of {what}")
        return arrays, [*members]


@contextmanager
def _open(path: str | os.PathLike[str], what: str) -> Iterator[IO[bytes]]:
    try:
        file = Path(path).open("rb")
    except (OSError, ValueError) as error:  # a name with a zero byte is a ValueError
        reason = getattr(error, "strerror", None) or error
        raise NhotError(f"{what} could not be read: {reason}") from None
    with file:
        yield file


@contextmanager
def _damage_named(what: str, expected: str) -> Iterator[None]:
    try:
        yield
    except NhotError:
        raise
    except BROKEN_ZIP as error:
        text = printable(" ".join(str(error).split()))[:200]
        raise NhotError(f"{what} must be {expected}: {text or type(error).__name__}") from None


def _check_density(member: zipfile.ZipInfo, what: str) -> None:
    most = max(_FREE, _DENSEST * member.compress_size)
    if member.file_size > most:
        raise NhotError(
            f"{what} must have at most {most:,} bytes, since it takes {member.compress_size:,} in "
            f"the file, not {member.file_size:,}"
        )


def _read_array(file: IO[bytes], size: int | None, what: str) -> Numbers:
    """The array that begins where ``file`` stands; ``size`` counts header and array, if known."""
    with _damage_named(what, "a .npy file of numbers"):
        header, shape, by_columns, dtype = _read_header(file)
        if dtype.kind not in "biuf":
            raise NhotError(f"{what} must hold numbers, not {shortened(dtype)}")
        if len(shape) > _MOST_AXES or not all(0 <= axis <= _LONGEST for axis in shape):
            raise NhotError(
                f"{what} must have at most {_MOST_AXES} axes of 0 to {_LONGEST}, "
                f"not {shortened(shape)}"
            )
        needed = math.prod(shape) * dtype.itemsize
        there = needed if size is None else size - header
        content = _read_up_to(file, needed) if there == needed else bytearray()
        if there != needed or len(content) != needed or file.read(1):
            more = len(content) == needed == there
            found = "more" if more else f"{there if there != needed else len(content):,}"
            raise NhotError(
                f"{what} must have {needed:,} bytes of {dtype} for its shape {shortened(shape)}, "
                f"not {found}"
            )
        flat = np.frombuffer(content, dtype)
        return flat.reshape(shape, order="F" if by_columns else "C")


def _read_header(file: IO[bytes]) -> tuple[int, tuple[int, ...], bool, np.dtype[Any]]:
    """Bytes of the header, then shape, whether columns come first, and type."""
    start = file.read(8)
    if start[:6] != b"\x93NUMPY" or start[6:] not in {b"\1\0", b"\2\0", b"\3\0"}:
        raise ValueError(f"it begins with {start!r}")
    count = file.read(2 if start[6] == 1 else 4)
    length = int.from_bytes(count, "little")
    if length > _HEADER_BYTES:
        raise ValueError(f"its header must have at most {_HEADER_BYTES} bytes, not {length}")
    header = start + count + file.read(length)
    # A header of version 3 differs from 2 in names of fields only, and is read as that.
    read = np.lib.format.read_array_header_1_0 if start[6] == 1 else (
        np.lib.format.read_array_header_2_0
    )
    stream = io.BytesIO(header)
    np.lib.format.read_magic(stream)
    try:
        shape, by_columns, dtype = read(stream, max_header_size=_HEADER_BYTES)
    except Exception as error:  # it is evaluated, and may say anything: numpy lets much through
        raise ValueError(f"its header: {error or type(error).__name__}") from None
    return len(header), shape, by_columns, dtype


def _read_up_to(file: IO[bytes], count: int) -> bytearray:
    """At most ``count`` bytes, with no more memory than there are bytes."""
    content = bytearray()
    while piece := file.read(min(_PIECE, count - len(content))):
        content += piece
    return content

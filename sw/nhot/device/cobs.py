"""Consistent-overhead byte stuffing: any bytes as bytes without a zero, at most 1 in 254 more."""

from __future__ import annotations

from nhot.errors import NhotError

__all__ = ["decode", "encode"]

_LONGEST_RUN = 254


def encode(data: bytes) -> bytes:
    """Stuff ``data``: each run of bytes up to a zero follows a code, its length plus one.

    A run of 254 has the code 255 and stands for no zero. The last run's zero is not meant.
    """
    runs = data.split(b"\0")
    parts = [
        run[i : i + _LONGEST_RUN] for run in runs for i in range(0, len(run) + 1, _LONGEST_RUN)
    ]
    if runs[-1] and not parts[-1]:  # no zero is left to stand for
        parts.pop()
    return b"".join(bytes([len(part) + 1]) + part for part in parts)


def decode(data: bytes) -> bytes:
    """Undo :func:`encode`. Raises :class:`NhotError` where ``data`` is torn or has a zero."""
    out = bytearray()
    position = 0
    zero = False
    while position < len(data):
        code = data[position]
        run = data[position + 1 : position + code]
        if code == 0 or 0 in run:
            raise NhotError(f"Stuffed bytes must not have a zero, but byte {position} on has one")
        if len(run) != code - 1:
            raise NhotError(
                f"Stuffed bytes must have {code - 1} more after byte {position}, not {len(run)}"
            )
        if zero:
            out.append(0)
        out += run
        zero = code <= _LONGEST_RUN
        position += code
    return bytes(out)

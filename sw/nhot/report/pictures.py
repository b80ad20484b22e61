"""Small grey pictures as PNG, without an imaging library."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

__all__ = ["data_uri", "png"]


def png(rows: Sequence[Sequence[float]], white: float) -> bytes:
    """Encode rows of grey values, 0 (black) to ``white``, as an 8-bit greyscale PNG."""
    scale = 255 / white if white else 0.0
    lines = b"".join(
        b"\0" + bytes(min(max(round(value * scale), 0), 255) for value in row) for row in rows
    )
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def data_uri(rows: Sequence[Sequence[float]], white: float) -> str:
    """The PNG of :func:`png` as a URI that a page can hold."""
    return "data:image/png;base64," + base64.b64encode(png(rows, white)).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

"""Small pictures as PNG, without an imaging library."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST", "is_picture", "picture", "png"]

MOST = 96
"""Pixels of the longer side; of larger pictures rows and columns are left out."""

_KINDS = {1: 0, 3: 2}  # channels: colour type


def is_picture(shape: tuple[int, ...]) -> bool:
    """Whether (height, width, channels) can be looked at: grey or coloured, and not a line."""
    return len(shape) == 3 and min(shape[:2]) >= 4 and shape[2] in _KINDS


def picture(values: NDArray[Any]) -> str:
    """Numbers (height, width, channels) from black, the least, to white, in base64."""
    step = -(-max(values.shape[:2]) // MOST)
    reals = values[::step, ::step].astype(np.float64)
    parts = (reals - reals.min()) / (np.ptp(reals) or 1)
    return base64.b64encode(png(np.rint(parts * 255).astype(np.uint8))).decode()


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Encode (height, width, channels), one channel grey or three of colour, as PNG."""
    height, width, channels = pixels.shape
    lines = b"".join(b"\0" + row.tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8, _KINDS[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

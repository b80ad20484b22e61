"""Dense weight codes as bytes: the encoding of files and of the wire."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from nhot.errors import NhotError
from nhot.formats.format import Ints

__all__ = ["pack_codes", "unpack_codes"]


def pack_codes(codes: ArrayLike, code_bits: int) -> bytes:
    """Pack codes (words, codes a word) of ``code_bits`` bits, each word padded to whole bytes.

    The first code of a word is in its low bits, the first byte of a word holds them; padding bits
    are 0. A code that does not fit is refused.
    """
    array = np.asarray(codes)
    _check_bits(code_bits)
    if array.ndim != 2:
        raise NhotError(f"Codes to pack must have shape (words, codes), not {array.shape}")
    bad = (array < 0) | (array >> code_bits > 0)
    if bad.any():
        raise NhotError(f"Codes to pack must have {code_bits} bits, not {array[bad][0]}")
    bits = np.empty((*array.shape, code_bits), np.uint8)
    for bit in range(code_bits):
        bits[..., bit] = array >> bit & 1
    flat = bits.reshape(array.shape[0], array.shape[1] * code_bits)
    return np.packbits(flat, axis=1, bitorder="little").tobytes()


def unpack_codes(data: bytes, code_bits: int, count: int) -> Ints:
    """The codes (words, ``count``) that :func:`pack_codes` packed; padding bits are ignored."""
    _check_bits(code_bits)
    word = (count * code_bits + 7) // 8
    if word == 0 or len(data) % word:
        raise NhotError(f"Packed codes must be whole words of {word} bytes, not {len(data)} bytes")
    raw = np.frombuffer(data, np.uint8).reshape(-1, word)
    flat = np.unpackbits(raw, axis=1, bitorder="little", count=count * code_bits)
    codes = np.zeros((len(raw), count), np.int64)
    for bit in range(code_bits):
        codes |= flat[:, bit::code_bits].astype(np.int64) << bit
    return codes


def _check_bits(code_bits: int) -> None:
    if not 1 <= code_bits <= 32:
        raise NhotError(f"Bits of a code must be 1 to 32, not {code_bits}")

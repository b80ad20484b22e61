"""How a tensor lies in activation memory: words of S channels, position by position.

The engine's activations are signed bytes. A tensor whose integers reach beyond 127 is stored minus
128, and everything that reads it has its zero point moved by as much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network.names import check_name
from nhot.network.tensor import Tensor

__all__ = ["Placement", "offset"]


def offset(tensor: Tensor) -> int:
    """What is added to an integer of ``tensor`` to store it: -128 for unsigned bytes, else 0."""
    return -128 if tensor.high > 127 and tensor.bits <= 8 else 0


@dataclass(frozen=True, kw_only=True)
class Placement:
    """A tensor's place on the board, as an image's metadata gives it.

    Parameters
    ----------
    name : str
    shape : (height, width, channels)
    bits, signed : element type; 16 bits take two bytes (an argmax result)
    offset : int
        Added to an integer to store it.
    address, words : int
        First activation word and their number.
    word_bytes : int
        Bytes of an activation word, S.
    """

    name: str
    shape: tuple[int, int, int]
    bits: int
    signed: bool
    offset: int
    address: int
    words: int
    word_bytes: int

    def __post_init__(self) -> None:
        check_name(self.name, "a tensor")
        for what, allowed, value in (
            ("shape", "sizes of at least 1", min(self.shape)),
            ("bits", "2 to 16", self.bits if self.bits <= 16 else 0),
            ("word_bytes", "at least 1", self.word_bytes),
            ("address", "at least 0", self.address + 1),
        ):
            if value < (2 if what == "bits" else 1):
                raise NhotError(f"Tensor {self.name!r} {what} must be {allowed}, "
                                f"not {getattr(self, what)}")
        for what, expected in (
            ("offset", -128 if self.bits == 8 and not self.signed else 0),
            ("words", _words(self.shape, self.bits, self.word_bytes)),
        ):
            if getattr(self, what) != expected:
                raise NhotError(f"Tensor {self.name!r} {what} must be {expected}, which follows "
                                f"from the rest, not {getattr(self, what)}")

    @classmethod
    def of(cls, tensor: Tensor, address: int, inputs: int) -> Placement:
        """Place ``tensor`` at word ``address`` of a memory with ``inputs`` bytes a word."""
        return cls(
            name=tensor.name, shape=tensor.shape, bits=tensor.bits, signed=tensor.signed,
            offset=offset(tensor), address=address, word_bytes=inputs,
            words=_words(tensor.shape, tensor.bits, inputs),
        )

    def pack(self, values: ArrayLike) -> bytes:
        """Bytes of activation memory for ``values`` (height, width, channels) integers."""
        array = np.asarray(values)
        low = -(2 ** (self.bits - 1)) if self.signed else 0
        high = 2 ** (self.bits - self.signed) - 1
        if array.shape != self.shape:
            raise NhotError(f"Input {self.name!r} must have shape {self.shape}, not {array.shape}")
        if not np.issubdtype(array.dtype, np.integer):
            raise NhotError(f"Input {self.name!r} must hold integers, not {array.dtype}")
        if array.size and (array.min() < low or array.max() > high):
            raise NhotError(
                f"Input {self.name!r} must be {low} to {high}, "
                f"not {array.min()} to {array.max()}"
            )
        height, width, channels = self.shape
        positions = height * width
        stored = (array.astype(np.int64) + self.offset).astype(f"<i{_bytes(self.bits)}")
        raw = stored.reshape(positions, channels).view(np.uint8)
        stride = self.words // positions * self.word_bytes
        return np.pad(raw, ((0, 0), (0, stride - raw.shape[1]))).tobytes()

    def unpack(self, data: bytes) -> Ints:
        """The integers (height, width, channels) that lie in ``data``."""
        height, width, channels = self.shape
        raw = np.frombuffer(data, np.uint8).reshape(height * width, -1)
        size = _bytes(self.bits)
        kind = "i" if self.signed or size == 1 else "u"
        used = np.ascontiguousarray(raw[:, : channels * size]).view(f"<{kind}{size}")
        return used.reshape(self.shape).astype(np.int64) - self.offset


def _words(shape: tuple[int, int, int], bits: int, word_bytes: int) -> int:
    height, width, channels = shape
    return height * width * -(-channels * _bytes(bits) // word_bytes)


def _bytes(bits: int) -> int:
    return 1 if bits <= 8 else 2

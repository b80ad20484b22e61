"""How a tensor lies in activation memory: words of S channels, position by position.

The engine's activations are signed bytes. A tensor whose integers reach beyond 127 is stored minus
128, and everything that reads it has its zero point moved by as much.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nhot.errors import NhotError
from nhot.formats.format import Ints
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

    @classmethod
    def of(cls, tensor: Tensor, address: int, inputs: int) -> Placement:
        """Place ``tensor`` at word ``address`` of a memory with ``inputs`` bytes a word."""
        height, width, channels = tensor.shape
        return cls(
            name=tensor.name, shape=tensor.shape, bits=tensor.bits, signed=tensor.signed,
            offset=offset(tensor), address=address, word_bytes=inputs,
            words=height * width * -(-channels * _bytes(tensor.bits) // inputs),
        )

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Placement:
        """Read back what :meth:`to_dict` gave."""
        return cls(**{**values, "shape": tuple(values["shape"])})

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "shape": list(self.shape)}

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


def _bytes(bits: int) -> int:
    return 1 if bits <= 8 else 2

"""How a tensor lies in activation memory: words of S channels, position by position.

The host may lay the input of a network out by a window (``unfold.py``): what the window sees at a
position are then the channels of the position. Tensors that were joined have holes
(``pieces.py``).

The engine's activations are signed bytes. A tensor whose integers reach beyond 127 is stored minus
128, and everything that reads it has its zero point moved by as much.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from nhot.compiler.pieces import Pieces, check_pieces, places, position_words
from nhot.compiler.unfold import unfold, unfolded
from nhot.errors import NhotError
from nhot.formats.format import Ints
from nhot.network.names import check_name
from nhot.network.tensor import Shape, Tensor
from nhot.network.window import Window

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
        Of the tensor, however it is laid out.
    bits, signed : element type; 16 bits take two bytes (an argmax result)
    offset : int
        Added to an integer to store it.
    address, words : int
        First activation word and their number.
    word_bytes : int
        Bytes of an activation word, S.
    window : Window, optional
        That the tensor is laid out by.
    fill : int
        What its padding holds.
    pieces : tuple of int
        Its channels between holes; empty where there are none.
    """

    name: str
    shape: tuple[int, int, int]
    bits: int
    signed: bool
    offset: int
    address: int
    words: int
    word_bytes: int
    window: Window | None = None
    fill: int = 0
    pieces: Pieces = ()

    def __post_init__(self) -> None:
        check_name(self.name, "a tensor")
        for what, allowed, fits in (
            ("shape", "sizes of at least 1", min(self.shape) >= 1),
            ("bits", "2 to 16", 2 <= self.bits <= 16),
            ("word_bytes", "at least 1", self.word_bytes >= 1),
            ("address", "at least 0", self.address >= 0),
        ):
            if not fits:
                raise NhotError(f"Tensor {self.name!r} {what} must be {allowed}, "
                                f"not {getattr(self, what)}")
        if not check_pieces(self.shape[2], self.pieces, self.word_bytes) or (
            self.pieces and (self.window is not None or self.bits > 8)
        ):
            raise NhotError(f"Tensor {self.name!r} pieces must be those of a joined tensor of "
                            f"{self.shape[2]} channels, not {self.pieces}")
        for what, expected in (
            ("offset", -128 if self.bits == 8 and not self.signed else 0),
            ("words", self.laid_out[0] * self.laid_out[1] * self._position_words),
        ):
            if getattr(self, what) != expected:
                raise NhotError(f"Tensor {self.name!r} {what} must be {expected}, which follows "
                                f"from the rest, not {getattr(self, what)}")
        low, high = self._range if self.window is not None else (0, 0)
        if not low <= self.fill <= high:
            raise NhotError(f"Tensor {self.name!r} fill must be {low} to {high}, not {self.fill}")

    @classmethod
    def of(
        cls, tensor: Tensor, address: int, inputs: int, window: Window | None = None,
        pieces: Pieces = (),
    ) -> Placement:
        """Place ``tensor`` at word ``address`` of a memory with ``inputs`` bytes a word."""
        height, width, channels = (
            tensor.shape if window is None else unfolded(tensor.shape, window)
        )
        words = height * width * position_words(channels * _bytes(tensor.bits), pieces, inputs)
        return cls(
            name=tensor.name, shape=tensor.shape, bits=tensor.bits, signed=tensor.signed,
            offset=offset(tensor), address=address, word_bytes=inputs, words=words, window=window,
            fill=0 if window is None else tensor.zero_point, pieces=pieces,
        )

    @property
    def laid_out(self) -> Shape:
        """Height, width and channels as they lie in the memory."""
        return self.shape if self.window is None else unfolded(self.shape, self.window)

    @property
    def _position_words(self) -> int:
        return position_words(self._position_bytes, self.pieces, self.word_bytes)

    @property
    def _position_bytes(self) -> int:
        """Bytes that the channels of a position take."""
        return self.laid_out[2] * _bytes(self.bits)

    @property
    def _places(self) -> Ints:
        """Where in the bytes of a position these are."""
        return places(self._position_bytes, self.pieces, self.word_bytes)

    @property
    def _range(self) -> tuple[int, int]:
        """The least and the greatest integer."""
        return -(2 ** (self.bits - 1)) if self.signed else 0, 2 ** (self.bits - self.signed) - 1

    def pack(self, values: ArrayLike) -> bytes:
        """Bytes of activation memory for ``values`` (height, width, channels) integers."""
        array = np.asarray(values)
        low, high = self._range
        if array.shape != self.shape:
            raise NhotError(f"Input {self.name!r} must have shape {self.shape}, not {array.shape}")
        if not np.issubdtype(array.dtype, np.integer):
            raise NhotError(f"Input {self.name!r} must hold integers, not {array.dtype}")
        if array.size and (array.min() < low or array.max() > high):
            raise NhotError(
                f"Input {self.name!r} must be {low} to {high}, "
                f"not {array.min()} to {array.max()}"
            )
        integers = array.astype(np.int64)
        if self.window is not None:
            integers = unfold(integers, self.window, self.fill)
        positions = integers[..., 0].size
        stored = (integers + self.offset).astype(f"<i{_bytes(self.bits)}")
        raw = np.zeros((positions, self._position_words * self.word_bytes), np.uint8)
        raw[:, self._places] = stored.reshape(positions, -1).view(np.uint8)
        return raw.tobytes()

    def unpack(self, data: bytes) -> Ints:
        """The integers (height, width, channels) that lie in ``data``, of a tensor as it is."""
        height, width, _ = self.shape
        raw = np.frombuffer(data, np.uint8).reshape(height * width, -1)
        size = _bytes(self.bits)
        kind = "i" if self.signed or size == 1 else "u"
        used = np.ascontiguousarray(raw[:, self._places]).view(f"<{kind}{size}")
        return used.reshape(self.shape).astype(np.int64) - self.offset


def _bytes(bits: int) -> int:
    return 1 if bits <= 8 else 2

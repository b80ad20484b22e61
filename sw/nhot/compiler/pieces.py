"""How the channels of a position lie in its words: in a row, with holes where tensors were joined.

A layer writes whole words. So where tensors are joined along the channels, each begins with a word
of its own, and what the one before it leaves free of its last word is a hole. The *pieces* of a
tensor are the numbers of channels between holes; a tensor without holes has none to tell: ``()``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from nhot.formats.format import Ints

__all__ = ["Pieces", "check_pieces", "join", "places", "position_words"]

Pieces = tuple[int, ...]


def join(parts: Iterable[tuple[int, Pieces]], inputs: int) -> Pieces:
    """The pieces of tensors side by side, each with its channels, in words of ``inputs`` bytes."""
    joined: list[int] = []
    for channels, pieces in parts:
        for piece in pieces or (channels,):
            if joined and joined[-1] % inputs == 0:  # the word is full: no hole
                joined[-1] += piece
            else:
                joined.append(piece)
    return tuple(joined) if len(joined) > 1 else ()


def check_pieces(channels: int, pieces: Pieces, inputs: int) -> bool:
    """Whether a tensor of so many channels can have these pieces, and is told in no fewer."""
    return not pieces or (
        min(pieces) > 0 and sum(pieces) == channels
        and join([(piece, ()) for piece in pieces], inputs) == pieces
    )


def places(channels: int, pieces: Pieces, inputs: int) -> Ints:
    """The byte of a position that each channel lies in. (channels,) int64"""
    sizes: Sequence[int] = pieces or (channels,)
    starts = np.cumsum([0, *(-(-size // inputs) * inputs for size in sizes[:-1])])
    return np.concatenate([
        start + np.arange(size) for start, size in zip(starts.tolist(), sizes, strict=True)
    ])


def position_words(channels: int, pieces: Pieces, inputs: int) -> int:
    """Words of a position."""
    return sum(-(-size // inputs) for size in pieces or (channels,))

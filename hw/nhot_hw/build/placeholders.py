"""Contents that memories can be told apart by in a bitstream, and the columns of their bits."""

from hashlib import shake_128

import numpy as np

from nhot.contract.config import EngineConfig
from nhot.contract.contents import Contents
from nhot.contract.memories import filled_memories, parts
from nhot.errors import NhotError

__all__ = ["columns", "memory_bits", "placeholders"]

_ROWS = 256  # words of the shortest column of any family
_FEWEST = 16  # words: their 65,536 columns are many times the bits of the widest word


def placeholders(config: EngineConfig) -> Contents:
    """Pseudo-random words for all memories that an image fills.

    No two bits of a word are the same in any 256 words from a multiple of 256 on, nor is any 0 in
    all of them. They are the same for the same engine.
    """
    if config.single_port:
        raise NhotError(
            "Patchable engine must have its weights in block memories, not in memories with a "
            "single port (single_port), which cannot hold anything at power-up"
        )
    taken: set[bytes] = set()
    return Contents(**{
        name: _words(np.concatenate([
            _distinct(name, width, min(_ROWS, part - first), taken)
            for part in parts(depth) for first in range(0, part, _ROWS)
        ]))
        for name, (width, depth) in filled_memories(config).items()
    })


def _distinct(name: str, width: int, count: int, taken: set[bytes]) -> np.ndarray:
    """New bits for ``count`` words. (count, width)"""
    if count < _FEWEST:
        raise NhotError(
            f"Patchable engine must have at least {_FEWEST} words of {name} behind whole blocks "
            f"of {_ROWS}, not {count}"
        )
    found: list[np.ndarray] = []
    tries = 0
    while len(found) < width:
        digest = shake_128(f"{name} {len(taken)} {tries}".encode()).digest(-(-count // 8))
        column = np.unpackbits(np.frombuffer(digest, np.uint8))[:count]
        key = np.packbits(column).tobytes().ljust(_ROWS // 8, b"\0")
        if column.any() and key not in taken:
            taken.add(key)
            found.append(column)
        tries += 1
    return np.stack(found, axis=1)


def _words(bits: np.ndarray) -> tuple[int, ...]:
    """Numbers of which each row has the bits, lowest first."""
    packed = np.packbits(bits, axis=1, bitorder="little")
    return tuple(int.from_bytes(row.tobytes(), "little") for row in packed)


def memory_bits(contents: Contents, config: EngineConfig) -> np.ndarray:
    """All bits of the memories that an image fills, word by word, and a 0 behind them. (bits + 1,)

    Words that there are none of are 0.
    """
    found = []
    for name, (width, depth) in filled_memories(config).items():
        words = getattr(contents, name)
        size = -(-width // 8)
        data = b"".join(word.to_bytes(size, "little") for word in words).ljust(depth * size, b"\0")
        rows = np.frombuffer(data, np.uint8).reshape(depth, size)
        found.append(np.unpackbits(rows, axis=1, bitorder="little")[:, :width].reshape(-1))
    return np.concatenate([*found, np.zeros(1, np.uint8)])


def columns(config: EngineConfig, rows: int, stride: int = 1) -> np.ndarray:
    """Where :func:`memory_bits` has a bit of every ``stride``-th word. (columns, rows)

    What is a memory apart begins with columns of its own; behind its end they have the 0.
    """
    found = []
    begin, end = 0, sum(width * depth for width, depth in filled_memories(config).values())
    chunk = rows * stride
    for width, depth in filled_memories(config).values():
        for part in parts(depth):
            whole = np.full((-(-part // chunk) * chunk, width), end)
            whole[:part] = begin + np.arange(part * width).reshape(part, width)
            found.append(
                whole.reshape(-1, rows, stride * width).swapaxes(1, 2).reshape(-1, rows)
            )
            begin += part * width
    return np.concatenate(found)

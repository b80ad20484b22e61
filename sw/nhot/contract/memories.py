"""The shapes of an engine's memories."""

from __future__ import annotations

from dataclasses import dataclass

from nhot.contract.config import EngineConfig
from nhot.contract.program import DESCRIPTOR_WORDS

__all__ = ["MemoryShape", "filled_memories", "memory_shapes", "parts", "timing_words"]

_BLOCK_WORDS = 1024
"""Words of a block memory of an ECP5 or a Gowin at its usual width."""

_FEW_WORDS = 64
"""So many words behind whole blocks are for memories made of LUTs, not for a block more."""

_BUFFERS = {"queue": 512, "ring": 512}
"""Bytes of the two buffers of the host link."""


@dataclass(frozen=True, kw_only=True)
class MemoryShape:
    """A memory with one write port and one read port, or a single port for both.

    Parameters
    ----------
    name : str
    width : int
        Bits of a word.
    depth : int
        Words.
    lanes : int
        Parts of a word that are written by themselves.
    single_port : bool
    """

    name: str
    width: int
    depth: int
    lanes: int = 1
    single_port: bool = False


def timing_words(config: EngineConfig) -> int:
    """Depth of the timing memory: two words for each descriptor the program can hold."""
    return 2 * (config.program_words // DESCRIPTOR_WORDS)


def parts(depth: int) -> list[int]:
    """Depths of the memories that make one of ``depth`` words: a few are apart from the rest."""
    rest = depth % _BLOCK_WORDS
    if depth > _BLOCK_WORDS and 0 < rest <= _FEW_WORDS:
        return [depth - rest, rest]
    return [depth]


def filled_memories(config: EngineConfig) -> dict[str, tuple[int, int]]:
    """Bits of a word, and words, of each memory that an image fills, by name."""
    record_bits = 32 * config.requantisers
    return {
        "program": (32, config.program_words),
        "biases": (record_bits, config.requant_words - config.records),
        "terms": (record_bits, config.records),
        "weights": (config.weight_word_bits, config.weight_words),
    }


def memory_shapes(config: EngineConfig) -> list[MemoryShape]:
    """All memories of an engine with its host link."""
    words = filled_memories(config) | {"timing": (32, timing_words(config))}
    single = {"weights"} if config.single_port else set()
    return [
        *(MemoryShape(name=name, width=width, depth=part, single_port=name in single)
          for name, (width, depth) in words.items()
          for part in ([depth] if name in single else parts(depth))),
        *(MemoryShape(name=f"bank {i}", width=8 * config.inputs, depth=config.bank_words,
                      lanes=config.inputs, single_port=config.single_port)
          for i in range(config.banks)),
        *(MemoryShape(name=name, width=8, depth=depth) for name, depth in _BUFFERS.items()),
    ]

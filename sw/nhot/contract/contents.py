"""What an engine's memories hold at power-up or once they are loaded, memory by memory."""

from __future__ import annotations

from dataclasses import dataclass

from nhot.contract.config import EngineConfig

__all__ = ["Contents", "filled_memories"]


@dataclass(frozen=True, kw_only=True)
class Contents:
    """The first words of each memory that an image fills; those behind them are 0.

    Parameters
    ----------
    program, biases, terms, weights : tuple of int
        As the memories have them: the weights as the lanes' fields, a record in its two halves.
    """

    program: tuple[int, ...]
    biases: tuple[int, ...]
    terms: tuple[int, ...]
    weights: tuple[int, ...]


def filled_memories(config: EngineConfig) -> dict[str, tuple[int, int]]:
    """Bits of a word, and words, of each memory that an image fills, by its name in `Contents`."""
    record_bits = 32 * config.requantisers
    return {
        "program": (32, config.program_words),
        "biases": (record_bits, config.requant_words - config.records),
        "terms": (record_bits, config.records),
        "weights": (config.weight_word_bits, config.weight_words),
    }

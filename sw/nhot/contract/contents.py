"""What an engine's memories hold at power-up or once they are loaded, memory by memory."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Contents"]


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

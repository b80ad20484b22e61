"""Where each activation tensor lies: first fit over lifetimes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Lifetime", "place"]


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """A tensor's words, and the first and last step at which it must not be overwritten."""

    name: str
    words: int
    first: int
    last: int


def place(lifetimes: Sequence[Lifetime]) -> dict[str, int]:
    """First word of each tensor: the largest first, each at the lowest place that is free.

    Tensors that live at the same time never overlap.
    """
    placed: list[tuple[Lifetime, int]] = []
    for tensor in sorted(lifetimes, key=lambda t: (-t.words, t.first, t.name)):
        busy = sorted(
            (address, address + other.words)
            for other, address in placed
            if other.first <= tensor.last and tensor.first <= other.last
        )
        address = 0
        for start, end in busy:
            if address + tensor.words <= start:
                break
            address = max(address, end)
        placed.append((tensor, address))
    return {tensor.name: address for tensor, address in placed}

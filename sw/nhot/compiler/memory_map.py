"""Where each activation tensor lies: first fit over lifetimes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nhot.errors import NhotError

__all__ = ["Lifetime", "place"]


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """A tensor's words, and the first and last step at which it must not be overwritten."""

    name: str
    words: int
    first: int
    last: int


def place(lifetimes: Sequence[Lifetime], capacity: int) -> dict[str, int]:
    """First word of each tensor: the largest first, each at the lowest place that is free.

    Tensors that live at the same time never overlap. Raises :class:`NhotError` with the step and
    the words needed when ``capacity`` words are too few.
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
    needed = max((address + tensor.words for tensor, address in placed), default=0)
    if needed > capacity:
        largest = max(lifetimes, key=lambda t: t.words)
        raise NhotError(
            f"Activation memory must have at least {needed} words for this network, "
            f"not {capacity} (largest tensor: {largest.name!r}, {largest.words} words)"
        )
    return {tensor.name: address for tensor, address in placed}

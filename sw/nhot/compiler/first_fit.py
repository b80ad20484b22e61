"""Where each activation tensor lies: first fit over lifetimes."""

from __future__ import annotations

from collections import defaultdict
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
    addresses: dict[str, int] = {}
    # By step, what lives then: a tensor has few others beside it, however many layers there are.
    alive: dict[int, set[tuple[int, int]]] = defaultdict(set)
    for tensor in sorted(lifetimes, key=lambda t: (-t.words, t.first, t.name)):
        steps = range(tensor.first, tensor.last + 1)
        address = 0
        for start, end in sorted(set().union(*(alive[step] for step in steps))):
            if address + tensor.words <= start:
                break
            address = max(address, end)
        for step in steps:
            alive[step].add((address, address + tensor.words))
        addresses[tensor.name] = address
    return addresses

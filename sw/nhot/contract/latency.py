"""How many cycles a lane takes: the gateware is made so, and the compiler counts on it."""

from __future__ import annotations

from typing import NamedTuple

from nhot.formats import Format, NHot

__all__ = [
    "REQUANT_LATENCY", "WINDOW_LATENCY", "interval", "memory_latency", "product_latency",
    "sum_latency",
]

WINDOW_LATENCY = 1
"""Cycles from the last tap of a pool or an addition to its result."""


class RequantLatency(NamedTuple):
    """Cycles from the cycle in which a sum is captured."""

    product: int  # to the addition of its first terms to the product
    byte: int  # from its last terms to its byte


REQUANT_LATENCY = {
    terms: RequantLatency(product=3 + levels, byte=6 + levels)
    for terms, levels in ((1, 0), (2, 1), (4, 2))
}
"""By the terms that a requantiser takes in a cycle: they are added up in a tree."""


def memory_latency(banks: int) -> int:
    """Cycles from a step to its words at the lanes: the memories' own, and a register behind them.

    With banks two more: an address has a register to itself, and one at the bank that it is in.
    """
    return 2 if banks == 1 else 4


def interval(format: Format, style: str) -> int:
    """Cycles of a step: one, or one a term where the terms of a weight come one by one."""
    return format.n if style == "serial" and isinstance(format, NHot) else 1


def product_latency(format: Format, style: str) -> int:
    """Cycles from a lane's inputs to its products, in a lane that an engine may have.

    One for the shifters, the gates or the multiplier; n terms of a weight that come in the same
    cycle (``style`` is ``"parallel"``) are then added up in a tree.
    """
    if style == "parallel" and isinstance(format, NHot):
        return 1 + (format.n - 1).bit_length()
    return 1


def sum_latency(products: int, addends: int) -> int:
    """Cycles from a lane's inputs to its sum, where its products take so many of them.

    A cycle for each level of the tree over the ``addends`` of a step, one for the accumulator.
    """
    return products + (addends - 1).bit_length() + 1

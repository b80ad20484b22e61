"""How many cycles a lane takes: the gateware is made so, and the compiler counts on it."""

from __future__ import annotations

from math import gcd
from typing import NamedTuple

from nhot.formats import Format, NHot

__all__ = [
    "REQUANT_LATENCY", "ROUNDING_LATENCY", "WINDOW_LATENCY", "addends", "chain_weights",
    "filter_groups", "interval", "memory_latency", "product_latency", "sum_latency",
]

_CHAIN_TERMS = 4
"""About as many terms are added one after the other, in a lane of chains."""

_BROADCAST = 256
"""At most so many multiply-accumulates a step hear of it in the same cycle, in an array whose lanes
have no registers of their own."""

_FILTER_GROUPS = 4
"""Groups of filters in a larger array."""

WINDOW_LATENCY = 1
"""Cycles from the last tap of a pool or an addition to its result."""

ROUNDING_LATENCY = 4
"""Cycles from a byte to itself rounded to few terms, in an engine that can."""


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


def filter_groups(macs: int, filters: int) -> int:
    """Groups of filters of an array that work one after the other, each a cycle after the last."""
    return gcd(filters, _FILTER_GROUPS) if macs > _BROADCAST else 1


def interval(format: Format, style: str) -> int:
    """Cycles of a step: one, or one a term where the terms of a weight come one by one."""
    return format.n if style == "serial" and isinstance(format, NHot) else 1


def product_latency(format: Format, style: str, inputs: int) -> int:
    """Cycles from a lane's inputs to what its adder tree adds, in a lane that an engine may have.

    One for the shifters, the gates or the multiplier; n terms of a weight that come in the same
    cycle are then added up in a tree (``style`` is ``"parallel"``), or one after the other, those
    of several weights together (``"chain"``). Of a uniform weight's bits each has a row of adders
    (``"rows"``), with a register behind every second one.
    """
    if style == "chain":
        return chain_weights(format, inputs) * _terms(format)
    if style == "parallel":
        return 1 + (_terms(format) - 1).bit_length()
    if style == "rows":
        return 1 + format.field_bits // 2
    return 1


def addends(format: Format, style: str, inputs: int) -> int:
    """Numbers of a step that a lane's adder tree adds."""
    return -(-inputs // chain_weights(format, inputs)) if style == "chain" else inputs


def chain_weights(format: Format, inputs: int) -> int:
    """Weights of a chain, of a lane with so many inputs."""
    return min(inputs, max(1, _CHAIN_TERMS // _terms(format)))


def _terms(format: Format) -> int:
    """Terms of a weight."""
    return format.n if isinstance(format, NHot) else 1


def sum_latency(products: int, addends: int) -> int:
    """Cycles from a lane's inputs to its sum, where its products take so many of them.

    A cycle for each level of the tree over the ``addends`` of a step, one for the accumulator.
    """
    return products + (addends - 1).bit_length() + 1

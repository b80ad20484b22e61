"""How many cycles a lane takes: the gateware is made so, and the compiler counts on it."""

from __future__ import annotations

from nhot.formats import Format, NHot

__all__ = ["interval", "product_latency", "sum_latency"]


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

"""Signed-digit arithmetic: integers as sums of signed powers of two.

A *term* is a pair ``(sign, shift)`` that stands for ``sign * 2**shift``. The non-adjacent form
(NAF, also called canonical signed digit) has the fewest non-zero digits of all signed-binary forms.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Term", "extend_terms", "naf_terms", "naf_weight", "sum_terms"]

Term = tuple[int, int]


def naf_terms(value: int) -> tuple[Term, ...]:
    """The non-adjacent form of ``value``: its minimal terms, smallest shift first."""
    terms: list[Term] = []
    shift = 0
    while value:
        if value & 1:
            sign = 2 - (value & 3)  # 1 for ...01, -1 for ...11
            terms.append((sign, shift))
            value -= sign
        value >>= 1
        shift += 1
    return tuple(terms)


def naf_weight(value: int) -> int:
    """Non-zero digits of the non-adjacent form, which is the fewest terms that make ``value``."""
    # v and 3v differ in exactly the bits where the NAF of v has a digit.
    magnitude = abs(value)
    return (magnitude ^ (3 * magnitude)).bit_count()


def sum_terms(terms: Sequence[Term]) -> int:
    """The integer that the terms add up to."""
    return sum(sign << shift if sign > 0 else -(1 << shift) for sign, shift in terms)


def extend_terms(terms: Sequence[Term], count: int) -> tuple[Term, ...]:
    """The same integer as *exactly* ``count`` terms, for a lane that has no enable per term.

    A term is split as ``2^e = 2^(e-1) + 2^(e-1)``, ``2^0`` as ``2^1 - 2^0``, and zero is ``1 - 1``;
    so shifts never leave the range that the value already needs (or 0 to 1).
    """
    result = list(terms)
    if len(result) > count:
        raise ValueError(f"Terms must be at most {count}, not {len(result)}")
    if not result and count == 1:
        raise ValueError("Zero has no form with exactly one term")
    if not result and count:
        result = [(1, 0), (-1, 0)]
    while len(result) < count:
        sign, shift = result.pop()
        if shift:
            result += [(sign, shift - 1), (sign, shift - 1)]
        else:
            result += [(sign, 1), (-sign, 0)]
    return tuple(result)

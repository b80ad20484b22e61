"""Activations in banks: T pixels read a word each in a cycle, from memories with one port.

Word a lies in bank a mod B at place a mod D. With D and B coprime no two words share a place (the
Chinese remainder theorem), and neither needs a division. B is a prime: T words at a constant
distance lie in as many banks unless B divides the distance, which for the usual powers of two it
never does (P. Budnik and D. J. Kuck, "The Organization and Use of Parallel Memories", IEEE
Transactions on Computers C-20, 1971).
"""

from __future__ import annotations

from math import gcd

__all__ = ["bank_words", "banks", "conflicts"]


def banks(pixels: int) -> int:
    """Banks of an engine of so many pixels: one, or the least odd prime that is no smaller."""
    if pixels == 1:
        return 1
    count = max(pixels, 3)
    while any(count % divisor == 0 for divisor in range(2, count)):
        count += 1
    return count


def bank_words(words: int, banks: int) -> int:
    """The least depth of ``banks`` banks that hold ``words`` words."""
    depth = -(-words // banks)
    while gcd(depth, banks) > 1:
        depth += 1
    return depth


def conflicts(distance: int, banks: int) -> bool:
    """Whether pixels whose words are so far apart would ask the same bank for two of them."""
    return banks > 1 and distance % banks == 0

"""Additive powers of two: a baseline whose terms come from disjoint sets of powers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from nhot.errors import NhotError
from nhot.formats.format import Format, Ints

__all__ = ["AdditivePowers"]


@dataclass(frozen=True, kw_only=True)
class AdditivePowers(Format):
    """A sign and a sum of powers of two, one from each of several sets that share no power.

    A set holds nothing and three powers; where the bits of the magnitude are odd, one more set
    holds nothing and one power. Terms only add, under the sign they share, and every code is used:
    ``2**bits - 1`` levels. Source: APoT, arXiv 1909.13144.

    Levels are integers: the smallest power is 1, and the largest level may need more than eight
    bits. The field is the two's complement.

    Parameters
    ----------
    bits : int
        Bits of a weight, its sign included, 2 to 7.
    """

    bits: int

    def __post_init__(self) -> None:
        if not isinstance(self.bits, int):
            raise TypeError(f"Bits must be an integer, not {self.bits!r}")
        if not 2 <= self.bits <= 7:
            raise NhotError(f"Bits of additive powers of two must be 2 to 7, not {self.bits}")

    @property
    def name(self) -> str:
        return f"apot{self.bits}"

    @cached_property
    def exponents(self) -> tuple[tuple[int, ...], ...]:
        """The shifts that each term may have, besides being absent."""
        pairs, single = divmod(self.bits - 1, 2)
        terms: list[list[int]] = [[] for _ in range(pairs + single)]
        fraction = 0
        for turn in range(3 if pairs else 1):
            # The power of the set that has only one lies before the last powers of the others.
            order = range(pairs) if turn < 2 else [*range(pairs, pairs + single), *range(pairs)]
            for term in order if pairs else [0]:
                terms[term].append(fraction)
                fraction += 1
        return tuple(tuple(fraction - 1 - e for e in term) for term in terms)

    @cached_property
    def levels(self) -> Ints:
        choices = [(0, *(1 << e for e in term)) for term in self.exponents]
        magnitudes = {sum(chosen) for chosen in product(*choices)}
        levels = np.array(sorted({s * m for m in magnitudes for s in (-1, 1)}), dtype=np.int64)
        levels.flags.writeable = False
        return levels

    @property
    def field_bits(self) -> int:
        return self.max_level.bit_length() + 1

    @cached_property
    def field_table(self) -> Ints:
        return np.asarray(self.levels & ((1 << self.field_bits) - 1), dtype=np.int64)

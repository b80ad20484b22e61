"""Sums of powers of two that are never subtracted: baselines for n-hot."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from nhot.errors import NhotError
from nhot.formats.format import Format, Ints

__all__ = ["AddOnly", "AdditivePowers"]


@dataclass(frozen=True, kw_only=True)
class AddOnly(Format):
    """A sign and a sum of at most ``n`` powers of two: n-hot whose terms share the sign.

    What subtraction buys is seen beside :class:`nhot.formats.NHot`: 57 levels instead of 87 for
    two terms on the grid of eight bits. The field is the two's complement.

    Parameters
    ----------
    bits : int
        Bits of the uniform grid that the levels are taken from, 2 to 16.
    n : int
        Most ones in the magnitude of a level, at least 1.
    """

    bits: int
    n: int

    def __post_init__(self) -> None:
        if not isinstance(self.bits, int) or not isinstance(self.n, int):
            raise TypeError(f"Bits and n must be integers, not {self.bits!r} and {self.n!r}")
        if not 2 <= self.bits <= 16:
            raise NhotError(f"Bits of an add-only format must be 2 to 16, not {self.bits}")
        if not 1 <= self.n <= self.bits:
            raise NhotError(
                f"n of an add-only format must be 1 to its bits ({self.bits}), not {self.n}"
            )

    @property
    def name(self) -> str:
        return f"{self.n}hot+" + ("" if self.bits == 8 else f"@{self.bits}")

    @cached_property
    def levels(self) -> Ints:
        limit = 2 ** (self.bits - 1) - 1
        values = [v for v in range(-limit, limit + 1) if abs(v).bit_count() <= self.n]
        levels = np.array(values, dtype=np.int64)
        levels.flags.writeable = False
        return levels

    @property
    def field_bits(self) -> int:
        return self.bits

    @cached_property
    def field_table(self) -> Ints:
        return np.asarray(self.levels & (2**self.bits - 1), dtype=np.int64)


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

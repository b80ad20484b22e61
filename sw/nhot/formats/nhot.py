"""n-hot: sums of at most n signed powers of two."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from nhot.errors import NhotError
from nhot.formats.format import Format, Ints
from nhot.formats.terms import Term, extend_terms, naf_terms, naf_weight

__all__ = ["NHot"]


@dataclass(frozen=True, kw_only=True)
class NHot(Format):
    """All integers ``|v| <= 2**(bits-1) - 1`` that are a sum of at most ``n`` signed powers of two.

    ``NHot(bits=8, n=2)`` has 87 levels and 7-bit codes; ``NHot(bits=8, n=4)`` is all of int8;
    ``NHot(bits=2, n=1)`` is ternary. Source: n-hot, arXiv 2103.11704, with the set read as the
    integers whose non-adjacent form has at most ``n`` digits, shifts 0 to ``bits - 1``.

    A field of ``n >= 2`` holds exactly ``n`` (sign, shift) pairs, first in the low bits, the sign
    above the shift: a value with fewer terms is split, so that a lane needs no enable. With
    ``n == 1`` zero cannot be split, and a non-zero flag sits on top.

    Parameters
    ----------
    bits : int
        Bits of the uniform grid that the levels are taken from, 2 to 16.
    n : int
        Most terms a level may have, at least 1.
    subtract : bool
        Whether terms may have signs of their own. Without it they share the sign of the level, and
        57 levels are left of 87 for two terms in eight bits: what subtraction buys.
    """

    bits: int
    n: int
    subtract: bool = True

    def __post_init__(self) -> None:
        if not isinstance(self.bits, int) or not isinstance(self.n, int):
            raise TypeError(f"Bits and n must be integers, not {self.bits!r} and {self.n!r}")
        if not 2 <= self.bits <= 16:
            raise NhotError(f"Bits of an n-hot format must be 2 to 16, not {self.bits}")
        if not 1 <= self.n <= self.bits:
            raise NhotError(
                f"n of an n-hot format must be 1 to its bits ({self.bits}), not {self.n}"
            )

    @property
    def name(self) -> str:
        if self == NHot(bits=2, n=1):
            return "ternary"
        sign = "" if self.subtract else "+"
        return f"{self.n}hot{sign}" + ("" if self.bits == 8 else f"@{self.bits}")

    @cached_property
    def levels(self) -> Ints:
        limit = 2 ** (self.bits - 1) - 1
        terms = naf_weight if self.subtract else int.bit_count
        values = [v for v in range(-limit, limit + 1) if terms(v) <= self.n]
        levels = np.array(values, dtype=np.int64)
        levels.flags.writeable = False
        return levels

    @property
    def shift_bits(self) -> int:
        """Bits of a shift in a field; 0 for ternary, whose only shift is 0."""
        return self.max_shift.bit_length()

    @cached_property
    def max_shift(self) -> int:
        """The largest shift in any field."""
        shifts = (shift for v in self.levels for _, shift in self.field_terms(int(v)))
        return max(shifts)

    @property
    def term_bits(self) -> int:
        """Bits of one (sign, shift) pair in a field."""
        return self.shift_bits + 1

    @property
    def field_bits(self) -> int:
        return self.n * self.term_bits + (self.n == 1)

    def field_terms(self, level: int) -> tuple[Term, ...]:
        """The terms in the field of one level: exactly ``n``, or none for zero with ``n == 1``."""
        minimal = naf_terms(level)
        return minimal if self.n == 1 else extend_terms(minimal, self.n)

    @cached_property
    def field_table(self) -> Ints:
        return np.array([self._field(int(level)) for level in self.levels], dtype=np.int64)

    def _field(self, level: int) -> int:
        field = 0
        for i, (sign, shift) in enumerate(self.field_terms(level)):
            field |= (shift | (sign < 0) << self.shift_bits) << (i * self.term_bits)
        if self.n == 1 and level:
            field |= 1 << self.term_bits
        return field

    def inverted_terms(self, levels: ArrayLike) -> Ints:
        return np.asarray(self._inverted_counts[self._indices(levels)].sum(axis=-1))

    @cached_property
    def _inverted_counts(self) -> Ints:
        counts = [sum(sign < 0 for sign, _ in self.field_terms(int(v))) for v in self.levels]
        return np.array(counts, dtype=np.int64)

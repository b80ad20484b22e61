"""What every weight format can say about itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nhot.errors import NhotError
from nhot.formats.terms import Term, naf_terms, naf_weight

__all__ = ["Format", "Ints"]

Ints = NDArray[np.int64]


class Format(ABC):
    """A set of integers that a weight may take, with its two encodings.

    A weight is ``scale * level``; the format knows the levels only. The *dense* code is the index
    of a level, in the fewest bits (files and the wire); the *field* is what a lane of the array
    eats (on-chip memory). A *step* is the S weights of a filter that a lane eats at once: they may
    share a sign, which has a code and a field of its own behind theirs. Subclasses are frozen
    dataclasses: they compare and hash as values.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The name users type; :func:`nhot.formats.parse` reads it back."""

    @property
    def kind(self) -> str:
        """The name of what a user asks for: shared by formats that are each for one layer."""
        return self.name

    @cached_property
    @abstractmethod
    def levels(self) -> Ints:
        """All levels, ascending, read-only. (levels,) int64"""

    @property
    @abstractmethod
    def field_bits(self) -> int:
        """Bits of a field."""

    @cached_property
    @abstractmethod
    def field_table(self) -> Ints:
        """The field of each code, in their order. (codes,) int64, unsigned"""

    @property
    def sign_codes(self) -> int:
        """Codes of a step beside those of its weights: 1 if they share a sign, else 0."""
        return 0

    @property
    def max_level(self) -> int:
        """The largest level; levels are symmetric unless the format is one-sided."""
        return int(self.levels[-1])

    @property
    def code_bits(self) -> int:
        """Bits of a dense code, ``ceil(log2(codes))``."""
        return (len(self.field_table) - 1).bit_length()

    @property
    def max_terms(self) -> int:
        """The largest number of signed powers of two that a level needs."""
        return int(self._costs.max())

    def terms(self, level: int) -> tuple[Term, ...]:
        """The minimal signed-digit terms of one level, smallest shift first."""
        self._indices(np.asarray(level))
        return naf_terms(int(level))

    def cost(self, values: ArrayLike) -> Ints:
        """Terms that each level needs, which is what a multiply costs. Same shape as ``values``."""
        return _ints(self._costs[self._indices(values)])

    @cached_property
    def _costs(self) -> Ints:
        return np.array([naf_weight(int(level)) for level in self.levels], dtype=np.int64)

    def nearest(self, values: ArrayLike) -> Ints:
        """The level nearest to each real value; a tie goes to the level nearer to zero.

        Values beyond the largest level saturate. NaN is refused. Same shape as ``values``, int64.
        """
        reals = np.asarray(values, dtype=np.float64)
        if np.isnan(reals).any():
            raise NhotError(f"Weights to round to {self.name} must be numbers, not NaN")
        positive = self.levels[self.levels >= 0]
        midpoints = (positive[1:] + positive[:-1]) / 2
        magnitude = positive[np.searchsorted(midpoints, np.abs(reals), side="left")]
        signed = np.where(reals < 0, -magnitude, magnitude)
        return _ints(np.clip(signed, self.levels[0], self.levels[-1]))

    def contains(self, values: ArrayLike) -> NDArray[np.bool_]:
        """Whether each integer is a level. Same shape as ``values``."""
        return np.isin(np.asarray(values), self.levels)

    def fold_signs(self, weights: ArrayLike) -> tuple[Ints, Ints]:
        """Split ``weights`` (filters, ...) into levels and one sign a filter: ``level * sign``.

        The sign is +1 unless the format stores a sign a filter. Raises :class:`NhotError` naming
        the first weight that the format cannot hold.
        """
        array = np.asarray(weights, dtype=np.int64)
        self._indices(array)
        return array, np.ones(array.shape[0], dtype=np.int64)

    def filled(self, weights: ArrayLike) -> Ints:
        """Weights with a level in place of every 0, which stands for no weight: 0, if it is one.

        Else that nearest to it; what it is multiplied by must not count. Same shape, int64.
        """
        array = np.asarray(weights, dtype=np.int64)
        return np.where(array == 0, self.nearest(0), array)

    def encode(self, levels: ArrayLike) -> Ints:
        """The dense codes of steps. (..., S) levels -> (..., S + :attr:`sign_codes`)"""
        return self._indices(levels)

    def decode(self, codes: ArrayLike) -> Ints:
        """The inverse of :meth:`encode`; codes that stand for no levels are refused."""
        return _ints(self.levels[self._check_codes(codes)])

    def to_fields(self, levels: ArrayLike) -> Ints:
        """The lane fields of steps. (..., S) levels -> (..., S + :attr:`sign_codes`)"""
        return _ints(self.field_table[self.encode(levels)])

    def inverted_terms(self, levels: ArrayLike) -> Ints:
        """How often a lane adds ``~x`` where ``-x`` is meant, in each step. (..., S) -> (...)

        ``-x`` is ``~x + 1``: the missing ones are known before the first activation arrives, so the
        compiler adds them to the bias and the lane saves a carry.
        """
        return np.zeros(np.shape(levels)[:-1], dtype=np.int64)

    def _check_codes(self, codes: ArrayLike) -> Ints:
        array = np.asarray(codes, dtype=np.int64)
        count = len(self.field_table)
        bad = (array < 0) | (array >= count)
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise NhotError(
                f"Code of {self.name} at index {where} must be below {count}, "
                f"not {int(array[where])}"
            )
        return array

    def _indices(self, values: ArrayLike) -> Ints:
        array = np.asarray(values)
        index = np.searchsorted(self.levels, array).clip(0, len(self.levels) - 1)
        bad = self.levels[index] != array
        if bad.any():
            where = tuple(int(i) for i in np.argwhere(bad)[0])
            raise NhotError(
                f"Weight at index {where} must be a level of {self.name}, not {array[where]}"
            )
        return _ints(index)


def _ints(array: Any) -> Ints:
    return np.asarray(array, dtype=np.int64)
